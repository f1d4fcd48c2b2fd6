"""Pairs of patches with a known homography between them, made from single pictures.

b is a patch of the picture; a shows the same place through a homography, so that pixel p of a and pixel ``M p`` of b
show the same point. M maps the corners of a to their places in b: each is moved by its own random offset. DeTone et
al. (https://arxiv.org/abs/1606.03798) make pairs the same way and call a the second patch.

Coordinates are ``(x, y)``; pixel centres are whole numbers. Corners are the centres of the corner pixels, clockwise
from the upper left.

**Held-out pairs** are fixed bit by bit, so that any program can make them. All arithmetic is float64 with one rounding
per operation, in the order of the parentheses and otherwise from left to right.

*Pictures.* The N pictures of the split that can be read and are large enough, sorted by their path below the root
(:func:`zoo.data.pictures.find_pictures`, :func:`zoo.base.splits.split_of`) and resized to the protocol's width and
height as in :mod:`zoo.data.pictures`. Pair i takes picture i mod N.

*Numbers.* Number k of pair i of a split with seed s (val 1, test 2) is, in 64-bit integers that wrap around::

    z = s * 2^40 + i * 2^8 + k + 0x9E3779B97F4A7C15            (SplitMix64, Steele et al., 2014)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
    z = (z ^ z >> 27) * 0x94D049BB133111EB
    z = z ^ z >> 31

It becomes one of n values as ``lowest + z mod n``. k = 0 gives the left side of b and k = 1 its top, within the bounds
of :meth:`Protocol.places`, both included: without jitter from ``perturbation`` to ``side - patch - perturbation``,
where side is the picture's width or height. k = 2 to 9 give the offsets of the corners in the order x, y, x, y, ...,
from ``-perturbation`` to ``perturbation``. The corners c_j with these offsets must be strictly convex, that is
``(c_j - c_j-1) x (c_j+1 - c_j) > 0`` for all four; otherwise all ten numbers are drawn again, with k from 16 to 25,
then 32 to 41, and so on.

*Matrix.* Let ``(x0, y0) ... (x3, y3)`` be corner + left and top of b + offset, and e = patch - 1::

    X = x0 - x1 + x2 - x3                    Y = y0 - y1 + y2 - y3
    d = (x1 - x2) * (y3 - y2) - (x3 - x2) * (y1 - y2)
    g = (X * (y3 - y2) - (x3 - x2) * Y) / d  h = ((x1 - x2) * Y - X * (y1 - y2)) / d

        (x1 - x0 + g * x1) / e   (x3 - x0 + h * x3) / e   x0
    M = (y1 - y0 + g * y1) / e   (y3 - y0 + h * y3) / e   y0
        g / e                    h / e                    1

*Patches.* b is a copy. Pixel (u, v) of a shows the picture P, indexed by row and column, at (x, y)::

    w = (M20 * u + M21 * v) + M22
    x = ((M00 * u + M01 * v) + M02) / w      y = ((M10 * u + M11 * v) + M12) / w
    l = floor(x), p = x - l                  t = floor(y), q = y - t
    upper = (1 - p) * P[t, l] + p * P[t, l + 1]
    lower = (1 - p) * P[t + 1, l] + p * P[t + 1, l + 1]
    a[v, u] = floor(((1 - q) * upper + q * lower) + 0.5)

where a column or row just beyond the last one repeats the last one. Each channel of RGB is treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.pictures.geometry import (
    NET_SIZE,
    corner_points,
    is_convex,
    matrix_from_corners,
    net_scaling,
    transform_points,
    warp,
)

HELD_OUT_SEEDS = {"val": 1, "test": 2}
DRAWS = 10  # integers per attempt at a pair


@dataclass(frozen=True)
class Protocol:
    """Sizes of the pairs, in pixels.

    Args:
        width: width of the pictures.
        height: height of the pictures.
        patch: side of the patches.
        perturbation: maximum movement of a corner in x and in y.
        jitter: maximum shift of the patch from the middle of the picture, in x and in y; None: it lies anywhere.
    """

    width: int = 320
    height: int = 240
    patch: int = 128
    perturbation: int = 32
    jitter: int | None = None

    def __post_init__(self) -> None:
        if self.patch < 2 or self.perturbation < 0 or (self.jitter or 0) < 0:
            raise ZooError("data.patch must be 2 pixels or more, data.perturbation and data.jitter 0 or more")
        need = self.patch + 2 * self.perturbation
        if min(self.width, self.height) < need:
            raise ZooError(
                f"a patch of {self.patch} whose corners move by {self.perturbation} needs pictures of at least "
                f"{need}x{need}, not {self.width}x{self.height}"
            )

    def places(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Minimum and maximum left side of a patch, and minimum and maximum top."""
        ranges = []
        for side in (self.width, self.height):
            low, high = self.perturbation, side - self.patch - self.perturbation
            if self.jitter is not None:
                middle = (side - self.patch) // 2
                low, high = max(low, middle - self.jitter), min(high, middle + self.jitter)
            ranges.append((low, high))
        return ranges[0], ranges[1]

    def room(self, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Minimum and maximum left and top ``(B, 2)`` of patches whose partners have these corners relative to them.

        Args:
            corners: ``(B, 4, 2)``.
        """
        sides = np.array([self.width, self.height])
        low = np.maximum(np.ceil(-corners.min(1)), 0)
        high = sides - np.maximum(np.floor(corners.max(1)) + 2, self.patch)
        if self.jitter is not None:
            middle = (sides - self.patch) // 2
            low, high = np.maximum(low, middle - self.jitter), np.minimum(high, middle + self.jitter)
        return low.astype(np.int64), high.astype(np.int64)


PROTOCOLS = {
    "A": Protocol(640, 480, 256, 64),  # the test of the paper
    "B": Protocol(320, 240, 128, 32),  # the training of the paper, and the test of most since
}


def protocol_of(
    name: str,
    size: tuple[int, int] | None = None,
    patch: int | None = None,
    perturbation: int | None = None,
    jitter: int | None = None,
) -> Protocol:
    """A protocol by its name, with some sizes in pixels replaced; ``size`` is width and height of the pictures.

    Raises:
        ZooError: no such protocol, impossible sizes, or corners that do not move.
    """
    if name not in PROTOCOLS:
        raise ZooError(f"data.protocol must be one of {', '.join(PROTOCOLS)}, not {name!r}")
    width, height = size or (None, None)
    given = {"width": width, "height": height, "patch": patch, "perturbation": perturbation, "jitter": jitter}
    protocol = replace(PROTOCOLS[name], **{key: value for key, value in given.items() if value is not None})
    if not protocol.perturbation:
        raise ZooError("data.perturbation must be 1 or more: with 0 there is nothing to learn")
    return protocol


def draw_held_out(seed: int, count: int, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Places ``(count, 2)`` and offsets ``(count, 4, 2)`` as the module's docstring defines them."""
    (left, right), (top, bottom) = protocol.places()
    lowest = np.array([left, top, *[-protocol.perturbation] * 8])
    values = np.array([right - left + 1, bottom - top + 1, *[2 * protocol.perturbation + 1] * 8])
    numbers = np.empty((count, DRAWS), np.int64)
    missing, attempt = np.arange(count), 0
    while len(missing):
        k = np.arange(DRAWS) + 16 * attempt
        z = splitmix64((seed << 40) + (missing[:, None] << 8) + k)
        numbers[missing] = lowest + (z % values.astype(np.uint64)).astype(np.int64)
        corners = corner_points(protocol.patch) + numbers[missing, 2:].reshape(-1, 4, 2)
        missing, attempt = missing[~is_convex(corners)], attempt + 1
    return numbers[:, :2], numbers[:, 2:].reshape(count, 4, 2)


def splitmix64(state: np.ndarray) -> np.ndarray:
    """The output of SplitMix64 (Steele et al., 2014) after one step from each state, uint64."""
    z = state.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def sample(picture: np.ndarray, matrix: np.ndarray, width: int, height: int | None = None) -> np.ndarray:
    """A patch whose pixel p shows the picture at ``matrix @ p``: float64, bilinear, rounded half up.

    Args:
        picture: ``(H, W)`` or ``(H, W, 3)`` uint8.
        matrix: ``(3, 3)``; maps every pixel of the patch into the picture.
        width: width of the patch.
        height: height of the patch; None: the width.
    """
    channels = np.moveaxis(np.atleast_3d(picture), -1, 0)[None].astype(np.float64)
    shown = np.floor(warp(channels, matrix[None], width, height or width)[0] + 0.5).astype(np.uint8)
    return shown[0] if picture.ndim == 2 else np.ascontiguousarray(np.moveaxis(shown, 0, -1))


def exact_pair(
    picture: np.ndarray, place: np.ndarray, offsets: np.ndarray, protocol: Protocol
) -> tuple[np.ndarray, np.ndarray]:
    """Patches a and b at the protocol's size, bit by bit as the module's docstring defines them."""
    (x, y), size = place, protocol.patch
    a = sample(picture, matrix_from_corners(corner_points(size) + place + offsets, size), size)
    return a, picture[y : y + size, x : x + size]


def to_net_size(patch: np.ndarray) -> np.ndarray:
    """A patch at the networks' 128 pixels, by area interpolation."""
    if patch.shape[0] == NET_SIZE:
        return patch
    return cv2.resize(patch, (NET_SIZE, NET_SIZE), interpolation=cv2.INTER_AREA)


def net_offsets(matrix: np.ndarray, patch: int) -> np.ndarray:
    """Target offsets of a network, ``(B, 4, 2)`` float32, for pairs with these homographies at the patches' size."""
    scaling = net_scaling(patch, patch)
    corners = corner_points(NET_SIZE)
    return (transform_points(scaling @ matrix @ np.linalg.inv(scaling), corners) - corners).astype(np.float32)
