"""Tiles of large pictures: windows that a network sees, and the part of each that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType
from typing import TypeAlias

Window: TypeAlias = "tuple[EllipsisType, slice, slice]"  # an index of arrays (..., H, W): rows and columns


def tiles(height: int, width: int, tile: int, halo: int, multiple: int = 1) -> Iterator[tuple[Window, Window]]:
    """Cuts a picture into tiles, row by row; the parts that are kept cover it once.

    Args:
        height: height of the picture in pixels.
        width: width of the picture in pixels.
        tile: largest tile size in pixels; at least twice the halo plus the multiple.
        halo: pixels around each kept part, inside the picture, that are seen but not kept.
        multiple: tiles begin at multiples of this stride of the deepest feature, so that features keep the grid of the
            whole picture.

    Yields:
        The window that is seen and its kept part, both in pixels of the picture.
    """
    columns = list(_spans(width, tile, halo, multiple))
    for rows, kept_rows in _spans(height, tile, halo, multiple):
        for seen, kept in columns:
            yield (..., rows, seen), (..., kept_rows, kept)


def _spans(side: int, tile: int, halo: int, multiple: int) -> Iterator[tuple[slice, slice]]:
    if side <= tile:
        yield slice(0, side), slice(0, side)
        return
    step = (tile - 2 * halo) // multiple * multiple
    starts = range(0, side - 2 * halo, step)
    for start in starts:
        first, last = start == 0, start == starts[-1]
        kept = slice(0 if first else start + halo, side if last else start + step + halo)
        yield slice(start, min(start + tile, side)), kept


def within(kept: Window, seen: Window, scale: int = 1) -> Window:
    """The kept part in pixels of the network's output for a tile.

    Args:
        scale: scale of the output relative to the tile.
    """
    return ..., _from(kept[1], seen[1].start, scale), _from(kept[2], seen[2].start, scale)


def _from(part: slice, start: int, scale: int) -> slice:
    return slice(scale * (part.start - start), scale * (part.stop - start))
