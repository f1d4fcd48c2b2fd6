"""From the displacement of each cell of a picture to the homography that fits it best, in NumPy as in torch."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZE, CELLS = 128, 16  # pixels of a side of what networks see, and cells of it
ROUNDS = 5  # of least squares, each of which trusts less what the one before did not explain
DOUBTFUL = 2.0  # times its scale by which a cell is off, to count half
RIDGE = 1e-5  # of the weights: pulls towards the identity what nothing decides
HALF = SIZE / 2  # pixels, the unit of the equations


def centers() -> np.ndarray:
    """The middles of the cells, row by row: ``(256, 2)`` in pixels, x before y."""
    along = (np.arange(CELLS) + 0.5) * (SIZE / CELLS) - 0.5
    return np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)


def corner_offsets(field: Any, cells: Any, corners: Any, xp: Any = np) -> Any:
    """By how much the four corners move under the homography that explains a field best, ``(B, 4, 2)`` in pixels.

    Weighted least squares, again and again: a cell's weight falls with the scale of its error that the network expects,
    and with how far off it turned out to be (Geman and McClure, 1987).

    Args:
        field: ``(B, 3, 16, 16)``: how far the middle of each cell moves in x and y, and the scale of the error, all in
            pixels.
        cells: the middles of the cells, ``(256, 2)``.
        corners: of the picture, ``(4, 2)``.
        xp: numpy or torch, whatever the arrays are of.
    """
    moves, scale = field.reshape(field.shape[0], 3, -1)[:, :2], field.reshape(field.shape[0], 3, -1)[:, 2]
    x, y = ((cells[:, i] - (HALF - 0.5)) / HALF for i in (0, 1))
    u, v = x + moves[:, 0] / HALF, y + moves[:, 1] / HALF
    likely = 1 / (scale * scale)
    weight = likely
    for _ in range(ROUNDS):
        h = homography(x, y, u, v, weight, xp)
        below = (h[:, 6:7] * x + h[:, 7:8] * y + 1).clip(1e-2)
        off_u = (h[:, 0:1] * x + h[:, 1:2] * y + h[:, 2:3]) / below - u
        off_v = (h[:, 3:4] * x + h[:, 4:5] * y + h[:, 5:6]) / below - v
        off = (off_u * off_u + off_v * off_v) * (HALF * HALF) * likely
        weight = likely / ((1 + off / DOUBTFUL**2) ** 2 * below * below)
    x, y = ((corners[:, i] - (HALF - 0.5)) / HALF for i in (0, 1))
    below = (h[:, 6:7] * x + h[:, 7:8] * y + 1).clip(1e-2)
    to_x = (h[:, 0:1] * x + h[:, 1:2] * y + h[:, 2:3]) / below - x
    to_y = (h[:, 3:4] * x + h[:, 4:5] * y + h[:, 5:6]) / below - y
    return xp.stack((to_x, to_y), -1) * HALF


def homography(x: Any, y: Any, u: Any, v: Any, weight: Any, xp: Any = np) -> Any:
    """The first eight entries of homographies, of which the ninth is 1, that take points (x, y) nearest to (u, v).

    In the least squares of what is left when the fraction is multiplied out.

    Args:
        x: ``(N,)``, about -1..1.
        y: ``(N,)``.
        u: ``(B, N)``.
        v: ``(B, N)``.
        weight: of each point, ``(B, N)``.
        xp: numpy or torch.

    Returns:
        ``(B, 8)``.
    """
    x, y = x + 0 * u, y + 0 * u
    one, zero = 1 + 0 * u, 0 * u
    rows_u = xp.stack((x, y, one, zero, zero, zero, -u * x, -u * y), -1)
    rows_v = xp.stack((zero, zero, zero, x, y, one, -v * x, -v * y), -1)
    weight = weight[..., None]
    normal = rows_u.swapaxes(1, 2) @ (weight * rows_u) + rows_v.swapaxes(1, 2) @ (weight * rows_v)
    right = rows_u.swapaxes(1, 2) @ (weight * u[..., None]) + rows_v.swapaxes(1, 2) @ (weight * v[..., None])
    pull = RIDGE * weight.sum(1)[..., None] * xp.eye(8)
    still = xp.stack((one[:, 0], zero[:, 0], zero[:, 0], zero[:, 0], one[:, 0], *[zero[:, 0]] * 3), -1)[..., None]
    return xp.linalg.solve(normal + pull, right + pull @ still)[..., 0]
