"""How much memory an enlargement takes, how much there is, and the tile that fits into it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from PIL import Image

from zoo.base import memory
from zoo.base.errors import ZooError
from zoo.base.memory import Need
from zoo.data.low_resolution import SCALE

BUDGET = 512 * 2**20  # bytes for one part; its surroundings then cost a third or less of the time
SMALLEST = 16  # pixels: below that a part is nearly all surroundings


@dataclass(frozen=True)
class Cost:
    """What a network needs where it computes.

    Args:
        device: such as "cpu" or "cuda:0".
        reach: pixels around a part that the network sees with it.
        bytes_a_pixel: of memory, by pixels that it sees.
    """

    device: str
    reach: int
    bytes_a_pixel: int

    def of_part(self, size: tuple[int, int], side: int) -> int:
        """Bytes for a part with its surroundings, of a picture of this width and height."""
        width, height = (min(side + 2 * self.reach, whole) for whole in size)
        return width * height * self.bytes_a_pixel

    def tile_side(self, source: Image.Image, tile: int | Literal["auto"] | None) -> int:
        """The side of parts, in pixels of the source, that fit into memory beside the result.

        Args:
            source: what is enlarged.
            tile: the side; "auto": what fits; None: the whole picture.

        Raises:
            ZooError: no such tile, or too little memory.
        """
        if tile not in ("auto", None) and (not isinstance(tile, (int, Integral)) or isinstance(tile, bool) or tile < 1):
            raise ZooError(f'tile is a number of pixels from 1 on, "auto" or None, not {tile!r}')
        result: Need = (result_bytes(source), "cpu")
        task = f"{source.width}x{source.height} pixels x{SCALE}"
        least = self.of_part(source.size, SMALLEST)
        memory.refuse_beyond(f"{task}:", [result, (least, self.device)], "cut the picture into parts")
        free = memory.free_bytes(self.device) - (result[0] if self.device == "cpu" else 0)
        fitting = self._largest_side(source.size, int(min(BUDGET, free / 2)))
        side = fitting if tile == "auto" else int(tile or max(source.size))
        way_out = f"give smaller parts, by --tile {fitting} or tile={fitting}"
        need = self.of_part(source.size, side)
        memory.refuse_beyond(f"{task}, by parts of {side}:", [result, (need, self.device)], way_out)
        return side

    def _largest_side(self, size: tuple[int, int], budget: int) -> int:
        if self.of_part(size, max(size)) <= budget:
            return max(size)
        return max(math.isqrt(budget // self.bytes_a_pixel) - 2 * self.reach, SMALLEST)


def result_bytes(source: Image.Image) -> int:
    """What the enlarged picture takes: Pillow holds a pixel in one byte where it is L, else in four."""
    bytes_ = {"L": 1, "RGB": 4}.get(source.mode, 4 + 1)  # transparency is enlarged by itself
    return source.width * source.height * SCALE**2 * bytes_
