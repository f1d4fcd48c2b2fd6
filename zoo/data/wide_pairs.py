"""Pairs of views for tests, further apart than those of :mod:`zoo.data.pairs`: Protocol C.

Pair i takes picture i mod N, brought to 1920x1440 as :mod:`zoo.data.pictures` says. b is a copy of 640x480 of its
pixels; a has 640x480 pixels too and shows the picture through a homography, bilinearly. Of pair i of a split with
seed s number k is that of SplitMix64 as :mod:`zoo.data.pairs` defines it, z, and becomes ``lowest + z mod n``:

====  =======================================  ==================
k     number                                   values
====  =======================================  ==================
0, 1  left and top of b                        480..800, 330..630
2     logarithm of the zoom to base 2, by 100  -100..100
3     turn in degrees                          -45..45
4, 5  the middle of a less that of b           -96..96
6-13  offsets of a's corners, x, y, x, ...     -160..160
14    contrast of b, in percent                60..140
15    brightness of b                          -40..40
====  =======================================  ==================

The corners of a, clockwise from the upper left and about the middle, get their offsets, are multiplied by the zoom,
turned, put around the middle and rounded to whole pixels of the picture. Unless they are convex, with no triangle of
three of them below an eighth of the rectangle's area, and lie in the picture, all numbers are drawn again, with k
from 16 on, then 32, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.data.pairs import sample, splitmix64
from zoo.data.photometric import light
from zoo.pictures.geometry import corner_points, is_convex, matrix_from_corners, transform_points

WIDTH, HEIGHT = 640, 480  # of the views
PICTURE = 1920, 1440  # width and height of what they are taken of
LOWEST = np.array([480, 330, -100, -45, -96, -96, *[-160] * 8, 60, -40])
VALUES = np.array([321, 301, 201, 91, 193, 193, *[321] * 8, 81, 81], np.uint64)


@dataclass(frozen=True, eq=False)
class WidePair:
    """Two views whose homography is known.

    Args:
        a: ``(480, 640)`` or ``(480, 640, 3)`` uint8.
        b: the second view, of the same kind.
        matrix: from the pixels of a to those of b, ``(3, 3)``.
    """

    a: np.ndarray
    b: np.ndarray
    matrix: np.ndarray

    @property
    def shared(self) -> np.ndarray:
        """Points of a that b shows, of a grid every 32 pixels: ``(N, 2)``."""
        grid = np.stack(np.meshgrid(np.arange(16, WIDTH, 32), np.arange(16, HEIGHT, 32)), -1).reshape(-1, 2)
        there = transform_points(self.matrix, grid.astype(np.float64))
        return grid[((there >= 0) & (there <= (WIDTH - 1, HEIGHT - 1))).all(1)].astype(np.float64)

    def error(self, matrix: np.ndarray) -> float:
        """Mean distance in pixels of b between where a homography takes the shared points and where they lie."""
        points = self.shared
        return float(
            np.linalg.norm(transform_points(matrix, points) - transform_points(self.matrix, points), axis=1).mean()
        )


def draw_wide(seed: int, i: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Left and top of b, corners of a in the picture ``(4, 2)``, contrast and brightness of b."""
    corners = corner_points(WIDTH, HEIGHT)
    middle = corners.mean(0)
    attempt = 0
    while True:
        z = splitmix64((seed << 40) + (i << 8) + np.arange(16) + 16 * attempt)
        n = LOWEST + (z % VALUES).astype(np.int64)
        zoom, turn = 2.0 ** (n[2] / 100), np.deg2rad(n[3])
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        placed = np.rint((corners - middle + n[6:14].reshape(4, 2)) * zoom @ rotation + middle + n[:2] + n[4:6])
        inside = (placed >= 0).all() and (placed <= np.array(PICTURE) - 1).all()
        if inside and is_convex(placed, WIDTH * HEIGHT * zoom**2 / 8):
            return n[:2], placed, n[14] / 100, float(n[15])
        attempt += 1


def wide_pair(picture: np.ndarray, seed: int, i: int) -> WidePair:
    """Pair i of a picture ``(1440, 1920)`` or ``(1440, 1920, 3)`` uint8."""
    place, corners, contrast, brightness = draw_wide(seed, i)
    left, top = place.tolist()
    to_picture = matrix_from_corners(corners, WIDTH, HEIGHT)
    b = light(picture[top : top + HEIGHT, left : left + WIDTH], contrast, brightness)
    a = sample(picture, to_picture, WIDTH, HEIGHT)
    matrix = np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]]) @ to_picture
    return WidePair(a, b, matrix)
