"""How much memory there is, the error of having too little, and settings that make training on CPUs faster."""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from zoo.base.errors import ZooError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST = 2**31 - 1
FAILED = re.compile("out of memory|(can't|could not|failed to|unable to) (allocate|create a memory)", re.IGNORECASE)
CGROUP = Path("/sys/fs/cgroup")


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory instead of giving it back to the system after every tensor.

    A training step on the CPU frees and asks for gigabytes; each time the system would hand out fresh pages and zero
    them: without this a step of LinkNet takes 1.4 times as long (`tests/benchmarks/memory.py`). No effect without
    glibc.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, LARGEST)
    mallopt(M_TRIM_THRESHOLD, LARGEST)


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


def gigabytes(count: float) -> str:
    """A number of bytes as "1.2 GB"."""
    return f"{count / 1e9:.1f} GB"
