"""Neural style: not a trained network, but an optimisation over a network's features."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch

from zoo.base.bounds import Iterations, Rate, Side, Stroke, Weight, check_count
from zoo.base.errors import ZooError
from zoo.models.base import Model
from zoo.nn.descent import LEARNING_RATES
from zoo.nn.vgg import VGGFeatures

CONTENT_LAYERS = {"relu4_2": 1.0}
STYLE_LAYERS = {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.0, "relu4_1": 1.0, "relu5_1": 1.0}
MIN_SIDE = 32  # pixels: pictures with a smaller side are refused


class NeuralStyle(Model):
    """The content of one picture in the style of another (Gatys et al., 2015, https://arxiv.org/abs/1508.06576).

    The result minimises :class:`StyleTransferLoss` over VGG, by gradient descent on its pixels. There is nothing to
    train: this class holds the settings, no parameters, and no VGG.

    Deviations from the paper:

    - It starts from the content, not from noise: after as many iterations the loss is lower and the content is clearer.
    - A large picture is optimised at half its size first, before that at a quarter, and so on down to 300 pixels: the
      loss gets lower and the time shorter. ``coarse_to_fine=False`` is the paper's way.
    - The loss network is VGG-16, as in all of the zoo. It has the paper's layers too; ``depth=19`` is the paper's VGG.
    - The terms are relative, and a style layer's distance is not squared, so that no layer is neglected; a term of its
      own compares colours; total variation reduces grain: see :class:`StyleTransferLoss`.
    - VGG pads by its border's values: with zeros the border of the picture darkens.

    Args:
        content_layers: layers of VGG with their weights in the content term; None: relu4_2.
        style_layers: the same for the style term; None: the first layer of each block, as in the paper, after its ReLU.
        content_weight: weight of the content term; a smaller weight gives more of the style.
        style_weight: weight of the style term.
        color_weight: weight of the colour term; 0 leaves the palette to VGG.
        tv_weight: weight of the total variation; a larger weight is smoother.
        pooling: "average", the paper's, or "max", with which VGG was trained.
        depth: depth of VGG, 16 or 19.
        start: picture that the optimiser starts from: "content", "noise" or "style", the first of several styles.
        optimizer: "lbfgs" or "adam".
        lr: learning rate; None: 1 for L-BFGS and 0.02 for Adam.
        iterations: number of evaluations of loss and gradient, over all sizes together.
        stroke: size of the strokes: that of the style picture, relative to the result.
        size: largest longer side of the result in pixels; pictures are never enlarged.
        coarse_to_fine: whether large pictures are optimised at smaller sizes first.
    """

    def __init__(
        self,
        content_layers: dict[str, Weight] | None = None,
        style_layers: dict[str, Weight] | None = None,
        content_weight: Weight = 0.1,
        style_weight: Weight = 1.0,
        color_weight: Weight = 100.0,
        tv_weight: Weight = 30.0,
        pooling: Literal["average", "max"] = "average",
        depth: Literal[16, 19] = 16,
        start: Literal["content", "noise", "style"] = "content",
        optimizer: Literal["lbfgs", "adam"] = "lbfgs",
        lr: Rate | None = None,
        iterations: Iterations = 300,
        stroke: Stroke = 1.0,
        size: Side = 512,
        coarse_to_fine: bool = True,
    ) -> None:
        super().__init__()
        self.content_layers = CONTENT_LAYERS if content_layers is None else content_layers
        self.style_layers = STYLE_LAYERS if style_layers is None else style_layers
        self.content_weight, self.style_weight = content_weight, style_weight
        self.color_weight, self.tv_weight = color_weight, tv_weight
        self.pooling, self.depth, self.start = pooling, depth, start
        self.optimizer, self.lr = optimizer, lr
        if optimizer not in LEARNING_RATES:
            raise ZooError(f'the optimiser must be "lbfgs" or "adam", not {optimizer!r}')
        if start not in ("content", "noise", "style"):
            raise ZooError(f"the start must be content, noise or style, not {start!r}")
        check_count("iterations", iterations)
        check_count("size", size)
        if not 0.25 <= stroke <= 2:
            raise ZooError(f"stroke must be from 0.25 to 2, not {stroke}")
        self.stroke = stroke
        self.iterations, self.size, self.coarse_to_fine = iterations, size, coarse_to_fine
        self.register_buffer("place", torch.empty(0), persistent=False)  # on the device where predictions are made

    def loss_network(self, weights: str | Path | None) -> VGGFeatures:
        """VGG up to the deepest layer that has a weight; ``weights`` as :class:`VGGFeatures` takes them."""
        layers = list({**self.style_layers, **self.content_layers})
        return VGGFeatures(layers, self.depth, weights, self.pooling, "replicate")

    def changed(self, **changes: Any) -> NeuralStyle:
        """A copy with other settings; None keeps a setting."""
        given = {name: value for name, value in changes.items() if value is not None}
        if given.get("optimizer", self.optimizer) != self.optimizer:
            given["lr"] = None  # one optimiser's rate does not suit the other
        return NeuralStyle(**{**{name: getattr(self, name) for name in signature(NeuralStyle).parameters}, **given})
