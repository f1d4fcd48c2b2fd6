"""From two pictures to a homography: what the network is shown, how often, and what its answers make."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.models.homographynet.classical import correlation, polish, usable
from zoo.models.homographynet.result import Homography, normalized, read
from zoo.nn.homography import corner_points, is_convex, matrix_from_corners, transform_points, warp
from zoo.pictures.geometry import NET_SIZE, net_scaling
from zoo.pictures.images import Picture

if TYPE_CHECKING:
    from zoo.models.homographynet.net import HomographyNet

__all__ = ["Estimate", "Homography", "align", "estimate"]

CONTRAST = 1 / 255  # standard deviation below which a picture shows nothing
SAME = 0.9  # correlation of pictures that agree
DOUBTFUL = 3.0  # pixels of 128x128 left to correct that halve the confidence


@dataclass(frozen=True)
class Estimate:
    """What the network says about B pairs, in pixels of 128x128, on the CPU.

    Args:
        matrix: from the pixels of a to those of b, ``(B, 3, 3)`` float64 with 1 in the lower right.
        residual: ``(B,)`` float64. What was left to correct before the last look: the mean length of the offsets that
            it gave, in pixels. With the classification head the root of its square plus the square of the spread
            (:func:`spread`).
        valid: ``(B,)`` bool: both pictures show something, and the first look gave a convex quadrilateral.
    """

    matrix: Tensor
    residual: Tensor
    valid: Tensor


@torch.inference_mode()
def estimate(net: HomographyNet, pairs: Tensor, passes: int = 1, start: Tensor | None = None) -> Estimate:
    """Looks at a batch of pairs as often as ``passes`` says, from the second time on at what the first left.

    Later looks see b warped by the estimate so far, H, and H @ R follows H where R is their answer. Where that is no
    convex quadrilateral, H stays.

    Args:
        net: in eval mode.
        pairs: ``(B, 2C, 128, 128)`` in 0..1, on the network's device.
        passes: calls of the network, 1 or more.
        start: estimates ``(B, 3, 3)`` to go on from.
    """
    if passes < 1:
        raise ZooError(f"passes are 1 or more, not {passes}")
    a, b = pairs.chunk(2, 1)
    corners = corner_points(NET_SIZE, NET_SIZE).double()
    matrix = torch.eye(3, dtype=torch.float64).expand(len(pairs), 3, 3) if start is None else start
    shown, valid = b, shows_something(a) & shows_something(b)
    for look in range(passes):
        if look or start is not None:
            shown = warp(b, matrix.to(pairs), NET_SIZE, NET_SIZE, padding="border")
        offsets, residual = answer(net, torch.cat((a, shown), 1))
        composed = matrix @ matrix_from_corners(corners + offsets, NET_SIZE, NET_SIZE)
        composed = composed / composed[:, 2:, 2:]
        convex = is_convex(corners + offsets) & is_convex(transform_points(composed, corners))
        if look == 0:
            valid = valid & convex
        matrix = torch.where((valid & convex)[:, None, None], composed, matrix)
    return Estimate(matrix, residual, valid)


def answer(net: HomographyNet, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets ``(B, 4, 2)`` of one look, and the residual ``(B,)`` that they speak of; see :class:`Estimate`."""
    pairs = pairs.to(next(net.parameters()).dtype)
    if net.head == "regression":
        offsets = net(pairs).double().cpu()
        return offsets, offsets.norm(dim=-1).mean(-1)
    raw = net.raw(pairs).float()
    offsets = net.offsets(raw).double().cpu()
    return offsets, torch.hypot(offsets.norm(dim=-1).mean(-1), spread(raw, net.centers).double().cpu())


def spread(logits: Tensor, centers: Tensor) -> Tensor:
    """How far the distributions over bins reach, ``(B,)`` pixels: root mean square of their corners' deviation.

    Less the variance that the two bins beside the mean alone would have, since these are what a network that is sure
    of a value between their centres is taught to answer.

    Args:
        logits: ``(B, 8, bins)``.
        centers: of the bins, evenly spaced, ``(bins,)``.
    """
    share = logits.softmax(-1)
    mean = (share * centers).sum(-1, keepdim=True)
    variance = (share * (centers - mean).square()).sum(-1)
    step = centers[1] - centers[0]
    place = ((mean[..., 0] - centers[0]) / step).frac()
    excess = (variance - place * (1 - place) * step.square()).clamp(min=0)
    return (2 * excess.mean(-1)).sqrt()  # of x and y together


def shows_something(pictures: Tensor) -> Tensor:
    """``(B, C, H, W)`` -> ``(B,)`` bool on the CPU."""
    return (pictures.flatten(2).std(-1).amax(-1) > CONTRAST).cpu()


def align(
    net: HomographyNet, a: Picture, b: Picture, *, passes: int = 3, refine: Literal["ecc"] | None = None
) -> Homography:
    """The homography from a to b, pictures of any sizes; see :meth:`HomographyNet.predict`.

    Where the pictures agree as they are, and better than under the estimate, nothing has moved.
    After the passes, and the refinement if one is asked for, the network looks once more for the confidence.
    """
    if refine not in (None, "ecc"):
        raise ZooError(f'refine is "ecc" or None, not {refine!r}')
    if not isinstance(passes, int) or passes < 1:
        raise ZooError(f"passes are 1 or more, not {passes!r}")
    pictures = read(a), read(b)
    start = time.perf_counter()
    pair = torch.cat([to_input(picture, net.channels) for picture in pictures])[None]
    pair = pair.to(next(net.parameters()).device)
    found = estimate(net, pair, passes)
    small = np.eye(3) if nothing_moved(pair[0], found.matrix[0].numpy()) else found.matrix[0].numpy()
    to_a, to_b = (net_scaling(picture.shape[1], picture.shape[0]) for picture in pictures)
    matrix = normalized(np.linalg.inv(to_b) @ small @ to_a)
    valid = bool(found.valid[0]) and usable(matrix, pictures[0].shape, pictures[1].shape) is not None
    better = polish(to_grey(pictures[0]), to_grey(pictures[1]), matrix) if valid and refine else None
    refined, confidence = None if refine is None else better is not None, 0.0
    if valid:
        matrix = matrix if better is None else better
        last = torch.from_numpy(normalized(to_b @ matrix @ np.linalg.inv(to_a)))
        left = estimate(net, pair, start=last[None]).residual.nan_to_num(torch.inf)
        confidence = float(1 / (1 + (left[0] / DOUBTFUL) ** 2))
    else:
        matrix = np.linalg.inv(to_b) @ to_a
    seconds = time.perf_counter() - start
    return Homography(matrix, confidence, valid, refined, passes, seconds, *pictures, (name_of(a), name_of(b)))


def nothing_moved(pair: Tensor, matrix: np.ndarray) -> bool:
    """Whether the pictures of ``(2C, 128, 128)`` in 0..1 agree as they are, and better than under an estimate."""
    a, b = ((part.mean(0) * 255).round().byte().cpu().numpy() for part in pair.chunk(2))
    return correlation(a, b, np.eye(3)) >= max(correlation(a, b, matrix), SAME)


def to_input(picture: np.ndarray, channels: int) -> Tensor:
    """A picture as the network sees it, ``(channels, 128, 128)`` in 0..1, by Pillow's antialiased bilinear filter.

    Grey is ITU-R BT.601's, as in training.

    Args:
        picture: ``(H, W, 3)`` uint8, or ``(H, W)`` for one channel.
        channels: of the network, 1 or 3.
    """
    image = Image.fromarray(to_grey(picture) if channels == 1 else picture)
    small = np.asarray(image.resize((NET_SIZE, NET_SIZE), Image.Resampling.BILINEAR))
    return torch.from_numpy(small.reshape(NET_SIZE, NET_SIZE, channels).copy()).permute(2, 0, 1).float() / 255


def to_grey(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).convert("L"))


def name_of(picture: Picture) -> str | None:
    return str(picture) if isinstance(picture, (str, Path)) else None
