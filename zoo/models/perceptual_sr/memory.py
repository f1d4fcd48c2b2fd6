"""How much memory an enlargement takes, how much there is, and the tile that fits into it."""

from __future__ import annotations

import math
from numbers import Integral
from typing import TYPE_CHECKING, Literal

import torch
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.memory import free_bytes, gigabytes
from zoo.data.low_resolution import SCALE

if TYPE_CHECKING:
    from zoo.models.perceptual_sr.net import PerceptualSR

BUDGET = 512 * 2**20  # bytes for one part; its surroundings then cost a third or less of the time
SMALLEST = 16  # pixels: below that a part is nearly all surroundings


def tile_side(net: PerceptualSR, source: Image.Image, tile: int | Literal["auto"] | None) -> int:
    """The side of parts, in pixels of the source, that fit into memory beside the result.

    Args:
        tile: see :meth:`PerceptualSR.predict`.

    Raises:
        ZooError: no such tile, or too little memory.
    """
    if tile not in ("auto", None) and (not isinstance(tile, (int, Integral)) or isinstance(tile, bool) or tile < 1):
        raise ZooError(f'tile is a number of pixels from 1 on, "auto" or None, not {tile!r}')
    device = next(net.parameters()).device
    result, host = result_bytes(source), free_bytes(torch.device("cpu"))
    taken, free = (result, host) if device.type == "cpu" else (0, free_bytes(device))
    task = f"{source.width}x{source.height} pixels x{SCALE}"
    least = taken + part_bytes(net, source.size, SMALLEST)
    for need, there in ((result, host), (least, free)):
        if need > there:
            raise ZooError(
                f"{task}: needs {gigabytes(need)} of memory and {gigabytes(there)} are free; cut the picture into parts"
            )
    fitting = _largest_side(net, source.size, int(min(BUDGET, (free - taken) / 2)))
    side = fitting if tile == "auto" else int(tile or max(source.size))
    need = taken + part_bytes(net, source.size, side)
    if need > free:
        way_out = f"give smaller parts, by --tile {fitting} or tile={fitting}"
        raise ZooError(
            f"{task}, by parts of {side}: needs {gigabytes(need)} of memory and {gigabytes(free)} are free; {way_out}"
        )
    return side


def result_bytes(source: Image.Image) -> int:
    """What the enlarged picture takes: Pillow holds a pixel in one byte where it is L, else in four."""
    bytes_ = {"L": 1, "RGB": 4}.get(source.mode, 4 + 1)  # transparency is enlarged by itself
    return source.width * source.height * SCALE**2 * bytes_


def part_bytes(net: PerceptualSR, size: tuple[int, int], side: int) -> int:
    """What the network needs for a part with its surroundings, of a picture of this width and height."""
    width, height = (min(side + 2 * net.reach, whole) for whole in size)
    return width * height * bytes_a_pixel(net)


def bytes_a_pixel(net: PerceptualSR) -> int:
    """Float32 memory by pixels of the input: four of the largest feature maps, and ten of what comes out.

    ``python tests/benchmarks/upscale_memory.py`` prints it beside what is measured.
    """
    larger = SCALE**2 if net.upsampling == "paper" else 1
    return 4 * (4 * net.channels * larger + 10 * 3 * SCALE**2)


def _largest_side(net: PerceptualSR, size: tuple[int, int], budget: int) -> int:
    if part_bytes(net, size, max(size)) <= budget:
        return max(size)
    return max(math.isqrt(budget // bytes_a_pixel(net)) - 2 * net.reach, SMALLEST)
