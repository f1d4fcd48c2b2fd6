"""The protocol of the figures of super resolution, and how bicubic interpolation and other weights fare by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from zoo.data.digest import digest
from zoo.data.low_resolution import SCALE, make_low, resize
from zoo.data.super_resolution import SuperResolutionPairs
from zoo.models.base import Model
from zoo.models.evaluation import Context, Figure, Results, Table, claims_of, ratio
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.cost import macs, parameter_count
from zoo.nn.metrics.super_resolution import feature_distance, psnr, ssim
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.tensors import to_tensor

Method: TypeAlias = "Callable[[np.ndarray], np.ndarray]"  # (H, W, 3) to (4H, 4W, 3), uint8
Scores: TypeAlias = "dict[str, float]"
Truths: TypeAlias = "Sequence[tuple[str, np.ndarray]]"  # name and (H, W, 3) uint8 of each picture

BICUBIC, NETWORK, MATCHED = "bicubic", "network", "network + histogram"
PIXEL = "perceptual_sr_pixel"  # the weights that perceptual ones are compared with
LAYERS = ("relu2_2", "relu3_3")  # of VGG-16
TOLERANCES = {"PSNR Y": 0.02, "SSIM Y": 0.001}  # other kernels round differently
SHARE_TOLERANCE = 0.01  # and other VGG-16 weights are a little different
WIDTH, HEIGHT = 320, 240  # of the picture that the cost is counted for


def evaluate(net: PerceptualSR, data: SuperResolutionPairs, context: Context, *, vgg: str = "timm") -> Results:
    """Measures whole pictures of each benchmark of the data in float32, beside bicubic interpolation and other weights.

    Low pictures are made without blur, whatever was trained on. PSNR and SSIM are those of
    :mod:`zoo.nn.metrics.super_resolution`; features are those of results rounded to 8 bits, of the whole picture.

    Args:
        net: the network.
        data: of which the test pictures are used.
        context: whose other networks are compared.
        vgg: weights of the loss network VGG-16: "timm", or the path of a safetensors file
    """
    features = VGGFeatures(LAYERS, weights=vgg).to(next(net.parameters()).device)
    every = methods(net, context.others())
    figures, benchmarks = list[Figure](), data.benchmark_folders["test"]
    own = context.name_of(data.root) if data.root else "streets"
    tables, digests = [], {}
    for name, truths in data.benchmarks().items():
        scores = measure(every, truths, features)
        source, protocol, title = (name, name, name) if benchmarks else (own, "", f"{own} test")
        figures += claims(source, protocol, scores)
        tables.append(comparison(f"{title}, {len(truths)} pictures", scores))
        digests[protocol or "test"] = digest(truth for _, truth in truths)
    digests["weights of VGG-16"] = digest(buffer.half().cpu().numpy() for buffer in features.buffers())
    return Results(
        figures=figures,
        tables=tables,
        parameters=parameter_count(net),
        macs={f"{WIDTH}x{HEIGHT}": macs(net, 3, HEIGHT, WIDTH)},
        data_digest=digests,
    )


def methods(net: PerceptualSR, others: Mapping[str, Model]) -> dict[str, Method]:
    """What is compared."""
    return {
        BICUBIC: lambda low: resize(low, low.shape[1] * SCALE, low.shape[0] * SCALE),
        NETWORK: partial(enlarge, net),
        MATCHED: partial(enlarge, net, match_histogram=True),
        **{name: partial(enlarge, other) for name, other in others.items()},
    }


def enlarge(net: Model, low: np.ndarray, match_histogram: bool = False) -> np.ndarray:
    """A whole picture ``(H, W, 3)`` at once, on the network's device: ``(4H, 4W, 3)`` uint8."""
    return np.asarray(net.predict(low, match_histogram=match_histogram, tile=None))


def as_batch(picture: np.ndarray, device: torch.device) -> Tensor:
    return to_tensor(picture)[None].to(device)


@torch.inference_mode()
def measure(every: Mapping[str, Method], truths: Truths, vgg: VGGFeatures) -> dict[str, Scores]:
    """Means over the pictures of each score, by method."""
    found: dict[str, list[Scores]] = {name: [] for name in every}
    for _, picture in truths:
        low, truth = make_low(picture), as_batch(picture, vgg.mean.device)
        features = vgg(truth)
        for name, method in every.items():
            result = as_batch(method(low), truth.device)
            scores = {
                "PSNR Y": psnr(result, truth),
                "SSIM Y": ssim(result, truth),
                "PSNR RGB": psnr(result, truth, channels="rgb"),
                **feature_distance(vgg(result), features),
            }
            found[name].append({score: value.item() for score, value in scores.items()})
    return {name: {score: fmean(s[score] for s in each) for score in each[0]} for name, each in found.items()}


def claims(data: str, protocol: str, scores: Mapping[str, Scores]) -> list[Figure]:
    """Figures of the network: quality, and the shares of others' feature distances that are left."""
    own = scores[NETWORK]
    values = [(score, own[score], tolerance) for score, tolerance in TOLERANCES.items()]
    values += [
        (f"{layer}, share of {other}'s", ratio(own[layer], scores[other][layer]), SHARE_TOLERANCE)
        for other in (BICUBIC, PIXEL)
        if other in scores
        for layer in LAYERS
    ]
    return claims_of(values, data, protocol=protocol)


def comparison(title: str, scores: Mapping[str, Scores]) -> Table:
    """Every method on the same pictures, with how much less its feature distances are than those of bicubic."""
    rows: dict[str, dict[str, float]] = {}
    for name, own in scores.items():
        rows[name] = row = {}
        for score, value in own.items():
            row[score] = round(value, 4)
            if score in LAYERS:
                row[f"{score}, % less"] = round(100 * (1 - ratio(value, scores[BICUBIC][score])), 1)
    title += "; PSNR in dB, feature distances in VGG-16 and by how many % they are below bicubic's"
    return Table.of(title, rows)
