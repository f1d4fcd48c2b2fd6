"""Batches of homographies in NumPy: from four corners in closed form, and operations with them.

Points are ``(x, y)`` in pixels; a pixel's centre has whole coordinates, so a picture of width W spans -0.5..W-0.5.
Corners are the centres of the four corner pixels, clockwise from the upper left. All matrices are float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

NET_SIZE = 128  # side in pixels of the homography networks' inputs
MIN_DENOMINATOR = 1e-6  # smallest denominator: keeps results of degenerate quadrilaterals finite


def corner_points(width: float, height: float | None = None) -> np.ndarray:
    """The corners of a picture, ``(4, 2)``: upper left, upper right, lower right, lower left. Square without height."""
    right, bottom = width - 1.0, (width if height is None else height) - 1.0
    return np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])


def matrix_from_corners(corners: np.ndarray, width: float, height: float | None = None) -> np.ndarray:
    """The homography that takes the corners of a picture to given ones; finite if they are.

    Square to quadrilateral in closed form (Heckbert, 1989, "Fundamentals of Texture Mapping and Image Warping"). For a
    degenerate quadrilateral (:func:`is_convex`) the result is meaningless. :mod:`zoo.data.pairs` fixes each rounding.

    Args:
        corners: where the corners go, ``(..., 4, 2)``.
        width: width of the picture, 2 or more.
        height: height of the picture, 2 or more; default: the width.

    Returns:
        ``(..., 3, 3)`` with 1 in the lower right.
    """
    x0, x1, x2, x3 = np.moveaxis(corners[..., 0].astype(np.float64), -1, 0)
    y0, y1, y2, y3 = np.moveaxis(corners[..., 1].astype(np.float64), -1, 0)
    sum_x, sum_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    dx1, dx2, dy1, dy2 = x1 - x2, x3 - x2, y1 - y2, y3 - y2
    denominator = _away_from_zero(dx1 * dy2 - dx2 * dy1)
    g = (sum_x * dy2 - dx2 * sum_y) / denominator
    h = (dx1 * sum_y - sum_x * dy1) / denominator
    right, bottom = width - 1.0, (width if height is None else height) - 1.0
    entries = (
        (x1 - x0 + g * x1) / right, (x3 - x0 + h * x3) / bottom, x0,
        (y1 - y0 + g * y1) / right, (y3 - y0 + h * y3) / bottom, y0,
        g / right, h / bottom, np.ones_like(g),
    )  # fmt: skip
    return np.stack(entries, -1).reshape(*g.shape, 3, 3)


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Applies ``(B, 3, 3)`` to points ``(N, 2)`` or ``(B, N, 2)``: ``(B, N, 2)``, finite at infinity too."""
    moved = points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]
    return moved[..., :2] / _away_from_zero(moved[..., 2:])


def is_convex(corners: np.ndarray, smallest_area: float = 0.0) -> np.ndarray:
    """Whether quadrilaterals ``(..., 4, 2)`` are convex, unmirrored and thicker than a line: ``(...)`` bool.

    Only then is the homography to them defined, and keeps every point of the picture on the same side of infinity.

    Args:
        corners: clockwise on the screen, where y points down.
        smallest_area: area in square pixels that each of the four triangles of three corners must exceed.
    """
    to, on = corners - np.roll(corners, 1, -2), np.roll(corners, -1, -2) - corners
    doubled = to[..., 0] * on[..., 1] - to[..., 1] * on[..., 0]
    return np.asarray((doubled > 2 * smallest_area).all(-1))


def resizing(old: Sequence[float], new: Sequence[float]) -> np.ndarray:
    """The map ``(3, 3)`` between the pixels of a picture at two sizes ``(height, width)``."""
    sx, sy = new[1] / old[1], new[0] / old[0]
    return np.array([[sx, 0.0, (sx - 1) / 2], [0.0, sy, (sy - 1) / 2], [0.0, 0.0, 1.0]])


def net_scaling(width: float, height: float) -> np.ndarray:
    """The map ``(3, 3)`` from the pixels of a picture to its pixels at 128x128."""
    return resizing((height, width), (NET_SIZE, NET_SIZE))


def warp(
    pictures: np.ndarray, matrices: np.ndarray, width: int, height: int, padding: Literal["border", "zeros"] = "border"
) -> np.ndarray:
    """Pictures as seen through homographies: pixel p of the result shows ``pictures`` at ``matrix @ p``, bilinearly.

    Coordinates are float64; OpenCV before 5 rounds them to 1/32 pixel. :mod:`zoo.data.pairs` fixes each rounding.

    Args:
        pictures: ``(B, C, H, W)`` float32 or float64, like the result.
        matrices: ``(B, 3, 3)``, from pixels of the result to pixels of the pictures.
        width: width of the result.
        height: height of the result.
        padding: what lies outside the pictures: "border" repeats their edge, "zeros" is black.
    """
    count, channels = pictures.shape[:2]
    padded = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge" if padding == "border" else "constant")
    stride = padded.shape[3]
    flat = padded.reshape(count, channels, -1)
    rows = np.moveaxis(matrices.astype(np.float64), 0, 2)[..., None, None]  # (3, 3, B, 1, 1)
    u, v = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)[:, None]
    x, y, w = ((row[0] * u + row[1] * v) + row[2] for row in rows)  # each (B, height, width)
    w = _away_from_zero(w)
    left, p = _split(x / w, pictures.shape[3], pictures.dtype)
    top, q = _split(y / w, pictures.shape[2], pictures.dtype)
    place = (top + 1) * stride + (left + 1)  # in the padded picture

    def at(step: int) -> np.ndarray:
        return np.take_along_axis(flat, (place + step).reshape(count, 1, -1), 2).reshape(count, channels, height, width)

    upper = (1 - p) * at(0) + p * at(1)
    lower = (1 - p) * at(stride) + p * at(stride + 1)
    return (1 - q) * upper + q * lower


def _split(place: np.ndarray, side: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates ``(B, H, W)`` as the whole pixel before them, -1 to ``side - 1``, and ``(B, 1, H, W)`` beyond it."""
    place = np.fmax(np.fmin(place, side), -1)  # without NaN
    before = np.minimum(np.floor(place), side - 1)
    return before.astype(np.int64), (place - before).astype(dtype)[:, None]


def _away_from_zero(value: np.ndarray) -> np.ndarray:
    return np.where(np.abs(value) < MIN_DENOMINATOR, MIN_DENOMINATOR, value)
