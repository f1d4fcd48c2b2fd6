"""Memory settings that make training on CPUs faster."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST = 2**31 - 1


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
