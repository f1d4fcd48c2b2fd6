"""Instance normalisation that is fast where channels come last."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InstanceNorm(nn.InstanceNorm2d):
    """Each channel of each picture to mean 0 and variance 1, then scaled and shifted (https://arxiv.org/abs/1607.08022).

    Args:
        channels: C of the input ``(B, C, H, W)``, and of the output, which has channels last in memory.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or x.dtype != torch.float32 or x.device.type != "cpu":
            y = super().forward(x)
            if y.requires_grad:  # in those of a single picture, torch's kernel for CPUs takes channels last for first
                y.register_hook(Tensor.contiguous)  # type: ignore[no-untyped-call]
            # torch's own leaves channels first, and the convolutions after it then cost more than this copy
            return y.contiguous(memory_format=torch.channels_last)
        x, pixels = x.contiguous(memory_format=torch.channels_last), x.shape[2] * x.shape[3]
        total, squares = sums(x)  # faster on CPUs than torch's own: `tests/benchmarks/fast_style_speed.py`
        return self.normalize(x, total / pixels, squares / pixels)

    def normalize(self, x: Tensor, mean: Tensor, mean_square: Tensor) -> Tensor:
        """Normalises by statistics ``(B, C)`` that are known, such as those of a picture of which x is a part."""
        variance = (mean_square - mean.square()).clamp_min(0)
        scale = self.weight * torch.rsqrt(variance + self.eps).to(x)
        shift = self.bias - mean.to(x) * scale
        return torch.addcmul(shift[..., None, None], x, scale[..., None, None])


def sums(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of the values and of their squares, each ``(B, C)``, of x ``(B, C, H, W)``."""
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # no copy where channels are last
    return pixels.sum(1), pixels.square().sum(1)
