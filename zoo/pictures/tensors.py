"""Pictures as tensors of torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zoo.pictures.images import Picture, to_floats, to_pixels


def to_tensor(picture: Picture) -> Tensor:
    """Makes an RGB tensor ``(3, H, W)``, float32 in 0..1, of what :func:`to_floats` takes."""
    return torch.from_numpy(to_floats(picture))


def to_array(tensor: Tensor) -> np.ndarray:
    """``(3, H, W)`` in 0..1 -> ``(H, W, 3)`` uint8."""
    return to_pixels(tensor.detach().float().cpu().numpy())
