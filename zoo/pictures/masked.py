"""Masks: which part of a picture changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from zoo.base.errors import ZooError
from zoo.pictures.images import Picture, is_tensor, to_picture

SLACK = 0.02  # by which the ratio of the sides of mask and picture may differ
FEATHER = 0.004  # radius of the soft edge, as a fraction of the longer side


def read_mask(mask: Picture, size: tuple[int, int]) -> Image.Image:
    """A mask as grey levels (L) of a picture's size with a soft edge: 255 where the picture changes.

    Args:
        mask: a picture, of which white changes and black stays; or an array or tensor ``(H, W)`` of truth values.
        size: width and height of the picture; a mask of another size and the same shape is resized.

    Raises:
        ZooError: the mask cannot be read, or has another shape than the picture.
    """
    given: Any = mask
    values = given.detach().cpu().numpy() if is_tensor(mask) else given
    if isinstance(values, np.ndarray) and (values.dtype == bool or (is_tensor(mask) and values.ndim == 2)):
        if values.ndim != 2 or not values.size:
            raise ZooError(f"a mask of truth values must be (H, W), not {values.shape}")
        values = values > 0.5 if values.dtype != bool else values
        source = Image.fromarray(values.astype(np.uint8) * 255)
    else:
        source = to_picture(mask)[0].convert("L")
    if not source.width or not source.height:
        raise ZooError(f"the mask is empty ({source.width}x{source.height})")
    ratio = source.width * size[1] / (source.height * size[0])
    if not 1 - SLACK <= ratio <= 1 + SLACK:
        found = f"{source.width}x{source.height}"
        raise ZooError(f"the mask is {found} pixels, the picture {size[0]}x{size[1]}: their shapes must be the same")
    resized = source.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    return resized.filter(ImageFilter.GaussianBlur(FEATHER * max(size)))
