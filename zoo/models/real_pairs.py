"""Real pairs of pictures with correspondences that somebody checked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageDraw

from zoo.base.errors import ZooError
from zoo.base.tables import places, records
from zoo.models.evaluation import Table
from zoo.pictures.geometry import NET_SIZE, corner_points, is_convex, net_scaling, resizing, transform_points
from zoo.pictures.homography import Homography, normalized
from zoo.pictures.images import open_rgb
from zoo.pictures.results import save_png
from zoo.pictures.sheets import contact_sheet

Method: TypeAlias = Callable[[Sequence[tuple[np.ndarray, np.ndarray]]], "list[np.ndarray | None]"]
Estimates: TypeAlias = Mapping[str, "np.ndarray | None"]  # matrix from pixels of a to pixels of b, by method
SHOWN_WIDTH = 320  # width of a picture on a sheet, in pixels
COLUMNS = ("xA", "yA", "xB", "yB")


@dataclass(frozen=True)
class RealPair:
    """Two pictures ``(H, W, 3)`` uint8, which may differ in size, and corresponding points ``(N, 2)`` in both."""

    name: str
    a: np.ndarray
    b: np.ndarray
    points_a: np.ndarray
    points_b: np.ndarray

    def error(self, matrix: np.ndarray) -> float:
        """Mean reprojection error in pixels of b: distance of the mapped points of a from the points of b."""
        return float(np.linalg.norm(transform_points(matrix, self.points_a) - self.points_b, axis=1).mean())

    def displacement(self) -> float:
        """Largest displacement of a corner of a, in x or y, in pixels of the 128x128 that the networks see.

        The homography fitted to the points moves the corners. Where the points define none, or it folds the picture,
        the largest displacement of the points themselves is returned.
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
    """Reads every ``NAME.csv`` of a folder with its ``NAMEA.jpg`` and ``NAMEB.jpg``, sorted by name.

    The table has the columns xA, yA, xB, yB, in pixels, in any order.

    Raises:
        ZooError: the folder is missing or has no tables, a table has another form, or a picture is missing or damaged.
    """
    tables = sorted(folder.glob("*.csv"))
    if not tables:
        raise ZooError(f"{folder}: no pairs there; a pair is NAMEA.jpg, NAMEB.jpg and NAME.csv ({','.join(COLUMNS)})")
    return [_read(path) for path in tables]


def pairs_to_show(folder: Path | None, sheet: Path | None) -> list[RealPair]:
    """The pairs of a folder, none without a folder; checks first that their sheet can be written."""
    if sheet and not folder:
        raise ZooError("--sheet shows real pairs: give --real FOLDER as well")
    if sheet and (sheet.suffix.lower() != ".png" or sheet.is_dir()):
        raise ZooError(f"--sheet {sheet}: give the name of a file that ends in .png")
    if sheet and not sheet.absolute().parent.is_dir():
        raise ZooError(f"--sheet {sheet}: the folder {sheet.parent} does not exist")
    return read_real_pairs(folder) if folder else []


def _read(table: Path) -> RealPair:
    points = _read_points(table)
    a, b = (np.array(open_rgb(table.with_name(f"{table.stem}{which}.jpg"))) for which in "AB")
    return RealPair(table.stem, a, b, points[:, :2], points[:, 2:])


def _read_points(table: Path) -> np.ndarray:
    """``(N, 4)`` float64."""
    (_, head), *rows = list(records(table)) or [(0, [])]
    columns = places(head, COLUMNS)
    if columns is None or not rows:
        raise ZooError(f"{table}: expected the header {','.join(COLUMNS)} and a line per point, not {','.join(head)!r}")
    points = []
    for line, row in rows:
        try:
            points.append([float(row[at]) for at in columns])
        except (ValueError, IndexError):
            points.append([math.nan])
        if not np.isfinite(points[-1]).all():
            raise ZooError(f"{table}, line {line}: expected four numbers such as 1.5, not {','.join(row)!r:.100}")
    return np.array(points)


def estimates(pairs: Sequence[RealPair], methods: Mapping[str, Method]) -> list[Estimates]:
    """The estimate of each method for each pair."""
    return [{name: method([(pair.a, pair.b)])[0] for name, method in methods.items()} for pair in pairs]


def real_table(pairs: Sequence[RealPair], found: Sequence[Estimates]) -> Table:
    """The error of each method on each pair, from the results of :func:`estimates`."""
    rows: dict[str, dict[str, str | float | None]] = {}
    for pair, of in zip(pairs, found, strict=True):
        errors = {name: None if matrix is None else round(pair.error(matrix), 2) for name, matrix in of.items()}
        rows[pair.name] = {"corners move by": round(pair.displacement(), 1), **errors}
    title = "Real pairs: mean reprojection error in pixels of b at its own size, by how many of 128 pixels corners move"
    return Table.of(title, rows, "pair")


def save_sheet(path: Path, pairs: Sequence[RealPair], found: Sequence[Estimates]) -> None:
    """Writes a PNG: both pictures of each pair, and per method b overlaid with the aligned a, and the error."""
    rows = []
    for pair, of in zip(pairs, found, strict=True):
        a, b = (small(picture) for picture in (pair.a, pair.b))
        to_a, to_b = resizing(pair.a.shape, a.shape), resizing(pair.b.shape, b.shape)
        row = [a, b]
        for matrix in of.values():
            if matrix is None:
                row.append(labelled(Image.fromarray(b // 3), "no estimate"))
            else:
                onto = normalized(to_b @ matrix @ np.linalg.inv(to_a))
                overlay = Homography(onto, 1.0, True, None, None, 0.0, a, b).overlay()
                row.append(labelled(overlay, f"{pair.error(matrix):.2f} px"))
        rows.append(row)
    save_png(contact_sheet(rows, ("a", "b", *found[0]), SHOWN_WIDTH), path)


def small(picture: np.ndarray) -> np.ndarray:
    """A picture resized to its width on a sheet."""
    size = SHOWN_WIDTH, max(1, round(picture.shape[0] * SHOWN_WIDTH / picture.shape[1]))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def labelled(picture: Image.Image, text: str) -> np.ndarray:
    """A picture with a text in its upper left corner."""
    ImageDraw.Draw(picture).text((6, 4), text, fill="white", stroke_width=2, stroke_fill="black")
    return np.asarray(picture)
