"""From the displacement of each cell of a picture to the homography that fits best, in NumPy or torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.pictures.geometry import NET_SIZE

CELLS = 16  # cells per side
ROUNDS = 5  # rounds of reweighting
DOUBTFUL = 2.0  # error of a cell, in units of its scale, that quarters its weight
RIDGE = 1e-5  # fraction of the weights: pulls towards the identity where cells decide nothing
MIN_SCALE, MAX_SCALE = 1e-2, 1e3  # pixels: range to which scales are clipped
FARTHEST = 8.0 * NET_SIZE  # largest displacement of a cell, in pixels
HALF = NET_SIZE / 2  # pixels, the unit of the equations


def cell_centers() -> np.ndarray:
    """The centres of the cells, row by row: ``(256, 2)`` in pixels, x before y."""
    along = (np.arange(CELLS) + 0.5) * (NET_SIZE / CELLS) - 0.5
    return np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)


def corner_offsets(field: Any, cells: Any, corners: Any, xp: Any = np) -> Any:
    """Displacements of the four corners under the homography that fits a field best, ``(B, 4, 2)`` in pixels.

    Iteratively reweighted least squares: a cell's weight falls with the scale of the error that the network expects,
    and with the error that the cell turns out to have (Geman and McClure, 1987).

    Args:
        field: ``(B, 3, 16, 16)``: displacement of each cell's centre in x and y, and the scale of its error, in pixels.
        cells: centres of the cells, ``(256, 2)``.
        corners: corners of the picture, ``(4, 2)``.
        xp: numpy or torch, the library of the arrays.
    """
    flat = field.reshape(field.shape[0], 3, -1)
    moves, scale = flat[:, :2].clip(-FARTHEST, FARTHEST) / HALF, flat[:, 2].clip(MIN_SCALE, MAX_SCALE) / HALF
    x, y = unit(cells)
    u, v = x + moves[:, 0], y + moves[:, 1]
    likely = 1 / (scale * scale)
    h = homography(x, y, u, v, likely, xp)
    for _ in range(ROUNDS):
        at_u, at_v, denominator = project(h, x, y)
        off = ((at_u - u) * (at_u - u) + (at_v - v) * (at_v - v)) * likely
        h = homography(x, y, u, v, likely / ((1 + off / DOUBTFUL**2) * denominator) ** 2, xp)
    x, y = unit(corners)
    at_u, at_v, _ = project(h, x, y)
    return xp.stack((at_u - x, at_v - y), -1) * HALF


def moved(offsets: Any, points: Any, corners: Any, xp: Any = np) -> Any:
    """Points ``(N, 2)`` mapped by homographies that move the corners by offsets ``(B, 4, 2)``: ``(B, N, 2)``."""
    x, y = unit(corners)
    u, v = x + offsets[..., 0] / HALF, y + offsets[..., 1] / HALF
    at_u, at_v, _ = project(homography(x, y, u, v, 1 + 0 * u, xp, ridge=0.0), *unit(points))
    return xp.stack((at_u, at_v), -1) * HALF + (HALF - 0.5)


def unit(points: Any) -> tuple[Any, Any]:
    """X and y of points ``(N, 2)`` in pixels, scaled to about -1..1."""
    return tuple((points[:, i] - (HALF - 0.5)) / HALF for i in (0, 1))


def project(h: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Points ``(N,)`` mapped by homographies ``(B, 8)``, and the denominators, all ``(B, N)``."""
    denominator = (h[:, 6:7] * x + h[:, 7:8] * y + 1).clip(1e-2)
    u = (h[:, 0:1] * x + h[:, 1:2] * y + h[:, 2:3]) / denominator
    return u, (h[:, 3:4] * x + h[:, 4:5] * y + h[:, 5:6]) / denominator, denominator


def homography(x: Any, y: Any, u: Any, v: Any, weight: Any, xp: Any = np, ridge: float = RIDGE) -> Any:
    """The first eight entries of homographies that map points (x, y) nearest to (u, v); the ninth entry is 1.

    They solve a linear least-squares problem: the equations are multiplied by the denominators.

    Args:
        x: x of the points, ``(N,)``, about -1..1.
        y: y of the points, ``(N,)``.
        u: x of the mapped points, ``(B, N)``.
        v: y of the mapped points, ``(B, N)``.
        weight: weight of each point, ``(B, N)``.
        xp: numpy or torch.
        ridge: weight of the identity, as a fraction of all weights.

    Returns:
        ``(B, 8)``.
    """
    zero = 0 * u
    one, x, y = 1 + zero, x + zero, y + zero
    rows_u = xp.stack((x, y, one, zero, zero, zero, -u * x, -u * y), -1)
    rows_v = xp.stack((zero, zero, zero, x, y, one, -v * x, -v * y), -1)
    weight = weight[..., None]
    normal = rows_u.swapaxes(1, 2) @ (weight * rows_u) + rows_v.swapaxes(1, 2) @ (weight * rows_v)
    right = rows_u.swapaxes(1, 2) @ (weight * u[..., None]) + rows_v.swapaxes(1, 2) @ (weight * v[..., None])
    pull = ridge * weight.sum(1)[..., None]
    still = xp.stack([one[:, 0], *[zero[:, 0]] * 3, one[:, 0], *[zero[:, 0]] * 3], -1)[..., None]
    eye = np.eye(8) if xp is np else xp.eye(8, dtype=u.dtype, device=u.device)
    return xp.linalg.solve(normal + pull * eye, right + pull * still)[..., 0]
