"""The image transformation network of fast neural style: a picture in the style it was trained for."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.base.bounds import Depth, Width
from zoo.base.errors import ZooError
from zoo.models.base import Model
from zoo.nn.cpu import BlockConv2d, InstanceNorm, ReflectConv2d, UpsampledConv2d
from zoo.nn.squash import squashed

STRIDE = 4  # stride of the deepest features
MIN_SIDE = 8  # least side in pixels that the deepest layers can pad by reflection


class FastStyle(Model):
    """A picture in one style, in one pass (Johnson et al., 2016, https://arxiv.org/abs/1603.08155).

    Input: RGB in 0..1, ``(B, 3, H, W)``, any size. Output: the same shape; it may leave 0..1 by 5 %, and is not
    clipped, so that a loss sees it.

    The layers: a 9x9 convolution, two convolutions of stride 2, five residual blocks, two upsampling steps, a 9x9
    convolution to RGB, and a scaled tanh. Deviations from the paper:

    - Instance norm instead of batch norm (https://arxiv.org/abs/1607.08022).
    - Three quarters of the paper's channels: 24, 48 and 96; ``channels=32`` is the paper's width.
    - Every convolution pads by reflection, so that no border becomes visible; the paper first reflects 40 pixels, and
      then pads by zeros.
    - An upsampling step is nearest neighbour and a 3x3 convolution, not a convolution of stride 1/2, whose uneven
      overlap draws a checkerboard (https://distill.pub/2016/deconv-checkerboard).
    - The tanh spans 0..1 and 5 % more on each side, so that black and white can be reached.

    Args:
        channels: number of channels of the first layer; deeper layers have twice and four times as many.
        blocks: number of residual blocks.
    """

    outputs = ("picture",)

    def __init__(self, channels: Width = 24, blocks: Depth = 5) -> None:
        super().__init__()
        if channels < 1 or blocks < 1:
            raise ZooError(f"channels and blocks must be 1 or more, not {channels} and {blocks}")
        self.channels, self.blocks = channels, blocks
        self.layers = nn.Sequential(
            *normalized(ReflectConv2d(3, channels, 9)),
            *normalized(ReflectConv2d(channels, 2 * channels, 3, stride=2)),
            *normalized(ReflectConv2d(2 * channels, 4 * channels, 3, stride=2)),
            *(ResidualBlock(4 * channels) for _ in range(blocks)),
            *normalized(UpsampledConv2d(4 * channels, 2 * channels)),
            *normalized(UpsampledConv2d(2 * channels, channels)),
            BlockConv2d(channels, 3, 9, bias=True),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        right, below = lacking(width), lacking(height)
        if right or below:
            x = F.pad(x, (0, right, 0, below), "replicate")
        y = self.layers(x - 0.5)[..., :height, :width]
        return squashed(y)

    def facts(self) -> dict[str, Any]:
        return {"channels": self.channels}


def lacking(side: int) -> int:
    """Pixels to add to a side for the strides and for the deepest padding by reflection."""
    return max(-side % STRIDE, MIN_SIDE - side)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to their input, without an activation after the addition."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = ReflectConv2d(channels, channels, 3), ReflectConv2d(channels, channels, 3)
        self.layers = nn.Sequential(*normalized(first), second, InstanceNorm(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def normalized(conv: nn.Conv2d) -> list[nn.Module]:
    """A convolution without bias, which the norm would cancel, then instance norm and ReLU."""
    return [conv, InstanceNorm(conv.out_channels), nn.ReLU(inplace=True)]
