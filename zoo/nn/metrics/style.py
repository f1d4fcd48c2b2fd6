"""Measures how near a picture is to a painting's style, by what no network is trained on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = (1, 2, 4)  # factors by which both pictures are reduced: strokes, shapes and areas
PATCH = 7  # side of a patch in pixels
STEP = 3  # pixels from a patch to the next: neighbours tell the same
DIRECTIONS, COLOR_DIRECTIONS = 128, 32  # directions along which patches and colours are sorted
QUANTILES = 512


def patch_distance(picture: Tensor, painting: Tensor) -> float:
    """Sliced Wasserstein distance of patches of 7x7 pixels, without their mean colour, averaged over three scales.

    The distance of Karras et al., 2018 (https://arxiv.org/abs/1710.10196), of pictures instead of sets of pictures. The
    directions are fixed, so that the distance is the same each time.

    Args:
        picture: RGB in 0..1, ``(1, 3, H, W)``.
        painting: RGB in 0..1, of any other size.
    """
    return distance(patch_quantiles(picture), patch_quantiles(painting))


def color_distance(picture: Tensor, painting: Tensor) -> float:
    """Sliced Wasserstein distance of colours; arguments as of :func:`patch_distance`."""
    return distance(color_quantiles(picture), color_quantiles(painting))


def distance(one: Tensor, other: Tensor) -> float:
    """Mean distance of quantiles of the same shape."""
    return float((one - other).abs().mean())


def patch_quantiles(picture: Tensor) -> Tensor:
    """What :func:`patch_distance` compares: ``(SCALES, DIRECTIONS, QUANTILES)`` of a picture ``(1, 3, H, W)``."""
    directions = _directions(DIRECTIONS, 3 * PATCH * PATCH, 0).to(picture)
    return torch.stack([_quantiles(directions, _patches(picture, scale)) for scale in SCALES])


def color_quantiles(picture: Tensor) -> Tensor:
    """What :func:`color_distance` compares: ``(COLOR_DIRECTIONS, QUANTILES)`` of a picture ``(1, 3, H, W)``."""
    return _quantiles(_directions(COLOR_DIRECTIONS, 3, 1).to(picture), picture[0].flatten(1))


def _directions(count: int, dimensions: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed)), dim=1)


def _patches(picture: Tensor, scale: int) -> Tensor:
    """Patches of a reduced picture as columns, each without its mean colour."""
    small = F.avg_pool2d(picture, scale, ceil_mode=True) if scale > 1 else picture
    short = [max(0, PATCH - side) for side in small.shape[2:]]
    small = F.pad(small, (0, short[1], 0, short[0]), "replicate")
    patches = F.unfold(small, PATCH, stride=STEP)[0].view(3, PATCH * PATCH, -1)
    return (patches - patches.mean(1, keepdim=True)).flatten(0, 1)


def _quantiles(directions: Tensor, columns: Tensor) -> Tensor:
    """Quantiles of columns ``(C, N)`` along directions ``(D, C)``: ``(D, QUANTILES)``."""
    values = (directions @ columns).sort(1).values
    return values[:, torch.linspace(0, values.shape[1] - 1, QUANTILES, device=values.device).round().long()]
