"""Draws and makes training pairs: the pairs of :mod:`zoo.data.pairs` and further kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.data.pairs import Protocol, net_offsets
from zoo.pictures.geometry import NET_SIZE, corner_points, is_convex, matrix_from_corners, transform_points

Batch: TypeAlias = tuple[np.ndarray, np.ndarray]  # pairs (B, 2 * channels, 128, 128) uint8, offsets (B, 4, 2) float32
LINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
FIRST_PASS_ERROR = 0.375  # maximum error of a corner after a first pass, in perturbations: 12 pixels of 32
WIDER, TURN, ZOOM = 1.25, 15.0, 1.25  # limits of wide pairs: perturbations, degrees, factor
OTHER_REACH = 2.0  # maximum movement of the corners of swapped pairs, in perturbations


@dataclass(frozen=True)
class Fractions:
    """Fractions of the kinds of training pairs, 0 to 1: see :class:`zoo.data.homography.HomographyPairs`."""

    second_pass: float = 0.0
    photometric: float = 0.0
    wide: float = 0.0
    swapped: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= fraction <= 1 for fraction in vars(self).values()):
            raise ZooError(f"{', '.join(f'data.{name}' for name in vars(self))} must be fractions, 0 to 1")


PLAIN = Fractions()


@dataclass(frozen=True)
class Drawn:
    """Random numbers of B training pairs, without their photometric differences."""

    chosen: np.ndarray  # index of the picture, (B,)
    places: np.ndarray  # left and top of the cropped patch, (B, 2)
    matrices: np.ndarray  # from pixels of the warped patch to pixels of the picture, (B, 3, 3)
    swapped: np.ndarray  # whether the cropped patch is a instead of b, (B,)
    second_pass: np.ndarray  # whether the pair looks as in a second pass, (B,)
    estimates: np.ndarray  # the first pass's homography at 128 pixels, (B, 3, 3); unused if there was none
    unlike: np.ndarray  # whether the patches differ photometrically, (B,)
    offsets: np.ndarray  # target offsets of a network, (B, 4, 2) float32


def draw(rng: np.random.Generator, count: int, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Random places ``(count, 2)`` and corner offsets ``(count, 4, 2)``, whole pixels, for training."""
    (left, right), (top, bottom) = protocol.places()
    places = rng.integers((left, top), (right + 1, bottom + 1), (count, 2))
    offsets = rng.integers(-protocol.perturbation, protocol.perturbation + 1, (count, 4, 2))
    while not (fine := is_convex(corner_points(protocol.patch) + offsets)).all():
        fresh = (int((~fine).sum()), 4, 2)
        offsets[~fine] = rng.integers(-protocol.perturbation, protocol.perturbation + 1, fresh)
    return places, offsets


def draw_training(
    rng: np.random.Generator, pictures: int, count: int, protocol: Protocol, fractions: Fractions = PLAIN
) -> Drawn:
    """Draws ``count`` pairs of pictures 0 to ``pictures`` - 1.

    If a first pass squeezes b so that more than the perturbation is left to correct, the pair stays a first pass.
    """
    chosen = rng.integers(0, pictures, count)
    places, moves = draw(rng, count, protocol)
    corners = corner_points(protocol.patch) + moves.astype(np.float64)
    if fractions.wide and (wide := np.flatnonzero(rng.random(count) < fractions.wide)).size:
        places[wide], corners[wide] = _draw_wide(rng, len(wide), protocol)
    matrices = matrix_from_corners(corners, protocol.patch)
    offsets, swapped = net_offsets(matrices, protocol.patch), np.zeros(count, bool)
    reach = protocol.perturbation * NET_SIZE / protocol.patch
    if fractions.swapped:
        other = net_offsets(np.linalg.inv(matrices), protocol.patch)
        swapped = (rng.random(count) < fractions.swapped) & (np.abs(other) <= OTHER_REACH * reach).all((1, 2))
        offsets[swapped] = other[swapped]
    again, unlike = rng.random(count) < fractions.second_pass, rng.random(count) < fractions.photometric
    estimates = np.zeros((count, 3, 3))
    if again.any():
        estimates[again], offsets[again], again[again] = _draw_first_pass(rng, offsets[again], reach)
    to_picture = matrix_from_corners(corners + places[:, None], protocol.patch)
    return Drawn(chosen, places, to_picture, swapped, again, estimates, unlike, offsets)


def _draw_wide(rng: np.random.Generator, count: int, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Places of patches ``(count, 2)`` and the corners of their partners relative to them, ``(count, 4, 2)``.

    Pairs that do not fit into the picture are drawn again.
    """
    size, reach = protocol.patch, WIDER * protocol.perturbation
    corners = corner_points(size)
    places, moved = np.zeros((count, 2), np.int64), np.empty((count, 4, 2))
    missing = np.arange(count)
    while missing.size:
        n = len(missing)
        turn, zoom = np.deg2rad(rng.uniform(-TURN, TURN, n)), ZOOM ** rng.uniform(-1, 1, n)
        turns = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]).transpose(2, 0, 1)
        around = corners - corners.mean(0) + rng.uniform(-reach, reach, (n, 4, 2))
        found = around @ turns * zoom[:, None, None] + corners.mean(0)
        low, high = protocol.room(found)
        fine = (low <= high).all(1) & is_convex(found, size**2 / 16)
        moved[missing[fine]] = found[fine]
        places[missing[fine]] = rng.integers(low[fine], high[fine] + 1)
        missing = missing[~fine]
    return places, moved


def _draw_first_pass(
    rng: np.random.Generator, offsets: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates, the offsets that remain after them, and whether the remaining offsets are small enough."""
    corners, count = corner_points(NET_SIZE), len(offsets)
    errors = rng.uniform(-1, 1, (count, 4, 2)) * rng.uniform(0, FIRST_PASS_ERROR * reach, (count, 1, 1))
    estimated = corners + offsets + errors
    estimates = matrix_from_corners(estimated, NET_SIZE)
    left = transform_points(np.linalg.inv(estimates), corners + offsets) - corners
    fine = is_convex(estimated) & (np.abs(left) <= reach).all((1, 2))
    return estimates, np.where(fine[:, None, None], left, offsets), fine


def warped_pair(
    picture: np.ndarray, place: Sequence[int], matrix: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Patches a and b by OpenCV: fast, exact but for interpolation; ``matrix`` maps pixels of a to the picture's."""
    x, y = place
    b = picture[y : y + size, x : x + size].copy()  # first: copying rows fills the cache for the warp's random access
    return cv2.warpPerspective(picture, matrix, (size, size), flags=LINEAR), b


def as_second_pass(b: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Patch b as a second pass sees it: pixel p shows b at ``estimate @ p``, the edge of b repeated beyond it."""
    return cv2.warpPerspective(b, estimate, b.shape[1::-1], flags=LINEAR, borderMode=cv2.BORDER_REPLICATE)
