"""The protocol of super resolution's figures, and a comparison with bicubic interpolation and other weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from statistics import fmean, median
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.data.degradation import saved
from zoo.data.digest import digest
from zoo.data.low_resolution import enlarge, make_low
from zoo.data.super_resolution import SuperResolutionPairs
from zoo.models.base import Model
from zoo.models.evaluation import Context, Figure, Results, Table, claims_of, picture_by_picture, ratio
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.cost import macs, parameter_count
from zoo.nn.metrics.artefacts import periodic_energy
from zoo.nn.metrics.lpips import LPIPS
from zoo.nn.metrics.super_resolution import feature_distance, psnr, ssim
from zoo.nn.precision import native_bfloat16
from zoo.pictures.tensors import to_tensor

Method: TypeAlias = "Callable[[np.ndarray], np.ndarray]"  # (H, W, 3) to (sH, sW, 3), uint8
Scores: TypeAlias = "dict[str, float]"

BICUBIC, NETWORK, ENSEMBLE = "bicubic", "network", "network, self-ensemble"
PIXEL = "perceptual_sr_pixel"  # the weights that others are compared with
LAYERS = ("relu2_2", "relu3_3")  # layers of VGG-16
CONDITIONS = {"": None, ", JPEG 75": 75, ", JPEG 40": 40}  # JPEG quality of the low pictures; None: no JPEG
PERIODS = {2: (2,), 3: (3,), 4: (2, 4)}  # periods of a grid in pixels, by scale
GRID = "grid"
TOLERANCES = {"PSNR Y": 0.02, "SSIM Y": 0.001, "LPIPS": 0.002, GRID: 0.02}  # other kernels round differently
RATIO_TOLERANCE = 0.01  # and other VGG-16 weights are a little different
WIDTH, HEIGHT = 320, 240  # size of the picture for which the cost is counted


@picture_by_picture
def evaluate(net: PerceptualSR, data: SuperResolutionPairs, context: Context, *, vgg: str = "timm") -> Results:
    """Measures whole pictures of each benchmark of the data in float32, beside bicubic interpolation and other weights.

    Low pictures are made by bicubic interpolation without blur, whatever the network was trained on. They are measured
    as they are, and compressed by JPEG of quality 75 and 40. :mod:`zoo.nn.metrics.super_resolution` defines PSNR and
    SSIM. Features, LPIPS and grid are computed from whole results rounded to 8 bits; grid is
    :func:`zoo.nn.metrics.artefacts.periodic_energy` relative to the truth's, the median over the pictures.

    Args:
        net: the network.
        data: the data; only the test pictures are used.
        context: gives the other networks to compare.
        vgg: weights of the loss network VGG-16: "timm", or the path of a safetensors file

    Raises:
        ZooError: the data have another scale than the network.
    """
    if data.scale != net.scale:
        raise ZooError(f"the network enlarges by {net.scale}, the data by {data.scale}; give --data.scale {net.scale}")
    lpips = LPIPS(vgg).to(next(net.parameters()).device)
    every = methods(net, context.others())
    figures, benchmarks = list[Figure](), data.benchmark_folders["test"]
    own = context.name_of(data.root) if data.root else "streets"
    tables, digests, known = [], {}, data.benchmarks()
    pictures = [picture for truths in known.values() for _, picture in truths]
    found = iter(context.each(partial(measure, every, net.scale, lpips), pictures))
    for name, truths in known.items():
        source, protocol, title = (name, name, name) if benchmarks else (own, "", f"{own} test")
        for condition, scores in summary(islice(found, len(truths))).items():
            figures += claims(source, protocol, scores, condition)
            tables.append(comparison(f"{title}, {len(truths)} pictures{condition}", scores))
        digests[protocol or "test"] = digest(truth for _, truth in truths)
    digests["weights of VGG-16"] = digest(buffer.half().cpu().numpy() for buffer in lpips.vgg.buffers())
    return Results(
        figures=figures,
        tables=tables,
        parameters=parameter_count(net),
        macs={f"{WIDTH}x{HEIGHT}": macs(net, 3, HEIGHT, WIDTH)},
        data_digest=digests,
    )


def methods(net: PerceptualSR, others: Mapping[str, Model]) -> dict[str, Method]:
    """The methods to compare; other networks only where they enlarge by the same factor."""
    same = {name: other for name, other in others.items() if getattr(other, "scale", None) == net.scale}
    return {
        BICUBIC: partial(enlarge, scale=net.scale),
        NETWORK: partial(upscaled, net),
        ENSEMBLE: partial(upscaled, net, self_ensemble=True),
        **{name: partial(upscaled, other) for name, other in same.items()},
    }


def upscaled(net: Model, low: np.ndarray, **options: bool) -> np.ndarray:
    """Enlarges a whole picture ``(H, W, 3)`` at once, on the network's device: ``(sH, sW, 3)`` uint8."""
    return np.asarray(net.predict(low, tile=None, **options))


def as_batch(picture: np.ndarray, device: torch.device) -> Tensor:
    return to_tensor(picture)[None].to(device)


@torch.inference_mode()
def measure(every: Mapping[str, Method], scale: int, lpips: LPIPS, picture: np.ndarray) -> dict[str, dict[str, Scores]]:
    """Each score of a picture ``(H, W, 3)`` uint8, by condition and method."""
    found: dict[str, dict[str, Scores]] = {condition: {} for condition in CONDITIONS}
    truth = as_batch(picture, lpips.vgg.mean.device)
    features, plain = features_of(lpips, truth), make_low(picture, scale)
    for condition, quality in CONDITIONS.items():
        low = plain if quality is None else saved(plain, quality)
        for name in (name for name in every if quality is None or name != ENSEMBLE):
            result = as_batch(every[name](low), truth.device)
            scores = {"PSNR Y": psnr(result, truth, crop=scale)}
            if quality is None:
                scores["SSIM Y"] = ssim(result, truth, crop=scale)
            if name != ENSEMBLE:
                scores |= perceived(result, truth, features, lpips, scale if quality is None else None)
            found[condition][name] = {score: value.item() for score, value in scores.items()}
    return found


def perceived(
    result: Tensor, truth: Tensor, features: Mapping[str, Tensor], lpips: LPIPS, scale: int | None
) -> dict[str, Tensor]:
    """LPIPS; with a scale also the grid and the distances of features."""
    own = features_of(lpips, result)
    scores = {"LPIPS": lpips.of_features(own, features)}
    if scale is not None:
        distances = feature_distance(own, features)
        scores |= {GRID: periodic_energy(result, truth, PERIODS[scale]), **{each: distances[each] for each in LAYERS}}
    return scores


def features_of(lpips: LPIPS, picture: Tensor) -> dict[str, Tensor]:
    """Features of VGG-16, in bfloat16 where it is native: faster, and LPIPS differs by a tenth of its tolerance."""
    with torch.autocast(picture.device.type, torch.bfloat16, enabled=native_bfloat16(picture.device)):
        return lpips.vgg(picture)


def summary(measured: Iterable[Mapping[str, Mapping[str, Scores]]]) -> dict[str, dict[str, Scores]]:
    """Each score over pictures, by condition and method: means, and the median of the grid."""
    pictures = list(measured)
    return {
        condition: {
            name: {
                score: (median if score == GRID else fmean)(each[condition][name][score] for each in pictures)
                for score in scores
            }
            for name, scores in methods.items()
        }
        for condition, methods in pictures[0].items()
    }


def claims(data: str, protocol: str, scores: Mapping[str, Scores], condition: str = "") -> list[Figure]:
    """Figures of the network: quality, and its feature distances relative to the others'."""
    own = scores[NETWORK]
    values = [(score + condition, own[score], tolerance) for score, tolerance in TOLERANCES.items() if score in own]
    values += [
        (f"{layer}, share of {other}'s", ratio(own[layer], scores[other][layer]), RATIO_TOLERANCE)
        for other in (BICUBIC, PIXEL)
        if other in scores
        for layer in LAYERS
        if layer in own
    ]
    return claims_of(values, data, protocol=protocol)


def comparison(title: str, scores: Mapping[str, Scores]) -> Table:
    """Every method on the same pictures."""
    columns = next(iter(scores.values()))
    rows = {
        name: {score: round(own[score], 4) if score in own else None for score in columns}
        for name, own in scores.items()
    }
    return Table.of(f"{title}; PSNR in dB, LPIPS and distances of features in VGG-16: less is better", rows)
