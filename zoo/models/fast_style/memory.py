"""How much memory a picture takes, how much there is, and how many rows of it are computed at a time."""

from __future__ import annotations

from typing import Literal

from zoo.base import memory
from zoo.base.bounds import check_count
from zoo.base.memory import Need

FREE_FRACTION = 0.5  # free memory that a whole picture may take: faster (tests/benchmarks/fast_style_speed.py)
STRIP = 2**17  # pixels of a strip
MIN_ROWS = 16  # rows: a smaller strip would be mostly halo
AROUND = 16  # rows of the halo of a strip
OTHERS = 1.4  # memory of other engines relative to torch: ONNX Runtime took 0.9, OpenVINO 1.2 and OpenCV 1.3
HOST = 16  # bytes per pixel of 8-bit pictures: the source, its array, and the result


def rows_at_a_time(
    device: str, channels: int, size: tuple[int, int], tile: int | Literal["auto"] | None, by_strips: bool = True
) -> int | None:
    """Rows of a strip of the picture, or None where the picture is computed whole.

    Args:
        device: device that computes.
        channels: channels of the network's first layer.
        size: width and height in pixels.
        tile: rows of a strip; "auto": chosen by the free memory; None: the whole picture.
        by_strips: whether the engine can compute strips; else "auto" is the whole picture.

    Raises:
        ZooError: the tile is invalid, or there is too little memory.
    """
    width, height = size
    pictures: Need = (width * height * HOST, "cpu")
    need: Need = (width * height * bytes_a_pixel(channels) * (1 if by_strips else OTHERS), device)
    rows = None
    if tile == "auto":
        whole = not by_strips or memory.fits([pictures, need], FREE_FRACTION)
        rows = None if whole else max(STRIP // width, MIN_ROWS)
    elif tile is not None:
        check_count("tile", tile, 'must be a number of rows from 1 on, "auto" or None')
        rows = int(tile)
    if rows is not None and rows < height:
        need = (strips_bytes(channels, size, rows), device)
    way_out = "make the picture smaller"
    if not by_strips:
        way_out += ', or use torch\'s engine, which computes strips: --engine torch or engine="torch"'
    elif tile is None:
        way_out = 'give --tile auto or tile="auto"'
    memory.refuse_beyond(f"{width}x{height} pixels:", [pictures, need], way_out)
    return rows


def bytes_a_pixel(channels: int) -> int:
    """Bytes per pixel of a picture computed whole, in float32: eight outputs of the first layer, and 13 planes.

    ``python tests/benchmarks/fast_style_speed.py --memory`` prints it beside the measured memory, for strips too.
    """
    return 4 * (2 * channels + 13)


def strips_bytes(channels: int, size: tuple[int, int], rows: int) -> int:
    """Bytes of the features kept for the whole picture, and of five strips: freed memory is not all reusable at once.

    Features at a half and a quarter of the resolution, with one and two times the first layer's channels, have fewer
    values than half the picture's pixels times these channels.
    """
    width, height = size
    return width * (2 * height * channels + 5 * (rows + AROUND) * bytes_a_pixel(channels))
