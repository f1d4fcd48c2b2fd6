"""Real pairs of pictures with correspondences that somebody checked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.base.tables import places, records
from zoo.models.evaluation import Table
from zoo.pictures.geometry import NET_SIZE, corner_points, is_convex, net_scaling, transform_points
from zoo.pictures.images import open_rgb

Method: TypeAlias = Callable[[Sequence[tuple[np.ndarray, np.ndarray]]], "list[np.ndarray | None]"]
COLUMNS = ("xA", "yA", "xB", "yB")


@dataclass(frozen=True)
class RealPair:
    """Two pictures ``(H, W, 3)`` uint8, which may differ in size, and points ``(N, 2)`` that show the same in both."""

    name: str
    a: np.ndarray
    b: np.ndarray
    points_a: np.ndarray
    points_b: np.ndarray

    def error(self, matrix: np.ndarray) -> float:
        """Mean distance in pixels of b between where a homography takes the points of a and where they lie."""
        return float(np.linalg.norm(transform_points(matrix, self.points_a) - self.points_b, axis=1).mean())

    def displacement(self) -> float:
        """By how much a corner of a moves at most, in x or y, in pixels of the 128x128 that the networks see.

        Of the homography fitted to the points; where it is not defined by them or folds the picture, of the points
        themselves.
        """
        a = transform_points(net_scaling(*self.a.shape[1::-1]), self.points_a)
        b = transform_points(net_scaling(*self.b.shape[1::-1]), self.points_b)
        if len(a) >= 4:
            matrix, _ = cv2.findHomography(a, b)
            corners = corner_points(NET_SIZE)
            if matrix is not None and is_convex(moved := transform_points(matrix, corners)):
                return float(np.abs(moved - corners).max())
        return float(np.abs(b - a).max())


def read_real_pairs(folder: Path) -> list[RealPair]:
    """Every ``NAME.csv`` of a folder with its ``NAMEA.jpg`` and ``NAMEB.jpg``, by name.

    The table has the columns xA, yA, xB, yB, in pixels, in any order.

    Raises:
        ZooError: no such folder, no tables in it, one that is not like that, or a picture that is missing or damaged.
    """
    tables = sorted(folder.glob("*.csv"))
    if not tables:
        raise ZooError(f"{folder}: no pairs there; a pair is NAMEA.jpg, NAMEB.jpg and NAME.csv ({','.join(COLUMNS)})")
    return [_read(path) for path in tables]


def _read(table: Path) -> RealPair:
    points = _read_points(table)
    a, b = (np.array(open_rgb(table.with_name(f"{table.stem}{which}.jpg"))) for which in "AB")
    return RealPair(table.stem, a, b, points[:, :2], points[:, 2:])


def _read_points(table: Path) -> np.ndarray:
    """``(N, 4)`` float64."""
    (_, head), *rows = list(records(table)) or [(0, [])]
    columns = places(head, COLUMNS)
    if columns is None or not rows:
        raise ZooError(f"{table}: expected the head {','.join(COLUMNS)} and a line a point, not {','.join(head)!r}")
    points = []
    for line, row in rows:
        try:
            points.append([float(row[at]) for at in columns])
        except (ValueError, IndexError):
            points.append([math.nan])
        if not np.isfinite(points[-1]).all():
            raise ZooError(f"{table}, line {line}: not four numbers, decimals with a point: {','.join(row)!r:.100}")
    return np.array(points)


def real_table(pairs: list[RealPair], methods: Mapping[str, Method], reach: float | None = None) -> Table:
    """What each method reaches on each pair.

    Args:
        pairs: the pairs.
        methods: by name.
        reach: pixels of 128x128 by which corners moved at most in training, for a column that says which pairs are
            within that; None: there is no such bound.
    """
    rows: dict[str, dict[str, str | float | None]] = {}
    for pair in pairs:
        moved = pair.displacement()
        rows[pair.name] = {"corners move by": round(moved, 1)}
        if reach is not None:
            rows[pair.name]["within reach"] = "yes" if moved <= reach else "no"
        for name, method in methods.items():
            [matrix] = method([(pair.a, pair.b)])
            rows[pair.name][name] = None if matrix is None else round(pair.error(matrix), 2)
    title = "Real pairs: mean reprojection error in pixels of b at its own size, by how many of 128 pixels corners move"
    made = f"; the network was made for {reach} at most" if reach is not None else ""
    return Table.of(f"{title}{made}", rows, "pair")
