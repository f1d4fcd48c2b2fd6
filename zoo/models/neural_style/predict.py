"""From what people have to a picture in a style."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.base.memory import running_out
from zoo.models.neural_style.memory import check_memory
from zoo.models.neural_style.net import SMALLEST
from zoo.models.neural_style.objective import Objective, plan
from zoo.models.neural_style.result import Painting
from zoo.nn.descent import Step, descend
from zoo.nn.precision import native_bfloat16
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.images import Picture, to_array, to_tensor
from zoo.pictures.stylized import as_content, check_strength, finish

if TYPE_CHECKING:
    from zoo.models.neural_style.net import NeuralStyle


@dataclass
class Previews:
    """Pictures on the way.

    Args:
        every: iterations between two; None: none is kept.
        show: called with each.
    """

    every: int | None = None
    show: Callable[[int, Image.Image], None] | None = None
    kept: dict[int, Image.Image] = field(default_factory=dict)

    def __call__(self, step: Step) -> None:
        if self.every is None or step.number % self.every:
            return
        self.kept[step.number] = Image.fromarray(to_array(step.picture[0]))
        if self.show is not None:
            self.show(step.number, self.kept[step.number])


def paint(
    net: NeuralStyle,
    features: VGGFeatures,
    picture: Picture,
    styles: Sequence[Picture],
    blend: Sequence[float] | None,
    *,
    seed: int,
    strength: float,
    preserve_color: bool,
    previews: Previews,
    progress: Callable[[int, int], None] | None,
) -> Painting:
    """Styles one picture; see :meth:`NeuralStyle.predict`.

    Args:
        net: the settings.
        features: on the device where this is computed.
    """
    check_strength(strength)
    name = f"{picture}: " if isinstance(picture, (str, Path)) else ""
    source, alpha, notes = as_content(picture)
    device = features.mean.device
    try:
        colors = shrink(source, net.size)
        check_memory(features, colors.height, colors.width, device)
    except ZooError as error:
        raise ZooError(f"{name}{error}") from None
    if colors.size != source.size:
        notes = (*notes, f"made at {colors.width}x{colors.height} pixels; --size makes it larger")
    objective = Objective(net, features, to_tensor(colors)[None].to(device), styles, blend)
    previews, losses = replace(previews, kept={}), []
    with running_out(f"{name}memory ran out at {colors.width}x{colors.height} pixels; give a smaller size"):
        for step in optimize(objective, net.iterations, net.start, seed):
            losses.append(step.loss)
            previews(step)
            if progress is not None:
                progress(step.number, net.iterations)
    made = finish(step.picture[0], source, alpha, strength=strength, preserve_color=preserve_color, notes=notes)
    return Painting(made.picture, made.content, made.notes, previews.kept, tuple(losses))


def shrink(picture: Image.Image, size: int) -> Image.Image:
    """At most ``size`` pixels on the longer side, by antialiased bicubic interpolation.

    Raises:
        ZooError: a side is too short then.
    """
    factor = min(1.0, size / max(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    if min(width, height) < SMALLEST:
        made_small = f"{picture.width}x{picture.height} at a size of {size} is " if factor < 1 else ""
        raise ZooError(f"{made_small}{width}x{height} pixels, too few for neural style; it needs {SMALLEST} a side")
    if factor == 1:
        return picture
    return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def optimize(
    objective: Objective, iterations: int, start: str, seed: int, bfloat16: bool | None = None, best_last: bool = True
) -> Iterator[Step]:
    """Changes a picture, stage by stage, until it has the style.

    Args:
        objective: on the device where this is computed.
        iterations: of all stages together.
        start: "content", "noise" or "style".
        seed: of the noise, which is the same on every device.
        bfloat16: whether VGG computes in it; None: where that is native.
        best_last: whether the picture of the last step is the best that the last stage went through, instead of what
            that step made.
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
            if step.loss < smallest:  # that of the picture before
                smallest, best = step.loss, picture
            picture = step.picture
            if best_last and stage.first + step.number == iterations:  # which no further one would judge
                with torch.no_grad():
                    picture = picture if float(loss(picture)) <= smallest else best.clamp(0, 1)
            yield replace(step, picture=picture, number=stage.first + step.number)
