"""The protocol of fast style's figures: the network beside an optimisation of its loss, in each of its styles."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.base.bounds import Count
from zoo.base.errors import ZooError
from zoo.base.progress import bars
from zoo.data.crops import PictureCrops
from zoo.data.digest import digest
from zoo.models.evaluation import Context, Figure, Results, Table, claims_of, ratio
from zoo.models.fast_style.module import FastStyleModule
from zoo.models.fast_style.net import FastStyle
from zoo.models.fast_style.reference import Descent, Reference, Scores, Start, better_descent, score
from zoo.nn.cost import macs, parameter_count
from zoo.nn.cpu import keep_freed_memory
from zoo.nn.losses.style_transfer import StyleTransferLoss
from zoo.nn.metrics.artefacts import MIN_SIDE, periodic_energy
from zoo.nn.metrics.style import color_quantiles, distance, patch_quantiles
from zoo.pictures.images import open_rgb
from zoo.pictures.tensors import to_array, to_tensor, with_grain

CONTENT, NETWORK = "the content itself", "network"
NOT_OF_THE_LOSS = {  # arguments
    "channels", "blocks", "styles_per_picture", "trunk_after", "grid_weight", "noise", "steady_weight",
    "style_lr_factor", "optimizer", "lr_scheduler", "log_pictures_every",
}  # fmt: skip
SIDE = 512  # side in pixels of the picture for which the cost is counted
TIMED, PASSES = 3, 5  # pictures that are timed, and timed passes of the network on each
LOSS_TOLERANCE = 0.03  # tolerance of the ratio: other kernels lead L-BFGS elsewhere, by 3 % on one picture
TOLERANCE = 0.01  # tolerance of the other figures, which need no L-BFGS


def evaluate(
    net: FastStyle,
    data: PictureCrops,
    context: Context,
    *,
    vgg: str | None = None,
    styles: Mapping[str, Path] | None = None,
    size: Count = 384,
    iterations: Sequence[Count] = (100, 500),
    start: Start = "content",
    photographs: Count = 10,
    compared: Count = 6,
    reference: Path | None = None,
) -> Results:
    """Measures how near the network's pictures come to the styles, and its loss relative to L-BFGS on the same picture.

    Every picture is painted in every style, with the network's grain. Distances are divided by the distance of the
    photograph itself: 1 is a photograph, 0 the painting. The loss is the recipe's, in float32, on pictures clipped to
    0..1; it is compared on the first pictures, each in another style. An iteration of L-BFGS is one evaluation of loss
    and gradient; after each number of iterations, the best picture so far counts. Whether L-BFGS also clips on the way
    is tried on the first picture, and the better way is taken.

    Args:
        net: the network.
        data: the data; the test pictures are used whole, while the network was trained on squares.
        context: gives the recipe, which defines the loss.
        vgg: weights of the loss network VGG-16 instead of the recipe's: "timm", or the path of a safetensors file
        styles: style pictures by their names, instead of the recipe's
        size: longer side in pixels to which the pictures are resized
        iterations: numbers of L-BFGS iterations
        start: picture that L-BFGS starts from
        photographs: largest number of pictures
        compared: largest number of pictures that are compared with L-BFGS, which takes minutes for each
        reference: JSON file that caches the scores of L-BFGS; seconds are always measured again, side by side
    """
    keep_freed_memory()
    if not iterations or min(photographs, compared, size, *iterations) < 1:
        raise ZooError("size, iterations, photographs and compared must be 1 or more")
    contents = held_out(data, photographs)
    criterion, paintings, identity = loss_of(context.recipe, net.styles, vgg=vgg, styles=styles)
    device = next(net.parameters()).device
    criterion = criterion.to(device)
    pictures = [brought_to(content, size).to(device) for content in contents]
    name = context.name_of(data.root) if data.root else "street scenes"
    where = f"{name}, {size} px"
    distances = style_distances(net, pictures, paintings, criterion)
    scores, seconds = compare(net, criterion, Reference(reference, identity), pictures[:compared], start, iterations)
    return Results(
        figures=[*distance_claims(name, f"{size} px", distances), *loss_claims(name, f"{size} px", scores)],
        tables=[distance_table(where, len(pictures), distances), loss_table(where, start, scores, seconds)],
        parameters=parameter_count(net),
        macs={f"{SIDE}x{SIDE}": macs(net, 3, SIDE, SIDE)},
        data_digest={"test": digest(map(np.asarray, contents)), **identity["digests"]},
    )


def loss_of(
    recipe: Mapping[str, Any], names: Sequence[str], **instead: Any
) -> tuple[StyleTransferLoss, list[Tensor], dict[str, Any]]:
    """The loss that a recipe's network was trained with, the paintings, and the values that identify the loss.

    Args:
        recipe: recipe, whose model arguments define the loss.
        names: the network's styles.
        instead: values that replace the recipe's arguments, unless None.

    Raises:
        ZooError: the recipe has other styles than the network.
    """
    given = {**recipe["model"].get("init_args", {}), **{name: value for name, value in instead.items() if value}}
    module = FastStyleModule(**{name: value for name, value in given.items() if name not in NOT_OF_THE_LOSS})
    if tuple(module.net.styles) != tuple(names):
        raise ZooError(f"the styles are {', '.join(module.net.styles)}, the network's {', '.join(names)}")
    paintings, criterion = list(module.paintings.values()), module.criterion
    weights = (buffer.half().numpy() for buffer in criterion.vgg.buffers())
    return criterion, paintings, {
        "content": [criterion.content_weight, criterion.content_layers],
        "style": [criterion.style_weight, criterion.style_layers],
        "color": criterion.color_weight,
        "tv": criterion.tv_weight,
        "digests": {
            "styles": digest(to_array(each[0]) for each in paintings),
            "weights of VGG-16": digest(weights),
        },
    }  # fmt: skip


def held_out(data: PictureCrops, most: int) -> list[Image.Image]:
    """The first test pictures: whole photographs, or squares of drawn scenes."""
    if data.root is None:
        return [Image.fromarray(square) for square in data.kept("test")[:most]]
    return [open_rgb(path) for path in data.some("test")[:most]]


def brought_to(picture: Image.Image, size: int) -> Tensor:
    """A picture resized to a longer side of ``size`` pixels: ``(1, 3, H, W)`` in 0..1."""
    width, height = (max(1, round(side * size / max(picture.size))) for side in picture.size)
    return to_tensor(picture.resize((width, height), Image.Resampling.BICUBIC))[None]


def one_style(net: FastStyle, number: int) -> np.ndarray:
    """Weights ``(1, S)`` of one style."""
    return np.eye(len(net.styles), dtype=np.float32)[[number % len(net.styles)]]


@torch.inference_mode()
def painted(net: FastStyle, content: Tensor, number: int) -> Tensor:
    """The network's picture ``(1, 3, H, W)`` in one style, by its engine, with its grain, clipped to 0..1."""
    given = with_grain(content, net.grain)
    made = torch.from_numpy(net.engine(given.cpu().numpy(), one_style(net, number))[0])
    return made.clamp(0, 1).to(content.device)


@torch.inference_mode()
def style_distances(
    net: FastStyle, pictures: Sequence[Tensor], paintings: Sequence[Tensor], criterion: StyleTransferLoss
) -> dict[str, dict[str, float]]:
    """Distances of each style, means over the pictures, relative to the photographs' own where it says so."""
    found = {}
    contents = [(content, criterion.targets(content), quantiles(content)) for content in pictures]
    for number, (name, painting) in enumerate(zip(net.styles, paintings, strict=True)):
        painting = painting.to(criterion.colors)
        aim, rows = quantiles(painting), []
        for content, targets, photograph in contents:
            made = painted(net, content, number)
            own, searched = quantiles(made), min(*made.shape[2:], *painting.shape[2:]) >= MIN_SIDE
            rows.append({
                **{key: ratio(distance(own[key], aim[key]), distance(photograph[key], aim[key])) for key in aim},
                "content": float(criterion.content_distance(made, targets)),
                "grid": float(periodic_energy(made) / periodic_energy(painting)) if searched else 1.0,
            })  # fmt: skip
        found[name] = {key: fmean(row[key] for row in rows) for key in rows[0]}
    return found


def quantiles(picture: Tensor) -> dict[str, Tensor]:
    """What the distances of patches and colours compare."""
    return {"patches": patch_quantiles(picture), "colours": color_quantiles(picture)}


def distance_claims(data: str, protocol: str, distances: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    """Means of the distances over the styles."""
    titles = {"patches": "style distance", "colours": "colour distance", "content": "content distance", "grid": "grid"}
    means = ((title, fmean(each[key] for each in distances.values()), TOLERANCE) for key, title in titles.items())
    return claims_of(means, data, protocol=protocol)


def distance_table(where: str, pictures: int, distances: Mapping[str, Mapping[str, float]]) -> Table:
    rows: dict[str, dict[str, float | None]] = {
        name: {key: round(value, 3) for key, value in each.items()} for name, each in distances.items()
    }
    told = "style and colour distances relative to the photographs', content distance, grid relative to the painting's"
    return Table.of(f"{where}, {pictures} pictures in each style: {told}", rows, "style")


def compare(
    net: FastStyle,
    criterion: StyleTransferLoss,
    reference: Reference,
    pictures: Sequence[Tensor],
    start: Start,
    counts: Sequence[int],
) -> tuple[list[dict[str, Scores]], list[dict[str, float]]]:
    """Compares the network with L-BFGS: scores of each picture in one style, and seconds of the first pictures.

    Args:
        net: the network.
        criterion: the loss.
        reference: cache of the scores of L-BFGS.
        pictures: contents ``(1, 3, H, W)`` in 0..1.
        start: picture that L-BFGS starts from.
        counts: numbers of iterations.
    """
    scores, seconds = list[dict[str, Scores]](), list[dict[str, float]]()
    first = torch.from_numpy(one_style(net, 0)).to(pictures[0].device)
    best = better_descent(criterion, pictures[0], first, start)
    with bars() as shown:
        task = shown.add_task("Pictures", total=len(pictures))
        for number, x in enumerate(pictures):
            descent = replace(best, mix=torch.from_numpy(one_style(net, number)).to(x.device))
            reached = reference(descent, x, counts, partial(shown.advance, task, 1 / max(counts)))
            lbfgs = {descent.name(count): found for count, found in reached.items()}
            scores.append({**own_scores(net, descent, x, number), **lbfgs})
            if number < TIMED:
                pace = descent.seconds_an_iteration(x)
                seconds.append({NETWORK: seconds_of(net, x), **{descent.name(n): n * pace for n in counts}})
            shown.update(task, completed=number + 1)
    return scores, seconds


@torch.inference_mode()
def own_scores(net: FastStyle, descent: Descent, content: Tensor, number: int) -> dict[str, Scores]:
    """Scores of a picture ``(1, 3, H, W)`` itself and of the network's result in one style."""
    criterion, targets = descent.criterion, descent.criterion.targets(content)
    made = painted(net, content, number)
    return {
        CONTENT: score(criterion, content, targets, descent.mix), NETWORK: score(criterion, made, targets, descent.mix)
    }  # fmt: skip


@torch.inference_mode()
def seconds_of(net: FastStyle, content: Tensor) -> float:
    """Mean seconds of a pass of the network, after a warm-up pass."""
    engine, x, weights = net.engine, content.cpu().numpy(), one_style(net, 0)
    engine(x, weights)
    began = time.perf_counter()
    for _ in range(PASSES):
        engine(x, weights)
    return (time.perf_counter() - began) / PASSES


def loss_claims(data: str, protocol: str, scores: Sequence[Mapping[str, Scores]]) -> list[Figure]:
    """The network's loss divided by the loss of each number of iterations, the mean over the pictures."""
    others = [name for name in scores[0] if name not in (CONTENT, NETWORK)]
    ratios = (fmean(ratio(each[NETWORK]["loss"], each[name]["loss"]) for each in scores) for name in others)
    found = [(f"loss / {name}", value, LOSS_TOLERANCE) for name, value in zip(others, ratios, strict=True)]
    return claims_of(found, data, protocol=protocol)


def loss_table(
    where: str, start: Start, scores: Sequence[Mapping[str, Scores]], seconds: Sequence[Mapping[str, float]]
) -> Table:
    """Means of the loss and its terms over the pictures, and of the seconds over the timed pictures."""
    rows: dict[str, dict[str, float | None]] = {}
    own = fmean(each[NETWORK] for each in seconds)
    for name in scores[0]:
        rows[name] = {term: round(fmean(each[name][term] for each in scores), 4) for term in scores[0][NETWORK]}
        taken = fmean(each.get(name, 0.0) for each in seconds)
        rows[name] |= {
            "seconds": round(taken, 3) if taken else None,
            "times the network's": round(taken / own, 1) if taken else None,
        }
    machine = f"{torch.get_num_threads()} threads of {platform.machine()}"
    title = f"{where}, {len(scores)} pictures, each in one style, L-BFGS from {start}"
    return Table.of(f"{title}; weighted terms of the loss, and seconds a picture on {machine}", rows, "picture")
