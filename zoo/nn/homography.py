"""Homographies of batches: from four corners in closed form, and what is done with them.

Points are ``(x, y)`` in pixels; a pixel's centre has whole coordinates, so a picture of width W spans -0.5..W-0.5.
Corners are the centres of the four corner pixels, clockwise from the upper left.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-6  # of a denominator: keeps what a degenerate quadrilateral gives finite


def corner_points(width: int, height: int) -> Tensor:
    """The corners of a picture, ``(4, 2)`` float32: upper left, upper right, lower right, lower left."""
    right, bottom = width - 1.0, height - 1.0
    return torch.tensor([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])


def matrix_from_corners(corners: Tensor, width: int, height: int) -> Tensor:
    """The homography that takes the corners of a picture to given ones; differentiable, and finite where they are.

    Square to quadrilateral in closed form (Heckbert, 1989, "Fundamentals of Texture Mapping and Image Warping"), so
    that it can be exported. Of a degenerate quadrilateral (:func:`is_convex`) the result is finite and meaningless.

    Args:
        corners: where the corners go, ``(B, 4, 2)``.
        width: of the picture, 2 or more.
        height: likewise.

    Returns:
        ``(B, 3, 3)`` with 1 in the lower right.
    """
    x0, x1, x2, x3 = corners[..., 0].unbind(-1)
    y0, y1, y2, y3 = corners[..., 1].unbind(-1)
    sum_x, sum_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    dx1, dx2, dy1, dy2 = x1 - x2, x3 - x2, y1 - y2, y3 - y2
    denominator = _away_from_zero(dx1 * dy2 - dx2 * dy1)
    g = (sum_x * dy2 - dx2 * sum_y) / denominator
    h = (dx1 * sum_y - sum_x * dy1) / denominator
    u, v = 1.0 / (width - 1), 1.0 / (height - 1)
    rows = (
        torch.stack(((x1 - x0 + g * x1) * u, (x3 - x0 + h * x3) * v, x0), -1),
        torch.stack(((y1 - y0 + g * y1) * u, (y3 - y0 + h * y3) * v, y0), -1),
        torch.stack((g * u, h * v, torch.ones_like(g)), -1),
    )
    return torch.stack(rows, -2)


def transform_points(matrix: Tensor, points: Tensor) -> Tensor:
    """Points ``(B, N, 2)`` or ``(N, 2)`` through homographies ``(B, 3, 3)``: ``(B, N, 2)``, finite at infinity too."""
    x, y = points[..., 0, None], points[..., 1, None]
    columns = matrix[..., None, :, :]
    moved = x * columns[..., 0] + y * columns[..., 1] + columns[..., 2]
    return moved[..., :2] / _away_from_zero(moved[..., 2:])


def invert(matrix: Tensor) -> Tensor:
    """The inverse ``(B, 3, 3)`` up to scale, by cofactors, with 1 in the lower right."""
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in matrix.unbind(-2))
    rows = (
        torch.stack((e * i - f * h, c * h - b * i, b * f - c * e), -1),
        torch.stack((f * g - d * i, a * i - c * g, c * d - a * f), -1),
        torch.stack((d * h - e * g, b * g - a * h, a * e - b * d), -1),
    )
    adjugate = torch.stack(rows, -2)
    return adjugate / _away_from_zero(adjugate[..., 2:, 2:])


def is_convex(corners: Tensor, smallest_area: float = 1.0) -> Tensor:
    """Whether quadrilaterals ``(..., 4, 2)`` are convex, unmirrored and thicker than a line: ``(...)`` bool.

    Only then is the homography to them defined, and keeps every point of the picture on the same side of infinity.

    Args:
        corners: clockwise on the screen, where y points down.
        smallest_area: of each of the four triangles that three of the corners make, in square pixels.
    """
    before, after = corners.roll(1, -2), corners.roll(-1, -2)
    to, on = corners - before, after - corners
    doubled = to[..., 0] * on[..., 1] - to[..., 1] * on[..., 0]
    return (doubled > 2 * smallest_area).all(-1)


def warp(pictures: Tensor, matrix: Tensor, width: int, height: int, padding: str = "border") -> Tensor:
    """Pictures as seen through homographies: pixel p of the result shows ``pictures`` at ``matrix @ p``, bilinearly.

    Args:
        pictures: ``(B, C, H, W)`` float.
        matrix: ``(B, 3, 3)``, from the pixels of the result to those of the pictures.
        width: of the result.
        height: of the result.
        padding: what lies outside the pictures: "border" repeats their edge, "zeros" is black.
    """
    x, y = (torch.arange(side, device=matrix.device, dtype=matrix.dtype) for side in (width, height))
    rows = matrix[..., None, None]  # (B, 3, 3, 1, 1)
    moved = rows[:, :, 0] * x + (rows[:, :, 1] * y[:, None] + rows[:, :, 2])  # (B, 3, height, width)
    size = matrix.new_tensor([pictures.shape[-1], pictures.shape[-2]]).view(2, 1, 1)
    grid = moved[:, :2] * (2 / size) / _away_from_zero(moved[:, 2:]) + (1 / size - 1)
    return F.grid_sample(pictures, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode=padding, align_corners=False)


def _away_from_zero(value: Tensor) -> Tensor:
    return torch.where(value.abs() < SMALLEST, torch.full_like(value, SMALLEST), value)
