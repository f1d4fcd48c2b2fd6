"""Pairs of patches with a known homography between them, made from single pictures.

b is a patch of the picture; a shows the same place through a homography, so that pixel p of a and pixel ``M p`` of b
show the same point. M takes the corners of a to where they lie in b: each moved by its own random offset. DeTone et
al. (https://arxiv.org/abs/1606.03798) make pairs the same way and call a the second patch.

Coordinates are ``(x, y)``, pixel centres are whole, corners are the centres of the corner pixels, clockwise from the
upper left.

**Held-out pairs** are fixed bit by bit, so that any program can make them. Pair i of a split with seed s (val 1, test
2) over N pictures takes picture i mod N and draws its integers k = 0, 1, ... as ``z = splitmix64(s * 2^40 + i * 2^8 +
k)``, from a range of n values as ``lowest + z mod n``: k = 0 the patch's left side, 1 its top, 2 to 9 the offsets of
the corners in the order x, y, x, y, ... If the corners then are not convex, k = 16 to 25 draw all again, and so on. a
is sampled bilinearly in float64 and rounded half up (:func:`sample`); matrices are :func:`matrix_from_corners`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from zoo.errors import ZooError

NET_SIZE = 128  # pixels of a side of what the networks see
Batch: TypeAlias = tuple[np.ndarray, np.ndarray]  # pairs (B, 2 * channels, 128, 128) uint8, offsets (B, 4, 2) float32
HELD_OUT_SEEDS = {"val": 1, "test": 2}
DRAWS = 10  # integers that one attempt at a pair takes


@dataclass(frozen=True)
class Protocol:
    """Sizes of the pairs, in pixels.

    Args:
        width: of the pictures.
        height: of the pictures.
        patch: side of the patches.
        perturbation: a corner moves by at most this, in x and in y.
        jitter: the patch's place leaves the middle of the picture by at most this; None: it lies anywhere.
    """

    width: int = 320
    height: int = 240
    patch: int = 128
    perturbation: int = 32
    jitter: int | None = None

    def __post_init__(self) -> None:
        if self.patch < 2 or self.perturbation < 0 or (self.jitter or 0) < 0:
            raise ZooError(f"a patch has 2 pixels or more, perturbation and jitter are 0 or more, not {self}")
        need = self.patch + 2 * self.perturbation
        if min(self.width, self.height) < need:
            raise ZooError(
                f"a patch of {self.patch} whose corners move by {self.perturbation} needs pictures of at least "
                f"{need}x{need}, not {self.width}x{self.height}"
            )

    def places(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Least and largest left side of a patch, and least and largest top."""
        ranges = []
        for side in (self.width, self.height):
            low, high = self.perturbation, side - self.patch - self.perturbation
            if self.jitter is not None:
                middle = (side - self.patch) // 2
                low, high = max(low, middle - self.jitter), min(high, middle + self.jitter)
            ranges.append((low, high))
        return ranges[0], ranges[1]


PROTOCOLS = {
    "A": Protocol(640, 480, 256, 64),  # the test of the paper
    "B": Protocol(320, 240, 128, 32),  # the training of the paper, and the test of most since
}


def corner_points(size: int) -> np.ndarray:
    """``(4, 2)`` float64."""
    end = size - 1.0
    return np.array([[0.0, 0.0], [end, 0.0], [end, end], [0.0, end]])


def matrix_from_corners(corners: np.ndarray, size: int) -> np.ndarray:
    """The homographies ``(B, 3, 3)`` that take the corners of a square patch to given ones ``(B, 4, 2)``, float64.

    The operations and their order are those of :func:`zoo.nn.homography.matrix_from_corners`.
    """
    x0, x1, x2, x3 = np.moveaxis(corners[..., 0].astype(np.float64), -1, 0)
    y0, y1, y2, y3 = np.moveaxis(corners[..., 1].astype(np.float64), -1, 0)
    sum_x, sum_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    dx1, dx2, dy1, dy2 = x1 - x2, x3 - x2, y1 - y2, y3 - y2
    denominator = dx1 * dy2 - dx2 * dy1
    g = (sum_x * dy2 - dx2 * sum_y) / denominator
    h = (dx1 * sum_y - sum_x * dy1) / denominator
    end = size - 1.0
    entries = (
        (x1 - x0 + g * x1) / end, (x3 - x0 + h * x3) / end, x0,
        (y1 - y0 + g * y1) / end, (y3 - y0 + h * y3) / end, y0,
        g / end, h / end, np.ones_like(g),
    )  # fmt: skip
    return np.stack(entries, -1).reshape(*g.shape, 3, 3)


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``(B, 3, 3)`` on ``(N, 2)`` or ``(B, N, 2)`` -> ``(B, N, 2)``."""
    moved = points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]
    return moved[..., :2] / moved[..., 2:]


def is_convex(corners: np.ndarray) -> np.ndarray:
    """Whether quadrilaterals ``(..., 4, 2)``, clockwise on the screen, are strictly convex."""
    to, on = corners - np.roll(corners, 1, -2), np.roll(corners, -1, -2) - corners
    return (to[..., 0] * on[..., 1] - to[..., 1] * on[..., 0] > 0).all(-1)


def draw(rng: np.random.Generator, count: int, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Random places ``(count, 2)`` and corner offsets ``(count, 4, 2)``, whole pixels, for training."""
    (left, right), (top, bottom) = protocol.places()
    places = rng.integers((left, top), (right + 1, bottom + 1), (count, 2))
    offsets = rng.integers(-protocol.perturbation, protocol.perturbation + 1, (count, 4, 2))
    while not (fine := is_convex(corner_points(protocol.patch) + offsets)).all():
        fresh = (int((~fine).sum()), 4, 2)
        offsets[~fine] = rng.integers(-protocol.perturbation, protocol.perturbation + 1, fresh)
    return places, offsets


def draw_held_out(seed: int, count: int, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Places ``(count, 2)`` and offsets ``(count, 4, 2)`` as the module's docstring fixes them."""
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


def sample(picture: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """A square patch whose pixel p shows the picture at ``matrix @ p``: float64, bilinear, rounded half up.

    Args:
        picture: ``(H, W)`` or ``(H, W, 3)`` uint8.
        matrix: ``(3, 3)``; what it reaches lies inside the picture.
        size: of the patch.
    """
    u, v = np.meshgrid(np.arange(size, dtype=np.float64), np.arange(size, dtype=np.float64))
    (a, b, c), (d, e, f), (g, h, i) = matrix
    w = (g * u + h * v) + i
    x, y = ((a * u + b * v) + c) / w, ((d * u + e * v) + f) / w
    left, top = np.floor(x), np.floor(y)
    fx, fy = x - left, y - top
    columns, rows = left.astype(np.int64), top.astype(np.int64)
    next_columns = np.minimum(columns + 1, picture.shape[1] - 1)
    next_rows = np.minimum(rows + 1, picture.shape[0] - 1)
    if picture.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
    upper = (1 - fx) * picture[rows, columns] + fx * picture[rows, next_columns]
    lower = (1 - fx) * picture[next_rows, columns] + fx * picture[next_rows, next_columns]
    return np.floor(((1 - fy) * upper + fy * lower) + 0.5).astype(np.uint8)


def exact_pair(
    picture: np.ndarray, place: np.ndarray, offsets: np.ndarray, protocol: Protocol
) -> tuple[np.ndarray, np.ndarray]:
    """Patches a and b of the protocol's own size, bit by bit as the module's docstring says."""
    (x, y), size = place, protocol.patch
    a = sample(picture, matrix_from_corners(corner_points(size) + place + offsets, size), size)
    return a, picture[y : y + size, x : x + size]


def warped_pair(
    picture: np.ndarray, place: np.ndarray, matrix: np.ndarray, protocol: Protocol
) -> tuple[np.ndarray, np.ndarray]:
    """The same within interpolation error, at OpenCV's speed. It warps the patch, not the picture.

    Args:
        picture: ``(H, W)`` or ``(H, W, 3)`` uint8.
        place: left and top of b.
        matrix: from the pixels of a to those of the picture.
        protocol: says the size.
    """
    (x, y), size = place, protocol.patch
    a = cv2.warpPerspective(picture, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return a, picture[y : y + size, x : x + size]


def as_later_pass(b: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """b as it looks after a first estimate: pixel p shows b at ``estimate @ p``, its edge repeated where b ends."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(b, estimate, b.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def to_net_size(patch: np.ndarray) -> np.ndarray:
    """A patch at the networks' 128 pixels, by the mean over areas."""
    if patch.shape[0] == NET_SIZE:
        return patch
    return cv2.resize(patch, (NET_SIZE, NET_SIZE), interpolation=cv2.INTER_AREA)


def net_scaling(width: float, height: float) -> np.ndarray:
    """The map ``(3, 3)`` from the pixels of a picture to those of it resized to 128x128."""
    sx, sy = NET_SIZE / width, NET_SIZE / height
    return np.array([[sx, 0.0, 0.5 * sx - 0.5], [0.0, sy, 0.5 * sy - 0.5], [0.0, 0.0, 1.0]])


def net_offsets(matrix: np.ndarray, patch: int) -> np.ndarray:
    """What a network should answer, ``(B, 4, 2)`` float32, to pairs with these homographies at the patches' size."""
    scaling = net_scaling(patch, patch)
    corners = corner_points(NET_SIZE)
    return (transform_points(scaling @ matrix @ np.linalg.inv(scaling), corners) - corners).astype(np.float32)
