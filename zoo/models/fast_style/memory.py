"""How much memory a picture takes, how much there is, and how many rows of it are computed at a time."""

from __future__ import annotations

from typing import Literal

from zoo.base import memory
from zoo.base.bounds import check_count
from zoo.base.memory import Need

SHARE = 0.5  # of the free memory up to which a picture is seen whole: faster (tests/benchmarks/fast_style_speed.py)
STRIP = 2**17  # pixels of a strip
SMALLEST = 16  # rows: below that a strip is mostly what lies around it
AROUND = 16  # rows around a strip
OTHERS = 1.4  # times torch's need, of other engines: ONNX Runtime took 0.9, OpenVINO 1.2 and OpenCV 1.3 of it
HOST = 16  # bytes a pixel of pictures with 8 bits: of the source, as an array, and of the result


def rows_at_a_time(
    device: str, channels: int, size: tuple[int, int], tile: int | Literal["auto"] | None, by_strips: bool = True
) -> int | None:
    """Rows of a strip of the picture, or None where it is seen whole.

    Args:
        device: that computes.
        channels: of the network's first layer.
        size: width and height.
        tile: rows of a strip; "auto": what suits memory; None: the whole picture.
        by_strips: whether the engine can do that; else "auto" is the whole picture.

    Raises:
        ZooError: no such tile, or too little memory.
    """
    width, height = size
    pictures: Need = (width * height * HOST, "cpu")
    need: Need = (width * height * bytes_a_pixel(channels) * (1 if by_strips else OTHERS), device)
    rows = None
    if tile == "auto":
        whole = not by_strips or memory.fits([pictures, need], SHARE)
        rows = None if whole else max(STRIP // width, SMALLEST)
    elif tile is not None:
        check_count("tile", tile, 'is a number of rows from 1 on, "auto" or None')
        rows = int(tile)
    if rows is not None and rows < height:
        need = (strips_bytes(channels, size, rows), device)
    way_out = "make the picture smaller"
    if not by_strips:
        way_out += ', or take torch\'s engine, which computes it by strips: --engine torch or engine="torch"'
    elif tile is None:
        way_out = 'give --tile auto or tile="auto"'
    memory.refuse_beyond(f"{width}x{height} pixels:", [pictures, need], way_out)
    return rows


def bytes_a_pixel(channels: int) -> int:
    """Float32 memory by pixels of a picture that is seen whole: four of the first layer's outputs, and ten planes.

    ``python tests/benchmarks/fast_style_speed.py --memory`` prints what is measured beside it, also of strips.
    """
    return 4 * (4 * channels + 10)


def strips_bytes(channels: int, size: tuple[int, int], rows: int) -> int:
    """What is kept of all of a picture, and five strips: not all that is freed can be used again at once.

    Half and a quarter of the resolution with two and four times the channels of the first layer take 3/4 of its output.
    """
    width, height = size
    return width * (3 * height * channels + 5 * (rows + AROUND) * bytes_a_pixel(channels))
