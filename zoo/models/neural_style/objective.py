"""The objective of a picture, coarse to fine: the loss of the whole picture at one size after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.data.style import MIN_SIDE, read_style
from zoo.models.neural_style.net import NeuralStyle
from zoo.nn.losses.style_transfer import StyleTransferLoss
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.images import Picture

COARSEST = 300  # pixels of the longer side: larger ones are optimised at half the size first
MIN_HALVED = 64  # least shorter side in pixels of a size that is halved
LAST_FRACTION = 1 / 3  # fraction that a size gets of the iterations left for it and for smaller sizes


@dataclass(frozen=True)
class Stage:
    """Iterations at one size.

    Args:
        size: height and width.
        first: first iteration, from 0.
        end: iteration after the last.
    """

    size: tuple[int, int]
    first: int
    end: int


def plan(height: int, width: int, iterations: int, coarse_to_fine: bool) -> list[Stage]:
    """The stages of a picture of this size, the smallest first; each is half as wide as the next."""
    sizes = [(height, width)]
    while coarse_to_fine and max(sizes[-1]) > COARSEST and min(sizes[-1]) >= MIN_HALVED:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    stages, left = [], iterations
    for size in sizes:
        first = 0 if size == sizes[-1] else left - max(1, round(left * LAST_FRACTION))
        stages.append(Stage(size, first, left))
        left = first
    return [stage for stage in reversed(stages) if stage.end > stage.first]


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of a picture by a content and styles, at any size up to that of the content.

    The picture always has its full size, and is reduced where the loss is computed. So the gradient of a coarse stage
    changes only coarse structure, nothing is enlarged between stages, and checkpoints have one shape.

    Args:
        net: the settings.
        features: the loss network, on the device of the pictures.
        content: ``(1, 3, H, W)`` in 0..1.
        styles: style pictures, read again at each size. None: a pattern that the program draws.
        blend: weight of each of several styles; None: equal weights.
    """

    net: NeuralStyle
    features: VGGFeatures
    content: Tensor
    styles: Sequence[Picture | None]
    blend: Sequence[float] | None = None
    _made: dict[tuple[int, int], tuple[StyleTransferLoss, dict[str, Tensor]]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        _ = self.mix  # refuses a wrong blend now

    def begin(self, start: str, size: tuple[int, int], generator: torch.Generator | None = None) -> Tensor:
        """The picture to start from, ``(1, 3, H, W)``: the content, the style, or noise of this size, enlarged."""
        full = (self.content.shape[2], self.content.shape[3])
        if start == "content":
            return self.content.clone()
        if start == "style":
            style = read_style(self.styles[0], min(full))
            return F.interpolate(style, full, mode="bilinear", antialias=True)
        noise = torch.rand((1, 3, *size), generator=generator)
        return noise if size == full else F.interpolate(noise, full, mode="bilinear")

    def __call__(self, picture: Tensor, size: tuple[int, int]) -> Tensor:
        """The loss of a picture ``(1, 3, H, W)`` at a size."""
        return self.terms(picture, size)["loss"]

    def terms(self, picture: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        """The loss and its weighted parts ``content``, ``style``, ``color`` and ``tv``."""
        criterion, targets = self.at(size)
        return criterion.terms(at_size(picture, size), targets, self.mix)

    def style_side(self, size: tuple[int, int]) -> int:
        """The shorter side of style pictures for a picture of this size."""
        return max(MIN_SIDE, round(self.net.stroke * min(size)))

    @property
    def mix(self) -> Tensor:
        """Weights ``(1, S)`` of the styles.

        Raises:
            ZooError: a wrong number of weights, negative weights, or only zeros.
        """
        count = len(self.styles)
        weights = [1.0] * count if self.blend is None else list(self.blend)
        if len(weights) != count or not all(weight >= 0 for weight in weights) or not 0 < sum(weights) < math.inf:
            told = f"one weight for each of the {count} styles, 0 or more and not all 0, not {weights}"
            raise ZooError(f"blend needs {told}")
        return torch.tensor([[weight / sum(weights) for weight in weights]])

    def at(self, size: tuple[int, int]) -> tuple[StyleTransferLoss, dict[str, Tensor]]:
        """Criterion and content features at a size, in float32, cached."""
        if size not in self._made:
            device = self.features.mean.device
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(device.type, enabled=False):
                criterion = StyleTransferLoss(
                    self.features,
                    [read_style(style, self.style_side(size)).to(device) for style in self.styles],
                    content_layers=self.net.content_layers,
                    style_layers=self.net.style_layers,
                    content_weight=self.net.content_weight,
                    style_weight=self.net.style_weight,
                    color_weight=self.net.color_weight,
                    tv_weight=self.net.tv_weight,
                )
                self._made[size] = criterion, criterion.targets(at_size(self.content.to(device), size))
        return self._made[size]


def at_size(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture ``(1, 3, H, W)`` at this or a smaller height and width."""
    if picture.shape[2:] == size:
        return picture
    return F.interpolate(picture, size, mode="bilinear", antialias=True)
