"""The protocol of neural style's figures: the effect of coarse to fine and bfloat16 on loss, picture and time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.base.bounds import Count
from zoo.data.digest import digest
from zoo.data.style import read_style
from zoo.data.style_pair import StylePair
from zoo.models.evaluation import Context, Figure, Results, Table, claims_of, ratio
from zoo.models.neural_style.net import NeuralStyle
from zoo.models.neural_style.objective import Objective, plan
from zoo.models.neural_style.predict import optimize, shrink
from zoo.nn.cost import macs
from zoo.nn.cpu import keep_freed_memory
from zoo.nn.metrics.super_resolution import psnr
from zoo.nn.precision import native_bfloat16
from zoo.pictures.stylized import as_content
from zoo.pictures.tensors import to_array, to_tensor

DEFAULT, FLOAT32, ONE_SIZE = "as it is", "float32", "one size"
SAME_TIME = "one size, as long as it takes"  # as DEFAULT takes
MOVED = "float32, content moved by 1e-4"  # at most 1e-4 of the range: shows which picture difference means nothing
RATIO_TOLERANCE, PSNR_TOLERANCE = 0.05, 3.0  # other kernels lead L-BFGS elsewhere


@dataclass
class Made:
    """A picture, and the iterations and seconds that it took.

    Args:
        picture: ``(1, 3, H, W)`` in 0..1.
        iterations: number of iterations.
        seconds: seconds that these iterations took.
    """

    picture: Tensor
    iterations: int
    seconds: float


def evaluate(
    net: NeuralStyle, data: StylePair, context: Context, *, vgg: str = "timm", iterations: Count = 100
) -> Results:
    """Styles one pair in four ways: as it is, in float32, in float32 with a hardly different content, and at one size.

    Losses are computed from the clipped picture at its full size, in float32. Where bfloat16 is not native, the first
    two ways are the same.

    Args:
        net: the settings.
        data: content and styles.
        context: not used.
        vgg: weights of the loss network: "timm", or the path of a safetensors file
        iterations: number of iterations of each picture
    """
    keep_freed_memory()
    device = net.get_buffer("place").device
    features = net.loss_network(vgg).to(device)
    content = to_tensor(shrink(as_content(data.content)[0], net.size))[None].to(device)
    objective = Objective(net, features, content, data.styles, data.blend)
    made = pictures(objective, iterations, native_bfloat16(device))
    scores = {name: score(objective, one.picture) for name, one in made.items()}
    height, width = content.shape[2:]
    style = (to_array(read_style(style, min(height, width))[0]) for style in data.styles)
    weights = (buffer.half().cpu().numpy() for buffer in features.buffers())
    return Results(
        figures=claims(made, scores, f"{width}x{height} pixels, {iterations} iterations"),
        tables=[comparison(made, scores)],
        parameters=0,
        macs={f"{width}x{height}": macs(features, 3, height, width)},
        data_digest={
            "content": digest([np.ascontiguousarray(to_array(content[0]))]),
            "style": digest(style),
            f"weights of VGG-{net.depth}": digest(weights),
        },
    )


def pictures(objective: Objective, iterations: int, bfloat16: bool) -> dict[str, Made]:
    """Pictures by the way they are made; all other settings are the net's own."""
    net, content, found = objective.net, objective.content, {}
    noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(0)).to(content)
    moved = (content + 1e-4 * (2 * noise - 1)).clamp(0, 1)
    apart, full = replace(objective, content=moved), replace(objective, net=net.changed(coarse_to_fine=False))
    for name, of, fast in ((DEFAULT, objective, bfloat16), (FLOAT32, objective, False), (MOVED, apart, False)):
        *_, found[name] = run(of, iterations, fast)
    for one in run(full, iterations, bfloat16):
        if one.seconds <= found[DEFAULT].seconds or SAME_TIME not in found:
            found[SAME_TIME] = one
        found[ONE_SIZE] = one
    return found


def run(objective: Objective, iterations: int, bfloat16: bool) -> Any:
    """The picture after each iteration. Targets are computed once, before the clock starts."""
    start, (height, width) = objective.net.start, objective.content.shape[2:]
    for stage in plan(height, width, iterations, objective.net.coarse_to_fine):
        objective.at(stage.size)
    for _ in optimize(objective, 2 if iterations > 1 else 1, start, 0, bfloat16):  # warms up
        pass
    began = time.perf_counter()
    for step in optimize(objective, iterations, start, 0, bfloat16):
        yield Made(step.picture, step.number, time.perf_counter() - began)


@torch.no_grad()
def score(objective: Objective, picture: Tensor) -> dict[str, float]:
    """Loss and terms at the full size, in float32."""
    height, width = objective.content.shape[2:]
    return {name: float(term) for name, term in objective.terms(picture.clamp(0, 1), (height, width)).items()}


def psnr_of(one: Made, other: Made) -> float:
    """PSNR of two pictures in dB over RGB; infinite where they are the same."""
    return float(psnr(one.picture, other.picture, crop=0, channels="rgb", quantize=False))


def claims(made: Mapping[str, Made], scores: Mapping[str, Mapping[str, float]], data: str) -> list[Figure]:
    """Figures: loss relative to the other ways', and change of the picture by bfloat16 and by a tiny change."""
    own = scores[DEFAULT]["loss"]
    values = [
        ("loss / one size's", ratio(own, scores[ONE_SIZE]["loss"]), RATIO_TOLERANCE),
        ("loss / float32's", ratio(own, scores[FLOAT32]["loss"]), RATIO_TOLERANCE),
        ("PSNR to float32", psnr_of(made[DEFAULT], made[FLOAT32]), PSNR_TOLERANCE),
        ("PSNR of float32, content moved by 1e-4", psnr_of(made[MOVED], made[FLOAT32]), PSNR_TOLERANCE),
    ]
    return claims_of((claim for claim in values if math.isfinite(claim[1])), data, "pair", data)


def comparison(made: Mapping[str, Made], scores: Mapping[str, Mapping[str, float]]) -> Table:
    """Loss, its terms, iterations and seconds of each picture."""
    rows = {
        name: {
            **{term: round(value, 4) for term, value in scores[name].items()},
            "iterations": one.iterations, "seconds": round(one.seconds, 1),
        }
        for name, one in made.items()
    }  # fmt: skip
    threads = torch.get_num_threads()
    return Table.of(f"Weighted terms of the loss at full size, and seconds on {threads} threads", rows, "picture")
