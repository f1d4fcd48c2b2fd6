"""Pictures as tensors of torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zoo.pictures.grain import grain
from zoo.pictures.images import Picture, to_floats, to_pixels


def to_tensor(picture: Picture) -> Tensor:
    """Makes an RGB tensor ``(3, H, W)``, float32 in 0..1, of what :func:`to_floats` takes."""
    return torch.from_numpy(to_floats(picture))


def to_array(tensor: Tensor) -> np.ndarray:
    """``(3, H, W)`` in 0..1 -> ``(H, W, 3)`` uint8."""
    return to_pixels(tensor.detach().float().cpu().numpy())


def with_grain(pictures: Tensor, strength: float) -> Tensor:
    """Pictures ``(B, 3, H, W)`` in 0..1 with the grain of :func:`zoo.pictures.grain.grained`, each with the same."""
    if not strength:
        return pictures
    height, width = pictures.shape[2:]
    added = torch.from_numpy(grain(height, width, strength) / np.float32(255)).movedim(-1, 0)
    return (pictures + added.to(pictures)).clamp(0, 1)
