"""Instance normalisation that is fast where channels come last."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.mode import tracing


class InstanceNorm(nn.InstanceNorm2d):
    """Each channel of each picture to mean 0 and variance 1, then scaled and shifted (https://arxiv.org/abs/1607.08022).

    Args:
        channels: C of the input ``(B, C, H, W)``, and of the output, which has channels last in memory.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        if tracing() or x.device.type != "cpu":
            # torch's own leaves channels first, and the convolutions after it then cost more than this copy
            return super().forward(x).contiguous(memory_format=torch.channels_last)
        # Batch norm of one picture is the same, and torch's kernel for CPUs knows channels last, which that of instance
        # norm does not: it is slow (tests/benchmarks/fast_style_speed.py), and its gradients of one picture are wrong.
        x = x.contiguous(memory_format=torch.channels_last)
        pictures = [
            F.batch_norm(one, None, None, self.weight, self.bias, True, 0.0, self.eps) for one in torch.split(x, 1)
        ]
        return pictures[0] if len(pictures) == 1 else torch.cat(pictures)

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
