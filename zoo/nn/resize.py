"""Enlarging as Pillow does it, in operations that every runtime has."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BicubicUpsample(nn.Module):
    """Bicubic interpolation (Keys, 1981, a = -0.5, as Pillow's) by a whole factor s.

    ``(B, C, H, W)`` becomes ``(B, C, sH, sW)``. One convolution with fixed weights, and a shuffle of its channels to
    pixels: it can be exported everywhere, where torch's own has a = -0.75. Beyond the border lie the values of the
    border. Always in float32.

    Args:
        scale: the factor.
        channels: of the pictures.
    """

    def __init__(self, scale: int, channels: int = 3) -> None:
        super().__init__()
        self.scale, self.channels = scale, channels
        self.kernel: Tensor
        taps = torch.from_numpy(phase_kernels(scale)).float()
        kernel = torch.einsum("py,qx->pqyx", taps, taps).reshape(scale * scale, 1, *2 * taps.shape[1:])
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):  # it would keep eight bits of each product
            with torch.autocast(x.device.type, enabled=False):
                return self.forward(x.float())
        pad = self.kernel.shape[-1] // 2
        phases = F.conv2d(F.pad(x, (pad, pad, pad, pad), "replicate"), self.kernel, groups=self.channels)
        return F.pixel_shuffle(phases, self.scale)


def phase_kernels(scale: int) -> np.ndarray:
    """Weights of the neighbours -2..2 for each of the ``scale`` places inside a pixel, ``(scale, 5)``."""
    places = (np.arange(scale) + 0.5) / scale - 0.5
    return keys_cubic(places[:, None] - np.arange(-2, 3))


def keys_cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' cubic convolution kernel."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
