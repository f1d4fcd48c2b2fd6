"""The grain that strokes begin from where a picture is flat."""

from __future__ import annotations

import numpy as np
from PIL import Image

BAND = 256  # rows at a time, so that memory stays small
MIXED = ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1))  # shifts and factors of the integer hash "lowbias32"


def grain(height: int, width: int, strength: float, first_row: int = 0) -> np.ndarray:
    """Noise in 8-bit levels, ``(H, W, 3)`` int16: the same for every picture and on every machine.

    A value depends on nothing but its row, column and channel. Values are whole and evenly distributed around 0, by an
    integer hash of 32 bits, which programs in other languages can compute as well.

    Args:
        height: rows.
        width: columns.
        strength: standard deviation, as a fraction of the range of values.
        first_row: row of the whole picture in which this part begins.
    """
    rows = (np.arange(first_row, first_row + height, dtype=np.uint32) * np.uint32(0x9E3779B1))[:, None, None]
    columns = (np.arange(width, dtype=np.uint32) * np.uint32(0x85EBCA77))[:, None]
    x = rows + columns + np.arange(3, dtype=np.uint32) * np.uint32(0xC2B2AE3D)
    for shift, factor in MIXED:
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    most = largest(strength)
    return ((x.astype(np.uint64) * np.uint64(2 * most + 1)) >> np.uint64(32)).astype(np.int16) - np.int16(most)


def largest(strength: float) -> int:
    """The largest value of a grain, whose values lie as far on either side of 0."""
    return round(255 * 3**0.5 * strength)


def grained(picture: Image.Image, strength: float) -> Image.Image:
    """An RGB picture with grain."""
    if not largest(strength):
        return picture
    pixels = np.array(picture)
    for top in range(0, picture.height, BAND):
        band = pixels[top : top + BAND]
        band[:] = (band + grain(len(band), picture.width, strength, top)).clip(0, 255)
    return Image.fromarray(pixels)
