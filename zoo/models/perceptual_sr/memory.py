"""How much memory an enlargement takes, how much there is, and the tile that fits into it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from PIL import Image

from zoo.data.low_resolution import SCALE
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.models.perceptual_sr.net import PerceptualSR

BUDGET = 512 * 2**20  # bytes for one part; its surroundings then cost a third or less of the time
SMALLEST = 16  # pixels: below that a part is nearly all surroundings
FAILED = re.compile("out of memory|(can't|could not|failed to|unable to) (allocate|create a memory)", re.IGNORECASE)
CGROUP = Path("/sys/fs/cgroup")


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
            raise ZooError(f"{task}: needs {_gb(need)} of memory and {_gb(there)} are free; cut the picture into parts")
    fitting = _largest_side(net, source.size, int(min(BUDGET, (free - taken) / 2)))
    side = fitting if tile == "auto" else int(tile or max(source.size))
    need = taken + part_bytes(net, source.size, side)
    if need > free:
        way_out = f"give smaller parts, by --tile {fitting} or tile={fitting}"
        raise ZooError(f"{task}, by parts of {side}: needs {_gb(need)} of memory and {_gb(free)} are free; {way_out}")
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


def free_bytes(device: torch.device) -> float:
    """Memory that can still be had, infinite where nobody says.

    Of the limits of containers those of cgroup v2 are known, not those of v1.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type != "cpu":
        return math.inf
    free = math.inf
    with suppress(OSError, ValueError, AttributeError):  # not on every system
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, KeyError):
        free = 1024 * _read_table(Path("/proc/meminfo"))["MemAvailable:"]
    with suppress(OSError, KeyError, ValueError):  # no container, or one without a limit
        limit = int((CGROUP / "memory.max").read_text())
        free = min(free, max(limit - _read_table(CGROUP / "memory.stat")["anon"], 0))
    return free


def _read_table(path: Path) -> dict[str, int]:
    """Lines of a name, a number and perhaps its unit."""
    return {line.split()[0]: int(line.split()[1]) for line in path.read_text().splitlines()}


@contextmanager
def running_out(message: str) -> Iterator[None]:
    """Makes a :class:`ZooError` of this text of each error that says that memory cannot be had."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        raise ZooError(message) from error


def ran_out(error: Exception) -> bool:
    """Whether an error of Python or torch says that memory cannot be had."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or FAILED.search(str(error)) is not None


def _largest_side(net: PerceptualSR, size: tuple[int, int], budget: int) -> int:
    if part_bytes(net, size, max(size)) <= budget:
        return max(size)
    return max(math.isqrt(budget // bytes_a_pixel(net)) - 2 * net.reach, SMALLEST)


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
