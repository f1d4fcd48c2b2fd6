"""The grain that strokes begin from where a picture is flat."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

BAND, LEAST_ROWS = 1 << 17, 16  # pixels at a time, so that memory stays small, and rows at least
BLUR = 5  # side in pixels of the two boxes that make noise soft: finer noise would depend on strides of a network
SOFTENED = 17 / 125  # standard deviation of white noise of standard deviation 1 after both boxes
FACTORS = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)  # of row, column and channel
MIXED = ((16, 0x7FEB352D), (15, 0x846CA68B))  # shifts and factors of the integer hash "lowbias32"
MEAN, SPREAD = 20_479_687.5, 1_608_082  # mean and standard deviation of a sum of 16-bit numbers by both boxes


@lru_cache(maxsize=16)  # pictures of one size get the same
def grain(height: int, width: int, strength: float, first_row: int = 0) -> np.ndarray:
    """Soft noise in 8-bit levels, ``(H, W, 3)`` int16: the same for every picture and on every machine.

    An integer hash of row, column and channel, summed up by two boxes of 5x5 pixels, which programs in other languages
    can compute as well.

    Args:
        height: rows.
        width: columns.
        strength: standard deviation, as a fraction of the range of values.
        first_row: row of the whole picture in which this part begins.
    """
    import cv2  # which only predictions need

    beyond = BLUR - 1  # rows and columns on each side that the boxes reach
    rows = np.arange(first_row - beyond, first_row + height + beyond).astype(np.uint32)[:, None, None]
    columns = np.arange(-beyond, width + beyond).astype(np.uint32)[:, None]
    row, column, channel = map(np.uint32, FACTORS)
    x = rows * row + columns * column + np.arange(3, dtype=np.uint32) * channel
    for shift, factor in MIXED:
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    sums = ((x ^ (x >> np.uint32(16))) >> np.uint32(16)).astype(np.uint16)
    for _ in range(2):
        sums = cv2.boxFilter(sums, cv2.CV_32S, (BLUR, BLUR), normalize=False)
    sums = sums[beyond : beyond + height, beyond : beyond + width]
    levels = np.floor((sums - MEAN) * (255 * strength / SPREAD) + 0.5).astype(np.int16)
    levels.setflags(write=False)  # it is kept
    return levels


def grained(picture: Image.Image, strength: float) -> Image.Image:
    """An RGB picture with grain."""
    if not strength:
        return picture
    pixels = np.array(picture)
    rows = max(LEAST_ROWS, BAND // picture.width)
    for top in range(0, picture.height, rows):
        band = pixels[top : top + rows]
        band[:] = (band + grain(len(band), picture.width, strength, top)).clip(0, 255)
    return Image.fromarray(pixels)
