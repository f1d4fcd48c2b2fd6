"""Shapes of COCO: polygons and run-length encodings to masks.

A run-length encoding counts pixels column by column, from the upper left, in turns outside and inside of the shape. Its
compressed form is COCO's: each count in groups of five bits, lowest first, as letters from "0" on with a sixth bit that
says whether more follow; from the fourth count on the difference to the count before the last is stored
(https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from zoo.base.errors import ZooError

SLACK = 1.0  # pixels by which rounding may move a corner out of the picture


def draw(segmentation: Any, height: int, width: int) -> np.ndarray:
    """The pixels of a COCO segmentation, bool ``(height, width)``.

    Args:
        segmentation: polygons ``[[x, y, x, y, ...], ...]``, or an encoding ``{"size": [h, w], "counts": ...}``.
        height: height of the picture in pixels.
        width: width of the picture.

    Raises:
        ZooError: the segmentation is neither, or does not fit the picture.
    """
    if isinstance(segmentation, dict):
        return decode(segmentation, height, width)
    if not isinstance(segmentation, list) or not segmentation:
        raise ZooError("has no polygon and no run-length encoding (boxes alone are not enough)")
    shape = np.zeros((height, width), bool)
    for polygon in segmentation:
        shape |= fill(_corners(polygon, height, width), height, width)
    return shape


def _corners(polygon: Any, height: int, width: int) -> np.ndarray:
    """The corners ``(N, 2)`` of a polygon as x and y, float64."""
    numbers = isinstance(polygon, list) and all(
        isinstance(each, (int, float)) and math.isfinite(each) for each in polygon
    )
    if not numbers or len(polygon) < 6 or len(polygon) % 2:
        raise ZooError("a polygon needs x and y of three corners or more")
    corners = np.array(polygon, np.float64).reshape(-1, 2)
    beyond = max(-corners.min(), (corners - (width, height)).max())
    if beyond > SLACK:
        raise ZooError(f"a polygon reaches {beyond:.4g} pixels out of the picture ({width}x{height})")
    return corners


def fill(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """The pixels whose centres lie in a polygon, by the rule of even and odd crossings.

    OpenCV and Pillow also fill the outline, which makes every shape a pixel too large.

    Args:
        corners: x and y ``(N, 2)``; pixel (i, j) covers i to i + 1 and j to j + 1.
        height: height of the picture in pixels.
        width: width of the picture.

    Returns:
        Bool ``(height, width)``.
    """
    starts, ends = corners, np.roll(corners, -1, axis=0)
    rows = np.arange(height) + 0.5
    (x0, y0), (x1, y1) = starts.T[:, :, None], ends.T[:, :, None]
    crosses = (y0 <= rows) != (y1 <= rows)  # (N, height)
    edge, row = np.nonzero(crosses)
    slope = (x1 - x0)[edge, 0] / (y1 - y0)[edge, 0]
    x = x0[edge, 0] + (rows[row] - y0[edge, 0]) * slope
    turns = np.zeros((height, width + 1), np.int32)
    np.add.at(turns, (row, np.ceil(x - 0.5).clip(0, width).astype(np.int64)), 1)
    return turns.cumsum(1)[:, :width] % 2 == 1


def decode(encoding: dict[str, Any], height: int, width: int) -> np.ndarray:
    """The pixels of a run-length encoding, bool ``(height, width)``.

    Raises:
        ZooError: its size is another than the picture's, or its counts do not add up to it.
    """
    size, counts = encoding.get("size"), encoding.get("counts")
    if size != [height, width]:
        raise ZooError(f"its run-length encoding has the size {size!r:.40}, the picture [{height}, {width}]")
    runs = _uncompressed(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise ZooError("its run-length encoding has counts that are none")
    if (total := sum(runs)) != height * width:
        raise ZooError(f"its run-length encoding has {total:,} pixels, the picture {height * width:,}")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def _uncompressed(text: str) -> list[int]:
    runs, place = list[int](), 0
    codes = [ord(letter) - 48 for letter in text]
    if not all(0 <= code < 64 for code in codes):
        raise ZooError("its compressed run-length encoding has a letter that is no count")
    while place < len(codes):
        value = shift = 0
        more = True
        while more:
            if place == len(codes):
                raise ZooError("its compressed run-length encoding ends within a count")
            code = codes[place]
            value |= (code & 31) << shift
            more, place, shift = bool(code & 32), place + 1, shift + 5
            if not more and code & 16:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs
