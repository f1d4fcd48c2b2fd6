"""The protocol of fast style's figures: its training loss, compared with optimising that loss on the same picture."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
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
from zoo.pictures.images import open_rgb
from zoo.pictures.tensors import to_array, to_tensor

CONTENT, NETWORK = "the content itself", "network"
NOT_OF_THE_LOSS = {"channels", "blocks", "optimizer", "lr_scheduler", "log_pictures_every"}  # arguments
SIDE = 512  # side in pixels of the picture for which the cost is counted
TIMED, PASSES = 3, 5  # pictures that are timed, and timed passes of the network on each
TOLERANCE = 0.03  # of the ratio: other kernels lead L-BFGS elsewhere, on one picture by 3 % at 50 iterations


def evaluate(
    net: FastStyle,
    data: PictureCrops,
    context: Context,
    *,
    vgg: str | None = None,
    style: Path | None = None,
    sizes: Sequence[Count] = (256, 512),
    iterations: Sequence[Count] | Mapping[Count, Sequence[Count]] = (50, 100, 500),
    start: Start = "noise",
    photographs: Count = 10,
    reference: Path | None = None,
) -> Results:
    """Measures the network's loss as a share of the loss that L-BFGS reaches on the same picture.

    The loss is the recipe's, in float32, on pictures clipped to 0..1. An iteration of L-BFGS is one evaluation of loss
    and gradient; after each number of iterations, the best picture so far counts. Whether L-BFGS also clips on the way
    is tried on the first picture, and the better way is taken. Shares are means over the pictures.

    Args:
        net: the network.
        data: the data; the test pictures are used whole, while the network was trained on squares.
        context: gives the recipe, which defines the loss.
        vgg: weights of the loss network VGG-16 instead of the recipe's: "timm", or the path of a safetensors file
        style: style picture instead of the recipe's
        sizes: longer sides in pixels to which the pictures are resized; each size is measured
        iterations: numbers of L-BFGS iterations; or a mapping from sizes to them, instead of sizes:
            '{256: [50, 100, 500], 512: [50]}'
        start: picture that L-BFGS starts from
        photographs: largest number of pictures
        reference: JSON file that caches the scores of L-BFGS, which take hours to compute; seconds are always measured
            again, side by side
    """
    work = dict(iterations) if isinstance(iterations, Mapping) else dict.fromkeys(sizes, iterations)
    numbers = [photographs, *work, *chain(*work.values())]
    if not work or not all(work.values()) or min(numbers) < 1:
        raise ZooError("sizes, iterations and photographs must be 1 or more")
    keep_freed_memory()
    contents = held_out(data, photographs)
    criterion, identity = loss_of(context.recipe, vgg=vgg, style=style)
    device = next(net.parameters()).device
    kept = Reference(reference, identity)
    descent = better_descent(criterion.to(device), brought_to(contents[0], min(work)).to(device), start)
    name = context.name_of(data.root) if data.root else "street scenes"
    figures, tables = [], []
    for size, counts in work.items():
        pictures = [brought_to(content, size).to(device) for content in contents]
        scores, seconds = measure(net, descent, kept, pictures, counts)
        figures += claims(name, f"{size} px", scores)
        way = f"L-BFGS from {start}{', clipped on the way' if descent.clip else ''}"
        tables.append(comparison(f"{name}, {size} px, {len(contents)} pictures, {way}", scores, seconds))
    return Results(
        figures=figures,
        tables=tables,
        parameters=parameter_count(net),
        macs={f"{SIDE}x{SIDE}": macs(net, 3, SIDE, SIDE)},
        data_digest={"test": digest(map(np.asarray, contents)), **identity["digests"]},
    )


def measure(
    net: FastStyle, descent: Descent, reference: Reference, pictures: Sequence[Tensor], counts: Sequence[int]
) -> tuple[list[dict[str, Scores]], list[dict[str, float]]]:
    """Compares the network with L-BFGS: scores of each picture, and seconds of the first pictures.

    Args:
        net: the network.
        descent: L-BFGS on the same loss.
        reference: cache of the scores of L-BFGS.
        pictures: contents ``(1, 3, H, W)`` in 0..1.
        counts: numbers of iterations.
    """
    scores, seconds = list[dict[str, Scores]](), list[dict[str, float]]()
    with bars() as shown:
        task = shown.add_task("Pictures", total=len(pictures))
        for done, x in enumerate(pictures, 1):
            reached = reference(descent, x, counts, partial(shown.advance, task, 1 / max(counts)))
            lbfgs = {descent.name(number): found for number, found in reached.items()}
            scores.append({**own_scores(net, descent.criterion, x), **lbfgs})
            if done <= TIMED:
                pace = descent.seconds_an_iteration(x)
                seconds.append({NETWORK: seconds_of(net, x), **{descent.name(n): n * pace for n in counts}})
            shown.update(task, completed=done)
    return scores, seconds


def loss_of(recipe: Mapping[str, Any], **instead: Any) -> tuple[StyleTransferLoss, dict[str, Any]]:
    """The loss that a recipe's network was trained with, and the values that identify it.

    Args:
        recipe: recipe, whose model arguments define the loss.
        instead: values that replace the recipe's arguments, unless None.
    """
    given = {**recipe["model"].get("init_args", {}), **{name: value for name, value in instead.items() if value}}
    module = FastStyleModule(**{name: value for name, value in given.items() if name not in NOT_OF_THE_LOSS})
    criterion = module.criterion
    weights = (buffer.half().numpy() for buffer in criterion.vgg.buffers())
    return criterion, {
        "content": [criterion.content_weight, criterion.content.weights],
        "style": [criterion.style_weight, criterion.style.weights],
        "tv": criterion.tv_weight,
        "digests": {"style": digest([to_array(module.style[0])]), "weights of VGG-16": digest(weights)},
    }


def held_out(data: PictureCrops, most: int) -> list[Image.Image]:
    """The first test pictures: whole photographs, or squares of drawn scenes."""
    if data.root is None:
        return [Image.fromarray(square) for square in data.kept("test")[:most]]
    return [open_rgb(path) for path in data.some("test")[:most]]


def brought_to(picture: Image.Image, size: int) -> Tensor:
    """A picture resized to a longer side of ``size`` pixels: ``(1, 3, H, W)`` in 0..1."""
    width, height = (max(1, round(side * size / max(picture.size))) for side in picture.size)
    return to_tensor(picture.resize((width, height), Image.Resampling.BICUBIC))[None]


@torch.inference_mode()
def own_scores(net: FastStyle, criterion: StyleTransferLoss, content: Tensor) -> dict[str, Scores]:
    """Scores of a picture ``(1, 3, H, W)`` itself and of the network's result."""
    targets = criterion.targets(content)
    made = torch.from_numpy(net.engine(content.cpu().numpy())[0]).to(content.device)
    return {CONTENT: score(criterion, content, targets), NETWORK: score(criterion, made, targets)}


@torch.inference_mode()
def seconds_of(net: FastStyle, content: Tensor) -> float:
    """Mean seconds of a pass of the network, after a warm-up pass."""
    engine, x = net.engine, content.cpu().numpy()
    engine(x)
    began = time.perf_counter()
    for _ in range(PASSES):
        engine(x)
    return (time.perf_counter() - began) / PASSES


def claims(data: str, protocol: str, scores: Sequence[Mapping[str, Scores]]) -> list[Figure]:
    """The network's loss divided by the loss of each number of iterations, the mean over the pictures."""
    others = [name for name in scores[0] if name not in (CONTENT, NETWORK)]
    shares = (fmean(ratio(each[NETWORK]["loss"], each[name]["loss"]) for each in scores) for name in others)
    found = [(f"loss / {name}", share, TOLERANCE) for name, share in zip(others, shares, strict=True)]
    return claims_of(found, data, protocol=protocol)


def comparison(title: str, scores: Sequence[Mapping[str, Scores]], seconds: Sequence[Mapping[str, float]]) -> Table:
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
    where = f"{torch.get_num_threads()} threads of {platform.machine()}"
    return Table.of(f"{title}; weighted terms of the loss, and seconds a picture on {where}", rows, "picture")
