"""Networks of super resolution: a compact one, which is quick, and the paper's image transformation network."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.base.bounds import Depth, Interval, Width
from zoo.base.errors import ZooError
from zoo.models.base import Model
from zoo.nn.squash import squashed

DEFAULTS = {"compact": (64, 15), "paper": (64, 4)}  # channels and blocks
SLOPE = 0.2  # slope of PReLUs for negative values


class PerceptualSR(Model):
    """Super resolution by perceptual losses (Johnson et al., 2016, https://arxiv.org/abs/1603.08155).

    Input: RGB in 0..1, ``(B, 3, H, W)``, any size. Output: ``(B, 3, sH, sW)`` for scale s; it may leave 0..1 a little,
    and is not clipped, so that a loss sees it.

    The paper is about losses, which train any network. Two are here:

    - ``network="compact"``, the default: :class:`Compact`.
    - ``network="paper"``: :class:`Paper`, many times as slow and less accurate.

    Args:
        network: "compact" or "paper".
        scale: factor s, 2 to 4; the paper's network doubles the size in steps and has no 3.
        channels: number of channels of the trunk; None: 64.
        blocks: number of convolutions between the first and the last of "compact", or of residual blocks of "paper";
            None: 15 and 4.
    """

    outputs = ("picture",)

    def __init__(
        self,
        network: Literal["compact", "paper"] = "compact",
        scale: Annotated[int, Interval(ge=2, le=4)] = 4,
        channels: Width | None = None,
        blocks: Depth | None = None,
    ) -> None:
        super().__init__()
        if network not in DEFAULTS:
            raise ZooError(f'network must be "compact" or "paper", not {network!r}')
        if not 2 <= scale <= 4 or (network == "paper" and scale == 3):
            raise ZooError(f"scale must be 2, 3 or 4, and 2 or 4 for the paper's network, not {scale}")
        usual = DEFAULTS[network]
        width, depth = usual[0] if channels is None else channels, usual[1] if blocks is None else blocks
        if width < 1 or depth < 1:
            raise ZooError(f"channels and blocks must be 1 or more, not {width} and {depth}")
        self.network, self.scale = network, scale
        self.body = Paper(scale, width, depth) if network == "paper" else Compact(scale, width, depth)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)

    @property
    def reach(self) -> int:
        """Radius of the receptive field, in pixels of the input."""
        return self.body.reach

    @property
    def halo(self) -> int:
        return self.reach

    @property
    def bytes_a_pixel(self) -> int:
        """Bytes per pixel of the input, in float32: the largest feature maps, and ten times the output.

        ``python tests/benchmarks/upscale_memory.py`` prints it beside the measured memory.
        """
        return 4 * (self.body.floats_a_pixel + 10 * 3 * self.scale**2)

    def facts(self) -> dict[str, Any]:
        return {"scale": self.scale, "reach": self.reach, "bytes_a_pixel": self.bytes_a_pixel}


class Compact(nn.Sequential):
    """The compact network of Real-ESRGAN (SRVGGNetCompact; Wang et al., 2021, https://arxiv.org/abs/2107.10833).

    3x3 convolutions and PReLUs follow each other at the low resolution. The last convolution makes s x s pixels of each
    pixel, which are added to the picture enlarged by nearest neighbour. The tensors have the names that programs such
    as ComfyUI and chaiNNer know, so these programs open the weights as they are.

    The network starts as the identity, so that depth costs no training: each convolution adds little to its input. All
    s x s pixels start from the same weights, so that there is no grid to unlearn. Slopes are not trained, which saves
    time; see :class:`Slopes`.
    """

    def __init__(self, scale: int, channels: int, blocks: int) -> None:
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), Slopes(channels)]
        for _ in range(blocks):
            layers += [near_identity(channels), Slopes(channels)]
        super().__init__(*layers, alike(channels, scale))
        self.scale, self.channels, self.depth = scale, channels, blocks

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self:
            y = layer(y)
        return F.pixel_shuffle(y, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")

    @property
    def reach(self) -> int:
        return self.depth + 2

    @property
    def floats_a_pixel(self) -> int:
        return 4 * self.channels


class Slopes(nn.PReLU):
    """PReLU with fixed slopes; where all slopes are equal, as in the zoo's weights, it is computed as LeakyReLU.

    LeakyReLU is many times as fast in training on CPUs, in bfloat16 with channels last. Slopes are compared when a
    state is loaded, and must not be changed otherwise.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, SLOPE)
        self.requires_grad_(False)
        self.common: float | None = SLOPE
        self.register_load_state_dict_post_hook(Slopes._compare)  # type: ignore[no-untyped-call]

    def _compare(self, _: object) -> None:
        first = float(self.weight[0])
        self.common = first if bool((self.weight == first).all()) else None

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x, self.weight) if self.common is None else F.leaky_relu(x, self.common)


@torch.no_grad()
def near_identity(channels: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, channels, 3, padding=1)
    nn.init.normal_(layer.weight, std=0.4 / math.sqrt(9 * channels))
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    layer.weight[:, :, 1, 1] += torch.eye(channels, device=layer.weight.device)
    return layer


@torch.no_grad()
def alike(channels: int, scale: int) -> nn.Conv2d:
    """The last convolution, which starts with the same weights for all s x s pixels of a colour."""
    layer = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
    for tensor in (layer.weight, layer.bias):
        tensor.copy_(tensor[:: scale**2].repeat_interleave(scale**2, 0)).div_(10)  # type: ignore[index, union-attr]
    return layer


class Paper(nn.Module):
    """The paper's image transformation network.

    The layers: a 9x9 convolution to 64 channels, four residual blocks with batch norm, an upsampling step for each
    doubling, a 9x9 convolution to RGB, and a scaled tanh. Deviations from the paper:

    - An upsampling step is nearest neighbour and a 3x3 convolution, not a convolution of stride 1/2, whose uneven
      overlap draws a checkerboard (https://distill.pub/2016/deconv-checkerboard).
    - The tanh spans 0..1 and 5 % more on each side, not 0..255, so that black and white can be reached.
    """

    def __init__(self, scale: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.scale, self.channels = scale, channels
        self.first = edge_conv(3, channels, norm=True)
        self.trunk = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.steps = nn.Sequential(*(Upsampling(channels) for _ in range(scale // 2)))
        self.last = edge_conv(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return squashed(self.last(self.steps(self.trunk(F.relu(self.first(x - 0.5))))))

    @property
    def reach(self) -> int:
        return 4 + 2 * len(self.trunk) + 3  # 1/2 + 1/4 + 4/4, and the pixel's own extent

    @property
    def floats_a_pixel(self) -> int:
        return 4 * self.channels * self.scale**2


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to their input, without an activation after the addition."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(normed_conv(channels), nn.ReLU(inplace=True), normed_conv(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Upsampling(nn.Sequential):
    """Upsampling to twice the size."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Upsample(scale_factor=2), normed_conv(channels), nn.ReLU(inplace=True))


def normed_conv(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))


def edge_conv(inputs: int, outputs: int, norm: bool = False) -> nn.Module:
    """A 9x9 convolution, padded by repeating the border."""
    layer = nn.Conv2d(inputs, outputs, 9, padding=4, padding_mode="replicate", bias=not norm)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs)) if norm else layer
