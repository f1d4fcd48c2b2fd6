"""Pictures made larger and smaller, in operations that every runtime has and rounds alike."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.cpu import conv_to_pixels
from zoo.nn.mode import tracing


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


class BilinearResize(nn.Module):
    """Bilinear interpolation by p / d, with pixels that have their centre in their middle.

    ``(B, C, H, W)`` becomes ``(B, C, p * H / d, p * W / d)``; sides that are no multiple of d are first continued to
    one by the values of the border, for who wants less to crop. It is what ``F.interpolate`` gives with
    ``mode="bilinear"``: one convolution with fixed weights, of d x d pixels and what is around them, to p x p pixels.
    Runtimes multiply places by a ratio such as 2 / 3, each with its own rounding, and are off by 5e-4 at the far end of
    a large picture. Enlarging is always in float32.

    Args:
        p: pixels of a side that come of each d.
        d: has no divisor with p.
        channels: number C of channels.
    """

    def __init__(self, p: int, d: int, channels: int) -> None:
        super().__init__()
        self.p, self.d = p, d
        self.beyond = int(p > d)  # pixels around the d x d that matter: making smaller looks at none
        self.rounds = p > d or p.bit_count() > 1  # d / p in binary
        self.kernel: Tensor
        taps = torch.from_numpy(linear_taps(p, d, self.beyond)).float()
        own = torch.eye(channels, device=taps.device)  # a network is made on the meta device first
        kernel = torch.einsum("py,qx,ci->cpqiyx", taps, taps, own).flatten(0, 2)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.rounds and not tracing():
            return self.interpolate(x)
        if torch.is_autocast_enabled(x.device.type):  # it would keep eight bits of each weight
            with torch.autocast(x.device.type, enabled=False):
                return self.forward(x.float())
        after = self.beyond + self.d - 1  # the convolution leaves out what is no whole block
        x = F.pad(x, (self.beyond, after, self.beyond, after), "replicate")
        return conv_to_pixels(x, self.kernel, self.p, stride=self.d)

    def interpolate(self, x: Tensor) -> Tensor:
        """The same by torch's own, which is faster, and exact where d / p is; there runtimes round p / d instead."""
        below, right = (-side % self.d for side in x.shape[2:])
        if below or right:
            x = F.pad(x, (0, right, 0, below), "replicate")
        return F.interpolate(x, [side // self.d * self.p for side in x.shape[2:]], mode="bilinear")


def linear_taps(p: int, d: int, beyond: int) -> np.ndarray:
    """Weights of the d pixels of a block, and of ``beyond`` on each side, for each of p: ``(p, d + 2 * beyond)``."""
    places = (np.arange(p) + 0.5) * d / p - 0.5
    return np.clip(1 - np.abs(places[:, None] - np.arange(-beyond, d + beyond)), 0, None)


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
