"""Resizes pictures with operations that every runtime has and rounds alike."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.cpu import conv_to_pixels
from zoo.nn.mode import tracing


class BicubicUpsample(nn.Module):
    """Bicubic interpolation (Keys, 1981, a = -0.5, as in Pillow) by a whole factor s.

    ``(B, C, H, W)`` becomes ``(B, C, sH, sW)``. It is one convolution with fixed weights and a shuffle of its channels
    to pixels, which can be exported everywhere; torch's own interpolation has a = -0.75. The values of the border are
    repeated beyond it. Always in float32.

    Args:
        scale: factor s.
        channels: number C of channels.
    """

    def __init__(self, scale: int, channels: int = 3) -> None:
        super().__init__()
        self.scale, self.channels = scale, channels
        self.kernel: Tensor
        taps = torch.from_numpy(phase_kernels(scale)).float()
        kernel = torch.einsum("py,qx->pqyx", taps, taps).reshape(scale * scale, 1, *2 * taps.shape[1:])
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):  # autocast would keep eight bits of each product
            with torch.autocast(x.device.type, enabled=False):
                return self.forward(x.float())
        pad = self.kernel.shape[-1] // 2
        phases = F.conv2d(F.pad(x, (pad, pad, pad, pad), "replicate"), self.kernel, groups=self.channels)
        return F.pixel_shuffle(phases, self.scale)


class BilinearResize(nn.Module):
    """Bilinear interpolation by p / d, with pixel centres in the middle of pixels.

    ``(B, C, H, W)`` becomes ``(B, C, p * H / d, p * W / d)``. Sides are first padded to a multiple
    of d by repeating the border; crop the result to the exact size. The result equals ``F.interpolate`` with
    ``mode="bilinear"``: one convolution with fixed weights maps d x d pixels and their neighbours to p x p pixels.
    Runtimes multiply coordinates by a ratio such as 2 / 3, each with its own rounding, and are off by 5e-4 at the far
    end of a large picture. Enlarging is always in float32.

    Args:
        p: pixels into which each d pixels of a side turn.
        d: pixels of a side that become p pixels; p and d have no common divisor.
        channels: number C of channels.
    """

    def __init__(self, p: int, d: int, channels: int) -> None:
        super().__init__()
        self.p, self.d = p, d
        self.beyond = int(p > d)  # neighbours around the d x d pixels that matter: none when downscaling
        self.rounds = p > d or p.bit_count() > 1  # d / p in binary
        self.kernel: Tensor
        taps = torch.from_numpy(linear_taps(p, d, self.beyond)).float()
        own = torch.eye(channels, device=taps.device)  # networks are first made on the meta device
        kernel = torch.einsum("py,qx,ci->cpqiyx", taps, taps, own).flatten(0, 2)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.rounds and not tracing():
            return self.interpolate(x)
        if torch.is_autocast_enabled(x.device.type):  # autocast would keep eight bits of each weight
            with torch.autocast(x.device.type, enabled=False):
                return self.forward(x.float())
        after = self.beyond + self.d - 1  # the convolution ignores incomplete blocks
        x = F.pad(x, (self.beyond, after, self.beyond, after), "replicate")
        return conv_to_pixels(x, self.kernel, self.p, stride=self.d)

    def interpolate(self, x: Tensor) -> Tensor:
        """The same by ``F.interpolate``: faster, and exact if d / p is; runtimes would round p / d instead."""
        below, right = (-side % self.d for side in x.shape[2:])
        if below or right:
            x = F.pad(x, (0, right, 0, below), "replicate")
        return F.interpolate(x, [side // self.d * self.p for side in x.shape[2:]], mode="bilinear")


def linear_taps(p: int, d: int, beyond: int) -> np.ndarray:
    """Weights of a block's d pixels and ``beyond`` more per side, for each of p outputs: ``(p, d + 2 * beyond)``."""
    places = (np.arange(p) + 0.5) * d / p - 0.5
    return np.clip(1 - np.abs(places[:, None] - np.arange(-beyond, d + beyond)), 0, None)


def phase_kernels(scale: int) -> np.ndarray:
    """Weights of the neighbours -2..2 for each of the ``scale`` positions inside a pixel, ``(scale, 5)``."""
    places = (np.arange(scale) + 0.5) / scale - 0.5
    return keys_cubic(places[:, None] - np.arange(-2, 3))


def keys_cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' cubic convolution kernel."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
