"""The network of fast neural style: a picture in one of the styles it was trained for, or in a blend of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.base.bounds import Depth, Fraction, Width
from zoo.base.errors import ZooError
from zoo.models.base import Model
from zoo.nn.cpu import ReflectConv2d, UpsampledConv2d
from zoo.nn.instance_norm import ConditionalInstanceNorm, blended_vectors
from zoo.nn.squash import squashed, unsquashed

STRIDE = 4  # stride of the deepest features
LEAK = 0.2  # slope of the last activation below 0
LEAST_VARIANCE = 0.01  # added to the variance of colours: a flat sky keeps its noise as small as it is
MIN_SIDE = 12  # least side in pixels that the deepest layers can pad by reflection


class FastStyle(Model):
    """A picture in one style or a blend, in one pass: one trunk, two vectors a layer and style.

    Papers: Johnson et al., 2016 (https://arxiv.org/abs/1603.08155) and Dumoulin et al., 2017
    (https://arxiv.org/abs/1610.07629).

    Input: RGB in 0..1, ``(B, 3, H, W)``, any size, and the weights of the styles, ``(B, S)``, whose sum is 1; without
    them the first style. Output: the same shape; it may leave 0..1 by 5 %, and is not clipped, so that a loss sees it.

    The layers: a 7x7 and a 3x3 convolution of stride 2, five residual blocks, two upsampling steps, of which the last
    has a 7x7 convolution to RGB, and a scaled tanh. Deviations from the papers:

    - No features have the picture's own resolution, and the residual blocks have half the paper's channels.
    - Every second residual block is dilated by 2, to see as far as with more blocks.
    - Instance norm instead of batch norm (https://arxiv.org/abs/1607.08022), conditioned on the style.
    - The last but one upsampling step is scaled and shifted by the style, but not normalised: right before the output
      the norm would draw blobs, whose only use is to move its statistics. Its activation is a leaky ReLU: without a
      norm, all channels of a ReLU can be 0 in flat parts, which then have one colour in every style.
    - The output is a change of the picture in the style's colours (:class:`StyleColors`), not a picture from scratch:
      shapes need not be learnt, only strokes.
    - Every convolution pads by reflection or repetition, so that no border becomes visible.
    - An upsampling step is bilinear and a convolution, not a convolution of stride 1/2, whose uneven overlap draws a
      checkerboard (https://distill.pub/2016/deconv-checkerboard).
    - The tanh spans 0..1 and 5 % more on each side, so that black and white can be reached.

    Args:
        styles: names of the styles, in the order of their vectors.
        channels: number of channels of the first layer; residual blocks have twice as many.
        blocks: number of residual blocks.
        grain: standard deviation of the noise, from 0 to 1, that pictures get before they are painted: of the noise
            in training. Strokes begin from it where a picture is flat.

    Raises:
        ZooError: a name of a style is none, or a number is out of its range.
    """

    outputs = ("picture",)

    def __init__(
        self, styles: Sequence[str] = ("style",), channels: Width = 32, blocks: Depth = 5, grain: Fraction = 0.0
    ) -> None:
        super().__init__()
        if channels < 1 or blocks < 1:
            raise ZooError(f"channels and blocks must be 1 or more, not {channels} and {blocks}")
        if not 0 <= grain <= 1:
            raise ZooError(f"grain must be from 0 to 1, not {grain}")
        self.styles, self.channels, self.blocks, self.grain = check_names(styles), channels, blocks, grain
        count = len(self.styles)

        def normalized(conv: nn.Conv2d) -> list[nn.Module]:
            return [conv, ConditionalInstanceNorm(conv.out_channels, count), nn.ReLU(inplace=True)]

        self.layers = nn.ModuleList([
            *normalized(ReflectConv2d(3, channels, 7, stride=2)),
            *normalized(ReflectConv2d(channels, 2 * channels, 3, stride=2)),
            *(ResidualBlock(2 * channels, count, 1 + i % 2) for i in range(blocks)),
            UpsampledConv2d(2 * channels, channels),
            StyleScale(channels, count),
            nn.LeakyReLU(LEAK, inplace=True),
            UpsampledConv2d(channels, 3, 7, bias=True),
        ])  # fmt: skip
        self.recolor = StyleColors(count)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, mix: Tensor | None = None) -> Tensor:
        height, width = x.shape[2:]
        right, below = lacking(width), lacking(height)
        if right or below:
            x = F.pad(x, (0, right, 0, below), "replicate")
        x, mix = x - 0.5, self.first(x) if mix is None else mix
        y = through(self.layers, x, mix) + self.recolor(x, mix)
        return squashed(y[..., :height, :width])

    @property
    def blends(self) -> tuple[str, int]:
        return "style", len(self.styles)

    def first(self, x: Tensor) -> Tensor:
        """Weights ``(B, S)`` of the first style for pictures ``(B, 3, H, W)``."""
        weights = x.new_zeros(len(self.styles))
        weights[0] = 1
        return weights.expand(x.shape[0], -1)

    @torch.no_grad()
    def begin(self, paintings: Sequence[Tensor]) -> FastStyle:
        """Makes an untrained network return pictures in the colours of the paintings, each ``(1, 3, H, W)`` in 0..1."""
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
        for number, painting in enumerate(paintings):
            spread, mean = torch.std_mean(unsquashed(painting)[0].flatten(1), 1)
            self.recolor.norm.weight[number], self.recolor.norm.bias[number] = spread, mean
        return self

    def adopted(self, tensors: dict[str, Tensor], arguments: Mapping[str, Any]) -> dict[str, Tensor]:
        """Styles of the same name keep their vectors; a new style begins with the mean of all, but its own colours."""
        names = list(arguments.get("styles") or ())
        own = {id(parameter) for parameter in self.style_parameters()}
        adopted = dict(tensors)
        for key, parameter in self.named_parameters():
            vectors = tensors.get(key)
            if id(parameter) in own and vectors is not None and vectors.ndim == 2 and len(vectors) == len(names):
                new = parameter.detach().clone() if key.startswith("recolor.") else vectors.float().mean(0)[None]
                new = new.float().expand(len(self.styles), -1)
                rows = [vectors[names.index(name)] if name in names else new[i] for i, name in enumerate(self.styles)]
                adopted[key] = torch.stack([row.float() for row in rows])
        return adopted

    def style_parameters(self) -> list[nn.Parameter]:
        """The vectors of the styles, each ``(S, C)``; all other parameters are the trunk's."""
        kinds = (ConditionalInstanceNorm, StyleScale, StyleColors)
        layers = (layer for layer in self.modules() if isinstance(layer, kinds))
        return [parameter for layer in layers for parameter in layer.parameters(recurse=False)]

    def facts(self) -> dict[str, Any]:
        return {"styles": self.styles, "channels": self.channels, "grain": self.grain}


def check_names(styles: Sequence[str]) -> tuple[str, ...]:
    """Names of styles.

    Raises:
        ZooError: there are none, one occurs twice, or one is not a name.
    """
    names = tuple(styles)
    if isinstance(styles, str) or not names or len(set(names)) != len(names):
        raise ZooError(f"styles must be one or more different names, not {styles!r}")
    for name in names:
        if not (isinstance(name, str) and name.isascii() and name.replace("_", "a").isalnum() and len(name) <= 40):
            raise ZooError(f"a style's name has up to 40 letters, digits and underscores, unlike {name!r}")
    return names


def lacking(side: int) -> int:
    """Pixels to add to a side for the strides and for the deepest padding by reflection."""
    return max(-side % STRIDE, MIN_SIDE - side)


def through(layers: Iterable[nn.Module], x: Tensor, mix: Tensor) -> Tensor:
    """Passes x through layers, of which some depend on the weights of the styles ``(B, S)``."""
    for layer in layers:
        x = layer(x, mix) if isinstance(layer, (ConditionalInstanceNorm, StyleScale, ResidualBlock)) else layer(x)
    return x


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, dilated or not, added to their input, without an activation after the addition."""

    def __init__(self, channels: int, styles: int, dilation: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList([
            ReflectConv2d(channels, channels, 3, dilation=dilation),
            ConditionalInstanceNorm(channels, styles),
            nn.ReLU(inplace=True),
            ReflectConv2d(channels, channels, 3, dilation=dilation),
            ConditionalInstanceNorm(channels, styles),
        ])  # fmt: skip

    def forward(self, x: Tensor, mix: Tensor) -> Tensor:
        return x + through(self.layers, x, mix)


class StyleScale(nn.Module):
    """Scales and shifts channels ``(B, C, H, W)`` by the style, without normalising them."""

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(styles, channels))
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, mix: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)  # convolutions after it would be slow otherwise
        weight, bias = (blended_vectors(mix, each).to(x.dtype)[..., None, None] for each in (self.weight, self.bias))
        return torch.addcmul(bias, x, weight)


class StyleColors(nn.Module):
    """Brings the colours of pictures ``(B, 3, H, W)`` to the style: normalised, then mapped by a matrix of the style.

    Args:
        styles: number S of styles, each with a matrix ``weight[s]`` of 3x3 values.
    """

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.norm = ConditionalInstanceNorm(3, styles, eps=LEAST_VARIANCE)
        self.weight = nn.Parameter(torch.eye(3).flatten().repeat(styles, 1))

    def forward(self, x: Tensor, mix: Tensor) -> Tensor:
        return self.mapped(self.norm(x, mix), mix)

    def mapped(self, x: Tensor, mix: Tensor) -> Tensor:
        """Multiplies each pixel by the matrix of the style."""
        rows = torch.split(blended_vectors(mix, self.weight).to(x.dtype), 3, 1)
        return torch.cat([(x * row[..., None, None]).sum(1, keepdim=True) for row in rows], 1)
