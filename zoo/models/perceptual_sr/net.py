"""The image transformation network of perceptual losses: a picture four times as large."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.base.bounds import Depth, Width
from zoo.base.errors import ZooError
from zoo.data.low_resolution import SCALE
from zoo.models.base import Model
from zoo.nn.resize import BicubicUpsample
from zoo.nn.squash import squashed


class PerceptualSR(Model):
    """Super resolution x4 by an image transformation network (Johnson et al., 2016, https://arxiv.org/abs/1603.08155).

    Input: RGB in 0..1, ``(B, 3, H, W)``, any size. Output: ``(B, 3, 4H, 4W)``; it may leave 0..1 a little, and is not
    clipped, so that a loss sees it.

    ``upsampling="paper"`` is the paper's network: 9x9 convolution to 64 channels, four residual blocks with batch norm,
    two steps of upsampling, 9x9 convolution to RGB, scaled tanh. Its deviations:

    - A step of upsampling is nearest neighbour and a 3x3 convolution, not a convolution of stride 1/2, whose uneven
      overlap draws a checkerboard (https://distill.pub/2016/deconv-checkerboard).
    - The tanh spans 0..1 and 5 % of it on each side, not 0..255, so that black and white can be reached.

    ``upsampling="pixel_shuffle"``, the default, keeps the kind of trunk, but all of it at the low resolution; one
    convolution to 48 channels then makes 4x4 RGB pixels of each (https://arxiv.org/abs/1609.05158). Its further
    deviations:

    - It is added to the bicubic picture, instead of making all of the picture.
    - 7 residual blocks, without batch norm, which costs accuracy here (https://arxiv.org/abs/1707.02921), and a linear
      first convolution, added to what the last block gives.

    Args:
        upsampling: "pixel_shuffle" or "paper".
        channels: of the trunk.
        blocks: residual blocks of the trunk; None: 7 for "pixel_shuffle", 4 for "paper".
    """

    outputs = ("picture",)

    def __init__(
        self,
        upsampling: Literal["pixel_shuffle", "paper"] = "pixel_shuffle",
        channels: Width = 64,
        blocks: Depth | None = None,
    ) -> None:
        super().__init__()
        default_blocks = {"pixel_shuffle": 7, "paper": 4}
        if upsampling not in default_blocks:
            raise ZooError(f'upsampling is "pixel_shuffle" or "paper", not {upsampling!r}')
        self.upsampling, self.channels = upsampling, channels
        self.blocks = default_blocks[upsampling] if blocks is None else blocks
        if self.channels < 1 or self.blocks < 1:
            raise ZooError(f"channels and blocks are 1 or more, not {channels} and {blocks}")
        paper = upsampling == "paper"
        self.first = edge_conv(3, channels, norm=paper)
        self.trunk = nn.Sequential(*(ResidualBlock(channels, norm=paper) for _ in range(self.blocks)))
        if paper:
            self.steps = nn.Sequential(Upsampling(channels), Upsampling(channels))
            self.last = edge_conv(channels, 3)
        else:
            self.last = starts_small(nn.Conv2d(channels, 3 * SCALE**2, 3, padding=1))
            self.bicubic = BicubicUpsample(SCALE)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        features = self.first(x - 0.5)
        if self.upsampling == "paper":
            return squashed(self.last(self.steps(self.trunk(F.relu(features)))))
        detail = F.pixel_shuffle(self.last(features + self.trunk(features)), SCALE)
        return self.bicubic(x) + detail

    @property
    def reach(self) -> int:
        """How far a pixel of the input is seen, in pixels of the input: the radius of the receptive field."""
        beyond = 3 if self.upsampling == "paper" else 1  # 1/2 + 1/4 + 4/4, and the pixel's own extent
        return 4 + 2 * self.blocks + beyond

    @property
    def halo(self) -> int:
        return self.reach

    @property
    def bytes_a_pixel(self) -> int:
        """Float32 memory by pixels of the input: four of the largest feature maps, and ten of what comes out.

        ``python tests/benchmarks/upscale_memory.py`` prints it beside what is measured.
        """
        larger = SCALE**2 if self.upsampling == "paper" else 1
        return 4 * (4 * self.channels * larger + 10 * 3 * SCALE**2)

    def facts(self) -> dict[str, Any]:
        return {"reach": self.reach, "bytes_a_pixel": self.bytes_a_pixel}


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and what went in, with nothing after the addition."""

    def __init__(self, channels: int, norm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(channels, norm), nn.ReLU(inplace=True), conv(channels, norm))
        if isinstance(second := self.layers[-1], nn.Conv2d):
            starts_small(second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Upsampling(nn.Sequential):
    """Twice the size."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Upsample(scale_factor=2), conv(channels, norm=True), nn.ReLU(inplace=True))


def starts_small(layer: nn.Conv2d) -> nn.Conv2d:
    """What it gives is added to something that is nearly right from the start."""
    with torch.no_grad():
        layer.weight.mul_(0.1)
    return layer


def conv(channels: int, norm: bool) -> nn.Module:
    if not norm:
        return nn.Conv2d(channels, channels, 3, padding=1)
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))


def edge_conv(inputs: int, outputs: int, norm: bool = False) -> nn.Module:
    """9x9, with the values of the border beyond it."""
    layer = nn.Conv2d(inputs, outputs, 9, padding=4, padding_mode="replicate", bias=not norm)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs)) if norm else layer
