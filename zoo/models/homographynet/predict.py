"""From two pictures to a homography: the network's inputs, passes, and the composition of its answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from zoo.base.bounds import Count, check_count
from zoo.base.errors import ZooError
from zoo.engines import Engine, Shapes
from zoo.models.homographynet.field import CELLS, MAX_SCALE, cell_centers, corner_offsets
from zoo.pictures.classical import correlation, polish, to_grey, usable
from zoo.pictures.geometry import (
    NET_SIZE,
    corner_points,
    is_convex,
    matrix_from_corners,
    net_scaling,
    transform_points,
    warp,
)
from zoo.pictures.homography import Homography, normalized, read
from zoo.pictures.images import Picture, name_of

CONTRAST = 1 / 255  # standard deviation below which a picture counts as blank
OVERLAP = 0.1  # least fraction of either picture that the other shows for a meaningful correlation
SAME = 0.9  # least correlation of pictures that agree
# Correction left, in pixels of 128x128, that halves the confidence. Fields had 1.4 or more left for lost pairs, and
# 0.6 or less for most correct ones. The other heads are less exact.
DOUBTFUL, DOUBTFUL_FIELD = 3.0, 1.0
AREA = 1.0  # square pixels of 128x128: least area of a triangle of three corners


@dataclass(frozen=True)
class Estimate:
    """The network's estimates for B pairs, in pixels of 128x128.

    Args:
        matrix: homographies from the pixels of a to the pixels of b, ``(B, 3, 3)`` float64 with 1 in the lower right.
        residual: correction left before the last look, ``(B,)`` float64: the mean length of the offsets of that look,
            in pixels. With the classification head it is the root of the sum of its square and the square of the spread
            (:func:`zoo.models.homographynet.net.spread`); with a field the lower quartile of the scales is the spread.
        valid: whether both pictures show something and the first look gave a convex quadrilateral, ``(B,)`` bool.
    """

    matrix: np.ndarray
    residual: np.ndarray
    valid: np.ndarray

    def part(self, which: slice) -> Estimate:
        """The estimates for some of the pairs."""
        return Estimate(self.matrix[which], self.residual[which], self.valid[which])


@dataclass(frozen=True)
class Aligner:
    """Aligns two pictures by an engine that takes pairs ``(B, 2C, 128, 128)``.

    Args:
        engine: computes the network: offsets of the corners ``(B, 4, 2)``, and perhaps the spread of its answers
            ``(B,)``, in pixels.
        channels: C: 1 for grey pictures, 3 for RGB.
        field: whether the engine gives fields ``(B, 3, 16, 16)`` instead (:mod:`zoo.models.homographynet.field`).
    """

    engine: Engine
    channels: Literal[1, 3]
    field: bool = False

    def shapes(self, batch: int, height: int, width: int) -> Shapes:
        """Shapes of the engine's input and outputs."""
        taken = batch, 2 * self.channels, NET_SIZE, NET_SIZE
        return (taken, (batch, 3, CELLS, CELLS)) if self.field else (taken, (batch, 4, 2), (batch,))

    def predict(self, a: Picture, b: Picture, *, passes: Count = 3, refine: Literal["ecc"] | None = None) -> Homography:
        """The homography from the pixels of a to the pixels of b; a and b may have any sizes.

        The network looks from a to b and from b to a. The answer under which the pictures agree better is kept. Where
        the pictures agree as they are, and better than under the answer, the result is that nothing has moved.

        Args:
            a: path, PIL picture, uint8 array ``(H, W, 3)`` or ``(H, W)``, or tensor ``(3, H, W)``.
            b: the second picture, of the same kinds.
            passes: number of passes, each a call of the network in either order; later passes refine the estimate
            refine: "ecc" refines the estimate with OpenCV's ECC; where ECC diverges, the estimate stays, and
                ``refined`` of the result is false
        """
        if refine not in (None, "ecc"):
            raise ZooError(f'refine must be "ecc" or None, not {refine!r}')
        pictures = read(a), read(b)
        start = time.perf_counter()
        pair = np.concatenate([to_input(picture, self.channels) for picture in pictures])[None]
        found = self.estimate_both_ways(pair, passes)
        small = np.eye(3) if nothing_moved(pair[0], found.matrix[0]) else found.matrix[0]
        to_a, to_b = (net_scaling(*picture.shape[1::-1]) for picture in pictures)
        matrix = normalized(np.linalg.inv(to_b) @ small @ to_a)
        valid = bool(found.valid[0]) and usable(matrix, pictures[0].shape, pictures[1].shape) is not None
        better = polish(to_grey(pictures[0]), to_grey(pictures[1]), matrix) if valid and refine else None
        confidence = 0.0
        if valid:
            matrix = matrix if better is None else better
            confidence = self._confidence(pair, normalized(to_b @ matrix @ np.linalg.inv(to_a)))
        else:
            matrix = np.linalg.inv(to_b) @ to_a
        refined, seconds = None if refine is None else better is not None, time.perf_counter() - start
        return Homography(matrix, confidence, valid, refined, passes, seconds, *pictures, (name_of(a), name_of(b)))

    def estimate_both_ways(self, pairs: np.ndarray, passes: int = 1) -> Estimate:
        """Looks from a to b and from b to a, and keeps the estimate under which the pictures agree better.

        So the answer is the same in either order of the pictures, up to rounding.

        Args:
            pairs: ``(B, 2C, 128, 128)`` float32 in 0..1.
            passes: calls of the network in each order, 1 or more.
        """
        a, b = np.split(pairs, 2, 1)
        both = self.estimate(np.concatenate((pairs, np.concatenate((b, a), 1))), passes)
        there, back = both.part(slice(len(pairs))), both.part(slice(len(pairs), None))
        inverse = np.linalg.inv(back.matrix)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse /= inverse[:, 2:, 2:]
        known = back.valid & np.isfinite(inverse).all((1, 2))  # where b shows a detail of a, corners of a lie anywhere
        better = known & ~there.valid
        for i in np.flatnonzero(known & there.valid):
            greys = as_greys(pairs[i])
            better[i] = agreement(*greys, inverse[i]) > agreement(*greys, there.matrix[i])
        return Estimate(
            np.where(better[:, None, None], inverse, there.matrix),
            np.where(better, back.residual, there.residual),
            there.valid | known,
        )

    def _confidence(self, pair: np.ndarray, matrix: np.ndarray) -> float:
        """Confidence from the network's correction of an estimate, in pixels of 128x128: the mean of both orders."""
        a, b = np.split(pair, 2, 1)
        starts = np.stack((matrix, np.linalg.inv(matrix)))
        left = self.estimate(np.concatenate((pair, np.concatenate((b, a), 1))), start=starts).residual
        doubtful = DOUBTFUL_FIELD if self.field else DOUBTFUL
        return float(1 / (1 + (np.nan_to_num(left, nan=np.inf).mean() / doubtful) ** 2))

    def estimate(self, pairs: np.ndarray, passes: int = 1, start: np.ndarray | None = None) -> Estimate:
        """Looks ``passes`` times at a batch of pairs; each later look corrects the estimate so far.

        Later looks see b warped by the estimate so far, H. If their answer is R, H @ R follows H. Where the moved
        corners form no convex quadrilateral, H stays.

        Args:
            pairs: ``(B, 2C, 128, 128)`` float32 in 0..1.
            passes: calls of the network, 1 or more.
            start: estimates ``(B, 3, 3)`` to start from; None: the identity.
        """
        check_count("passes", passes, "must be 1 or more")
        a, b = np.split(pairs, 2, 1)
        corners = corner_points(NET_SIZE)
        matrix = np.broadcast_to(np.eye(3), (len(pairs), 3, 3)) if start is None else start
        shown, valid = b, shows_something(a) & shows_something(b)
        for look in range(passes):
            if look or start is not None:
                shown = warp(b, matrix, NET_SIZE, NET_SIZE)
            offsets, residual = self._answer(np.concatenate((a, shown), 1))
            composed = matrix @ matrix_from_corners(corners + offsets, NET_SIZE)
            composed = composed / composed[:, 2:, 2:]
            convex = is_convex(corners + offsets, AREA) & is_convex(transform_points(composed, corners), AREA)
            if look == 0:
                valid = valid & convex
            matrix = np.where((valid & convex)[:, None, None], composed, matrix)
        return Estimate(matrix, residual, valid)

    def _answer(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Offsets ``(B, 4, 2)`` of one look, and the residual ``(B,)``; see :class:`Estimate`.

        Infinite values become NaN, which later steps pass on without a warning.
        """
        outputs = (output.astype(np.float64) for output in self.engine(pairs))
        offsets, *spreads = (np.where(np.isfinite(output), output, np.nan) for output in outputs)
        if self.field:
            offsets, spreads = fitted(offsets)
        left = np.linalg.norm(offsets, axis=-1).mean(-1)
        return offsets, np.hypot(left, spreads[0]) if spreads else left


def fitted(field: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Offsets ``(B, 4, 2)`` from fields ``(B, 3, 16, 16)``, and the lower quartile of the cells' scales, ``(B,)``.

    Cells with a NaN do not count. Where most cells have one, all results are NaN.
    """
    known = ~np.isnan(field).any(1, keepdims=True)
    counted = np.where(known, field, np.array([0.0, 0.0, MAX_SCALE]).reshape(3, 1, 1))
    offsets = corner_offsets(counted, cell_centers(), corner_points(NET_SIZE))
    spread = np.quantile(counted[:, 2].reshape(len(field), -1), 0.25, axis=1)
    most = known.mean((1, 2, 3)) > 0.5
    return np.where(most[:, None, None], offsets, np.nan), [np.where(most, spread, np.nan)]


def shows_something(pictures: np.ndarray) -> np.ndarray:
    """Whether pictures are not blank: ``(B, C, H, W)`` -> ``(B,)`` bool."""
    return np.asarray(pictures.reshape(*pictures.shape[:2], -1).std(-1, ddof=1).max(-1) > CONTRAST)


def nothing_moved(pair: np.ndarray, matrix: np.ndarray) -> bool:
    """Whether the pictures of ``(2C, 128, 128)`` in 0..1 agree as they are, and better than under an estimate."""
    greys = as_greys(pair)
    return agreement(*greys, np.eye(3)) >= max(agreement(*greys, matrix), SAME)


def agreement(a: np.ndarray, b: np.ndarray, matrix: np.ndarray) -> float:
    """Mean correlation of grey pictures, as seen from either one; -1 where they hardly overlap."""
    seen = correlation(a, b, matrix, OVERLAP) + correlation(b, a, np.linalg.inv(matrix), OVERLAP)
    return -1.0 if np.isnan(seen) else seen / 2


def as_greys(pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures of ``(2C, 128, 128)`` in 0..1 as ``(128, 128)`` uint8."""
    a, b = (np.rint(part.mean(0) * 255).astype(np.uint8) for part in np.split(pair, 2))
    return a, b


def to_input(picture: np.ndarray, channels: int) -> np.ndarray:
    """A picture as the network sees it, ``(channels, 128, 128)`` in 0..1, by Pillow's antialiased bilinear filter.

    Grey is ITU-R BT.601's, as in training.

    Args:
        picture: ``(H, W, 3)`` uint8, or ``(H, W)`` for one channel.
        channels: channels of the network, 1 or 3.
    """
    image = Image.fromarray(to_grey(picture) if channels == 1 else picture)
    small = np.asarray(image.resize((NET_SIZE, NET_SIZE), Image.Resampling.BILINEAR))
    return small.reshape(NET_SIZE, NET_SIZE, channels).transpose(2, 0, 1) / np.float32(255)
