"""From what people have to a picture in a style."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from zoo.base.bounds import Count, Share
from zoo.base.errors import ZooError
from zoo.base.memory import running_out
from zoo.engines import Engine, network_of
from zoo.models.neural_style.memory import check_memory
from zoo.models.neural_style.net import SMALLEST, NeuralStyle, checked_count, checked_seed
from zoo.models.neural_style.objective import Objective, plan
from zoo.models.neural_style.result import Painting
from zoo.nn.descent import Step, descend
from zoo.nn.precision import native_bfloat16
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.images import Picture, naming, one_or_many
from zoo.pictures.stylized import as_content, check_strength, finish
from zoo.pictures.tensors import to_array, to_tensor


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


@dataclass(frozen=True)
class Painter:
    """Styles pictures by optimisation, which needs gradients, and so torch's engine.

    Args:
        engine: torch's, whose network holds the settings and is where this is computed.
    """

    engine: Engine

    def predict(
        self,
        content: Picture | Sequence[Picture],
        style: Picture | Sequence[Picture],
        *,
        vgg: str | Path | None = "timm",
        blend: Sequence[float] | None = None,
        strength: Share = 1.0,
        preserve_color: bool = False,
        size: Count | None = None,
        iterations: Count | None = None,
        start: Literal["content", "noise", "style"] | None = None,
        content_weight: float | None = None,
        pooling: Literal["average", "max"] | None = None,
        optimizer: Literal["lbfgs", "adam"] | None = None,
        seed: int = 0,
        preview_every: Count | None = None,
        preview: Callable[[int, Image.Image], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Styles a picture: a :class:`zoo.models.neural_style.result.Painting`, or a list of them.

        Args:
            content: path, PIL picture, uint8 array ``(H, W, 3)`` or ``(H, W)``, or tensor ``(3, H, W)``; a list of
                these, or a tensor ``(B, 3, H, W)``, gives a list. Transparency is kept.
            style: picture whose style is taken, or several, whose styles are blended; the shorter side is brought to
                that of the result
            vgg: weights of the loss network: "timm", or the path of a safetensors file with timm's names. None takes
                random ones, which show colours but hardly shapes
            blend: share of each of several styles, in any unit; by default the same of each
            strength: share of the result that is mixed with the picture, from 0 (original) to 1 (fully styled)
            preserve_color: keep the colours of the picture, and take only the luminance of the result
            size: pixels of the result's longer side, at most; pictures are never enlarged
            iterations: evaluations of loss and gradient, of all sizes together
            start: picture that the optimiser starts from: content, noise, or the first style
            content_weight: weight of the content term; smaller is more of the style
            pooling: pooling of the loss network: average, the paper's, or max
            optimizer: lbfgs or adam, each with its own learning rate
            seed: seed of the noise, and of random weights, from 0 to 2**63 - 1
            preview_every: iterations between two pictures on the way, which the result keeps
            preview: called with each of these when it is made, and with the number of the iteration.
            progress: called after each iteration with how many are done, and of how many.

        Raises:
            ZooError: pictures that cannot be read, are too small or too long, arguments out of range, weights of VGG
                that are not there, or too little memory.
        """
        net: NeuralStyle = network_of(self.engine, "neural style, which is an optimisation,")
        styles: Any = list(style) if isinstance(style, (list, tuple)) else [style]
        chosen = {"size": size, "iterations": iterations, "start": start, "content_weight": content_weight}
        settings = net.changed(**chosen, pooling=pooling, optimizer=optimizer)
        previews = Previews(None if preview_every is None else checked_count("preview_every", preview_every), preview)
        check_strength(strength)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(checked_seed(seed))
            features = settings.loss_network(vgg).to(self.engine.device)
        easel = Easel(settings, features, styles, blend, seed)

        def paint(one: Picture) -> Painting:
            kept, losses = replace(previews, kept={}), list[float]()
            with naming(one):
                source, alpha, notes = as_content(one)
                for step in easel.steps(source):
                    losses.append(step.loss)
                    kept(step)
                    if progress is not None:
                        progress(step.number, settings.iterations)
            height, width = step.picture.shape[2:]
            if (width, height) != source.size:
                notes = (*notes, f"made at {width}x{height} pixels; --size makes it larger")
            picture = step.picture[0].cpu().numpy()
            made = finish(picture, source, alpha, strength=strength, preserve_color=preserve_color, notes=notes)
            return Painting(made.picture, made.content, made.notes, kept.kept, tuple(losses))

        return one_or_many(content, lambda contents: [paint(one) for one in contents])


@dataclass(frozen=True)
class Easel:
    """What pictures are painted with.

    Args:
        net: the settings.
        features: on the device where this is computed.
        styles: pictures.
        blend: share of each; None: the same of each.
        seed: of the noise.
    """

    net: NeuralStyle
    features: VGGFeatures
    styles: Sequence[Picture]
    blend: Sequence[float] | None
    seed: int

    def steps(self, content: Image.Image) -> Iterator[Step]:
        """Paints a picture at the size of the settings.

        Raises:
            ZooError: too small a picture, or too little memory.
        """
        colors, device = shrink(content, self.net.size), self.features.mean.device
        check_memory(self.features, colors.height, colors.width, device)
        objective = Objective(self.net, self.features, to_tensor(colors)[None].to(device), self.styles, self.blend)
        with running_out(f"memory ran out at {colors.width}x{colors.height} pixels; give a smaller size"):
            yield from optimize(objective, self.net.iterations, self.net.start, self.seed)


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
