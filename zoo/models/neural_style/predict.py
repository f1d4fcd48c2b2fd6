"""From any picture to a picture in a style."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.base.bounds import Count, Fraction, Interval, Stroke, check_count
from zoo.base.errors import ZooError
from zoo.base.memory import running_out
from zoo.engines import Engine, network_of
from zoo.models.neural_style.memory import check_memory
from zoo.models.neural_style.net import MIN_SIDE, NeuralStyle
from zoo.models.neural_style.objective import Objective, plan
from zoo.models.neural_style.result import Painting
from zoo.nn.descent import Step, descend
from zoo.nn.precision import native_bfloat16
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.images import Picture, naming, one_or_many
from zoo.pictures.stylized import as_content, check_strength, finish
from zoo.pictures.tensors import to_array, to_tensor


@dataclass(frozen=True)
class Painter:
    """Styles pictures by optimisation, which needs gradients, and so torch's engine.

    Args:
        engine: torch's engine, whose network holds the settings and lies on the device of the computation.
    """

    engine: Engine

    def predict(
        self,
        content: Picture | Sequence[Picture],
        style: Picture | Sequence[Picture],
        *,
        vgg: str | Path | None = "timm",
        blend: Sequence[float] | None = None,
        strength: Fraction = 1.0,
        preserve_color: bool = False,
        stroke: Stroke | None = None,
        size: Count | None = None,
        iterations: Count | None = None,
        start: Literal["content", "noise", "style"] | None = None,
        content_weight: Annotated[float, Interval(ge=0)] | None = None,
        pooling: Literal["average", "max"] | None = None,
        optimizer: Literal["lbfgs", "adam"] | None = None,
        seed: Annotated[int, Interval(ge=0, le=2**63 - 1)] = 0,
        preview_every: Count | None = None,
        preview: Callable[[int, Image.Image], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Styles a picture: a :class:`zoo.models.neural_style.result.Painting`, or a list of them.

        Args:
            content: path, PIL picture, uint8 array ``(H, W, 3)`` or ``(H, W)``, or tensor ``(3, H, W)``; a list of
                these, or a tensor ``(B, 3, H, W)``, gives a list. Transparency is kept.
            style: style picture, or several whose styles are blended; each is resized to the result's shorter side
            vgg: weights of the loss network: "timm", or the path of a safetensors file with timm's names. None takes
                random ones, which show colours but hardly shapes
            blend: weight of each of several styles, on any scale; by default equal weights
            strength: fraction of the result that is mixed with the picture, from 0 (original) to 1 (fully styled)
            preserve_color: keep the colours of the picture, and take only the luminance of the result
            stroke: size of the strokes, from 0.25 to 2: the style picture is resized to the result, times this
            size: largest longer side of the result in pixels; pictures are never enlarged
            iterations: number of evaluations of loss and gradient, over all sizes together
            start: picture that the optimiser starts from: content, noise, or the first style
            content_weight: weight of the content term; a smaller weight gives more of the style
            pooling: pooling of the loss network: average, the paper's, or max
            optimizer: lbfgs or adam, each with its own learning rate
            seed: seed of the noise, and of random weights, from 0 to 2**63 - 1
            preview_every: iterations between two previews, which the result keeps
            preview: called with the number of the iteration and each preview when it is made.
            progress: called after each iteration with the number of finished iterations and their total.

        Raises:
            ZooError: a picture cannot be read, is too small or too long, arguments are out of range, weights of VGG are
                missing, or there is too little memory.
        """
        net: NeuralStyle = network_of(self.engine, "neural style, which is an optimisation,")
        chosen = {"stroke": stroke, "size": size, "iterations": iterations, "start": start, "pooling": pooling}
        settings = net.changed(**chosen, content_weight=content_weight, optimizer=optimizer)
        check_count("preview_every", 1 if preview_every is None else preview_every)
        check_strength(strength)
        features = seeded_network(settings, vgg, seed).to(self.engine.device)
        styles: Any = list(style) if isinstance(style, (list, tuple)) else [style]

        def paint(one: Picture) -> Painting:
            with naming(one):
                source, alpha, notes = as_content(one)
                steps = paint_at_size(settings, features, source, styles, blend, seed)
                picture, previews, losses = watch(steps, settings.iterations, preview_every, preview, progress)
            made = finish(picture, source, alpha, strength=strength, preserve_color=preserve_color, notes=notes)
            if made.size != source.size:
                notes = (*notes, f"made at {made.size[0]}x{made.size[1]} pixels; the option size makes it larger")
            return Painting(made.picture, made.content, notes, previews, losses)

        return one_or_many(content, partial(map, paint))


def seeded_network(net: NeuralStyle, vgg: str | Path | None, seed: int) -> VGGFeatures:
    """The loss network; the seed sets its weights where they are random, and no other random numbers."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ZooError(f"seed must be a number from 0 to 2**63 - 1, not {seed!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return net.loss_network(vgg)


def paint_at_size(
    net: NeuralStyle,
    features: VGGFeatures,
    content: Image.Image,
    styles: Sequence[Picture],
    blend: Sequence[float] | None,
    seed: int,
) -> Iterator[Step]:
    """Paints a picture at the size of the settings, on the device of the features; see :meth:`Painter.predict`.

    Raises:
        ZooError: the picture is too small, or there is too little memory.
    """
    colors, device = shrink(content, net.size), features.mean.device
    check_memory(features, colors.height, colors.width, device)
    objective = Objective(net, features, to_tensor(colors)[None].to(device), styles, blend)
    with running_out(f"memory ran out at {colors.width}x{colors.height} pixels; give a smaller size"):
        yield from optimize(objective, net.iterations, net.start, seed)


def watch(
    steps: Iterator[Step],
    iterations: int,
    preview_every: int | None,
    preview: Callable[[int, Image.Image], None] | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, dict[int, Image.Image], tuple[float, ...]]:
    """The last picture ``(3, H, W)``, the previews by iteration, and the losses of all iterations."""
    previews, losses = dict[int, Image.Image](), list[float]()
    for step in steps:
        losses.append(step.loss)
        if preview_every and step.number % preview_every == 0:
            previews[step.number] = Image.fromarray(to_array(step.picture[0]))
            if preview is not None:
                preview(step.number, previews[step.number])
        if progress is not None:
            progress(step.number, iterations)
    return step.picture[0].cpu().numpy(), previews, tuple(losses)


def shrink(picture: Image.Image, size: int) -> Image.Image:
    """A picture reduced to at most ``size`` pixels on the longer side, by antialiased bicubic interpolation.

    Raises:
        ZooError: a side becomes too short.
    """
    factor = min(1.0, size / max(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    if min(width, height) < MIN_SIDE:
        made_small = f"{picture.width}x{picture.height} at a size of {size} is " if factor < 1 else ""
        raise ZooError(f"{made_small}{width}x{height} pixels, too few for neural style; it needs {MIN_SIDE} a side")
    if factor == 1:
        return picture
    return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def optimize(
    objective: Objective, iterations: int, start: str, seed: int, bfloat16: bool | None = None, best_last: bool = True
) -> Iterator[Step]:
    """Optimises a picture towards the style, stage by stage.

    Args:
        objective: the objective, on the device of the computation.
        iterations: number of iterations of all stages together.
        start: picture to start from: "content", "noise" or "style".
        seed: seed of the noise, which is the same on every device.
        bfloat16: whether VGG computes in bfloat16; None: where bfloat16 is native.
        best_last: whether the last step gives the best picture of the last stage, instead of its own.
    """
    net, (height, width), device = objective.net, objective.content.shape[2:], objective.content.device
    stages = plan(height, width, iterations, net.coarse_to_fine)
    autocast: dict[str, Any] = {
        "dtype": torch.bfloat16, "enabled": native_bfloat16(device) if bfloat16 is None else bfloat16,
    }  # fmt: skip
    picture = objective.begin(start, stages[0].size, torch.Generator().manual_seed(seed)).to(device)
    for stage in stages:

        def loss(x: Tensor, size: tuple[int, int] = stage.size) -> Tensor:
            with torch.autocast(device.type, **autocast):
                return objective(x, size)

        count, best, smallest = stage.end - stage.first, picture, math.inf
        for step in descend(picture, loss, count, optimizer=net.optimizer, lr=net.lr):
            if step.loss < smallest:  # the loss of the picture before this step
                smallest, best = step.loss, picture
            picture = step.picture
            if best_last and stage.first + step.number == iterations:  # no further step evaluates its loss
                with torch.no_grad():
                    picture = picture if float(loss(picture)) <= smallest else best.clamp(0, 1)
            yield replace(step, picture=picture, number=stage.first + step.number)
