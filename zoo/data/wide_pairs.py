"""Pairs of views for tests that differ more than the pairs of :mod:`zoo.data.pairs`: Protocol C.

Pair i takes picture i mod N, resized to 1920x1440 as in :mod:`zoo.data.pictures`. b is a copy of 640x480 of its pixels;
a also has 640x480 pixels and shows the picture through a homography, by bilinear interpolation. Number k of pair i of a
split with seed s is ``lowest + z mod n``, where z is the number of SplitMix64 that :mod:`zoo.data.pairs` defines:

====  =======================================  ==================
k     number                                   values
====  =======================================  ==================
0, 1  left and top of b                        480..800, 330..630
2     logarithm of the zoom to base 2, by 100  -100..100
3     turn in degrees                          -45..45
4, 5  middle of a minus middle of b            -96..96
6-13  offsets of a's corners, x, y, x, ...     -160..160
14    contrast of b, in percent                60..140
15    brightness of b                          -40..40
====  =======================================  ==================

The corners of a, clockwise from the upper left and relative to the middle, are moved by their offsets, multiplied by
the zoom, rotated, put around the middle and rounded to whole pixels of the picture. They must be convex and lie in the
picture, and no three of them may form a triangle below an eighth of the rectangle's area. Otherwise all numbers are
drawn again, with k from 16 on, then 32, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.data.pairs import sample, splitmix64
from zoo.data.photometric import light
from zoo.pictures.geometry import corner_points, is_convex, matrix_from_corners, transform_points

WIDTH, HEIGHT = 640, 480  # size of the views
PICTURE = 1920, 1440  # width and height of the picture
LOWEST = np.array([480, 330, -100, -45, -96, -96, *[-160] * 8, 60, -40])
VALUES = np.array([321, 301, 201, 91, 193, 193, *[321] * 8, 81, 81], np.uint64)


@dataclass(frozen=True, eq=False)
class WidePair:
    """Two views whose homography is known.

    Args:
        a: first view, ``(480, 640)`` or ``(480, 640, 3)`` uint8.
        b: second view, of the same shape.
        matrix: homography from pixels of a to pixels of b, ``(3, 3)``.
    """

    a: np.ndarray
    b: np.ndarray
    matrix: np.ndarray

    @property
    def shared(self) -> np.ndarray:
        """Points of a on a grid of 32 pixels that b also shows: ``(N, 2)``."""
        grid = np.stack(np.meshgrid(np.arange(16, WIDTH, 32), np.arange(16, HEIGHT, 32)), -1).reshape(-1, 2)
        there = transform_points(self.matrix, grid.astype(np.float64))
        return grid[((there >= 0) & (there <= (WIDTH - 1, HEIGHT - 1))).all(1)].astype(np.float64)

    def error(self, matrix: np.ndarray) -> float:
        """Mean distance, in pixels of b, of the shared points mapped by a homography from their true places."""
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
