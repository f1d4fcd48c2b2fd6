"""Styles a large picture in a fraction of the memory, with the same result as the whole picture.

An instance norm needs the statistics of the whole picture, so tiles that are styled one after the other would disagree.
Here each layer processes all strips of rows before the next layer begins. Features, of which none has the picture's own
resolution, are kept between layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from zoo.models.fast_style.net import STRIDE, FastStyle, ResidualBlock, StyleScale, lacking
from zoo.nn.instance_norm import ConditionalInstanceNorm, sums
from zoo.nn.mode import evaluating
from zoo.nn.squash import squashed
from zoo.pictures.tensors import to_array, to_tensor

Rows: TypeAlias = "Callable[[int, int], Tensor]"  # top and bottom -> (1, C, bottom - top, W)
HALO = 2 * STRIDE  # rows of the picture beyond a strip: a dilated convolution and the two upsampling steps reach them


@torch.inference_mode()
def stylize_by_strips(
    net: FastStyle,
    picture: Image.Image,
    weights: np.ndarray,
    rows: int,
    progress: Callable[[int, int], None] | None = None,
) -> Image.Image:
    """Styles an RGB picture.

    Args:
        net: the network, which is in eval mode meanwhile.
        picture: the picture.
        weights: weights of the styles, ``(S,)``.
        rows: number of rows of a strip.
        progress: called after each layer with the number of finished layers and their total.
    """
    right, below = map(lacking, picture.size)
    pixels = np.pad(np.asarray(picture), ((0, below), (0, right), (0, 0)), "edge")
    like = next(net.parameters())

    def read(top: int, bottom: int) -> Tensor:
        strip = to_tensor(pixels[top:bottom])[None].to(like.device, like.dtype, memory_format=torch.channels_last)
        return strip - 0.5

    mix = torch.from_numpy(weights)[None].to(like)
    strips = Strips(read, mix, pixels.shape[0], -(-rows // STRIDE) * STRIDE)
    result = Image.new("RGB", picture.size)
    with evaluating(net):
        for done, layer in enumerate(net.layers, 1):
            strips.append(layer)
            if progress is not None:
                progress(done, len(net.layers))
        colors = Strips(read, mix, strips.height, strips.rows)
        colors.append(net.recolor.norm)
        for (_, top, y), (_, _, color) in zip(strips.outputs(), colors.outputs(), strict=True):
            y = y + net.recolor.mapped(color, mix)
            result.paste(Image.fromarray(to_array(squashed(y[0]))), (0, top))
    return result


class Strips:
    """The output of the layers so far for a picture, computed a strip at a time.

    Args:
        read: returns rows of the kept input: of the picture, and later of features.
        mix: weights of the styles, ``(1, S)``.
        height: height of the picture, a multiple of STRIDE.
        rows: rows of the picture in a strip, a multiple of STRIDE.
        stride: distance of two rows of the kept input, in pixels of the picture.
    """

    def __init__(self, read: Rows, mix: Tensor, height: int, rows: int, stride: int = 1) -> None:
        self.read, self.mix, self.height, self.rows, self.stride = read, mix, height, rows, stride
        self.pending: list[Callable[[Tensor], Tensor]] = []  # layers after the kept input

    def append(self, layer: nn.Module) -> None:
        """Adds a layer after the layers so far; norms and residual blocks are computed at once."""
        if isinstance(layer, ConditionalInstanceNorm):
            self.normalize(layer)
        elif isinstance(layer, ResidualBlock):
            self.add(layer)
        elif isinstance(layer, StyleScale):
            self.pending.append(partial(layer, mix=self.mix))
        else:
            self.pending.append(layer)

    def outputs(self) -> Iterator[tuple[int, int, Tensor]]:
        """Strips of the output, each with the output's stride, and the number of its first row."""
        for top in range(0, self.height, self.rows):
            bottom = min(top + self.rows, self.height)
            first, last = max(top - HALO, 0), min(bottom + HALO, self.height)
            y = self.read(first // self.stride, last // self.stride)
            for layer in self.pending:
                y = layer(y)
            stride = (last - first) // y.shape[2]
            yield stride, top // stride, y[:, :, (top - first) // stride : (bottom - first) // stride]

    def kept_outputs(self) -> Iterator[tuple[int, Tensor]]:
        """Strips of the output with their first rows; keeps them where they are smaller than the picture."""
        kept: Tensor | None = None
        for stride, top, y in self.outputs():
            if kept is None and stride > 1:
                size = (1, y.shape[1], self.height // stride, y.shape[3])
                kept = torch.empty(size, dtype=y.dtype, device=y.device, memory_format=torch.channels_last)
            if kept is not None:
                kept[:, :, top : top + y.shape[2]] = y
            yield top, y
        if kept is not None:
            features = kept
            self.read = lambda top, bottom: features[:, :, top:bottom]
            self.stride, self.pending = stride, []

    def normalize(self, norm: ConditionalInstanceNorm) -> None:
        """Adds a norm, whose statistics of the whole picture are computed first."""
        total, squares, pixels = torch.zeros(()), torch.zeros(()), 0
        for _, y in self.kept_outputs():
            own_total, own_squares = (own.cpu().double() for own in sums(y.float()))
            total, squares, pixels = total + own_total, squares + own_squares, pixels + y.shape[2] * y.shape[3]
        mean = total / pixels
        variance = (squares / pixels - mean.square()).clamp_min(0)
        self.pending.append(partial(norm.normalize, mix=self.mix, mean=mean, variance=variance))

    def add(self, block: ResidualBlock) -> None:
        """Adds a block's change to the kept features, in place."""
        if self.pending:
            for _ in self.kept_outputs():
                pass
        change = Strips(self.read, self.mix, self.height, self.rows, self.stride)
        for layer in block.layers:
            change.append(layer)
        for _, top, y in change.outputs():
            self.read(top, top + y.shape[2]).add_(y)
