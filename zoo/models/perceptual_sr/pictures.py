"""Pictures that show what super resolution does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from zoo.data.low_resolution import SCALE, resize
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

SHOWN = 320, 240  # pixels of the truth that a cell shows, at natural size


def upscaling_sheet(rows: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Image.Image:
    """Bicubic, network and truth, the middle of each.

    Args:
        rows: low ``(3, H, W)``, prediction and truth ``(3, 4H, 4W)``, in 0..1.
    """
    lines = []
    for low, *large in rows:
        picture = to_array(low)
        bicubic = resize(picture, picture.shape[1] * SCALE, picture.shape[0] * SCALE)
        lines.append([middle(cell, *SHOWN) for cell in (bicubic, *map(to_array, large))])
    return contact_sheet(lines, ("bicubic", "network", "truth"), width=SHOWN[0])


def middle(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The middle of a picture ``(H, W, 3)``, at most this large."""
    top, left = max(0, (picture.shape[0] - height) // 2), max(0, (picture.shape[1] - width) // 2)
    return picture[top : top + height, left : left + width]
