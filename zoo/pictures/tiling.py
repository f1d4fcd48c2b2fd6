"""Large pictures by tiles: windows that a network sees, and the part of each that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType
from typing import TypeAlias

Window: TypeAlias = "tuple[EllipsisType, slice, slice]"  # an index of arrays (..., H, W): rows and columns


def tiles(height: int, width: int, tile: int, halo: int, multiple: int = 1) -> Iterator[tuple[Window, Window]]:
    """Cuts a picture into tiles, row by row; the parts that are kept cover it once.

    Args:
        height: of the picture, in pixels.
        width: likewise.
        tile: side of what is seen at a time, at most; twice the halo and the multiple together, or more.
        halo: pixels around each kept part, where the picture goes on, that are seen but not kept.
        multiple: tiles begin at multiples of it: the stride of the deepest feature, whose grid then is the whole's.

    Yields:
        What is seen and what of it is kept, both in pixels of the picture.
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
    """The kept part in pixels of what a network made of the tile that it has seen.

    Args:
        scale: how many times as large as the tile that is.
    """
    return ..., _from(kept[1], seen[1].start, scale), _from(kept[2], seen[2].start, scale)


def _from(part: slice, start: int, scale: int) -> slice:
    return slice(scale * (part.start - start), scale * (part.stop - start))
