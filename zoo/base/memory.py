"""Free memory, and the error for too little of it."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo.base.errors import ZooError

if TYPE_CHECKING:
    import torch

Device: TypeAlias = "str | torch.device"
Need: TypeAlias = "tuple[float, Device]"  # bytes, and where
FAILED = re.compile("out of memory|(can't|could not|failed to|unable to) (allocate|create a memory)", re.IGNORECASE)
CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def refuse_beyond(task: str, needs: Sequence[Need], way_out: str) -> None:
    """Refuses a task that needs more memory than is free.

    Args:
        task: the subject of "needs 1.2 GB of memory and 0.4 GB are free".
        needs: bytes and devices; needs of one device add up.
        way_out: what to do instead.

    Raises:
        ZooError: the task needs more than is free.
    """
    if lack := _lack(needs, 1.0):
        need, free = map(gigabytes, lack)
        raise ZooError(f"{task} needs {need} of memory and {free} are free; {way_out}")


def fits(needs: Sequence[Need], fraction: float) -> bool:
    """Whether needs take at most this fraction of the free memory; needs of one device add up."""
    return _lack(needs, fraction) is None


def _lack(needs: Sequence[Need], fraction: float) -> tuple[float, float] | None:
    """The need and the free bytes of the first device that has too few."""
    taken: dict[str, float] = {}
    for need, device in needs:
        total = taken[str(device)] = taken.get(str(device), 0) + need
        if total > fraction * (free := free_bytes(device)):
            return total, free
    return None


def free_bytes(device: Device) -> float:
    """Free memory in bytes, infinite if it is unknown.

    Limits of containers are known for cgroup v2, not for v1.
    """
    kind = str(device).partition(":")[0]
    if kind == "cuda":
        return _free_of_gpu(device)
    if kind != "cpu":
        return math.inf
    free = math.inf
    with suppress(OSError, ValueError, AttributeError):  # not on every system
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, KeyError):
        free = 1024 * _read_table(MEMINFO)["MemAvailable:"]
    with suppress(OSError, KeyError, ValueError):  # no container, or one without a limit
        limit = int((CGROUP / "memory.max").read_text())
        free = min(free, max(limit - _read_table(CGROUP / "memory.stat")["anon"], 0))
    return free


def _free_of_gpu(device: Device) -> float:
    """Free memory by torch, if it is imported and has GPUs; torch may not know the GPU of another engine."""
    torch: Any = sys.modules.get("torch")
    with suppress(RuntimeError, AssertionError, AttributeError):
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return math.inf


def _read_table(path: Path) -> dict[str, int]:
    """Reads lines of a name, a number and perhaps its unit."""
    return {line.split()[0]: int(line.split()[1]) for line in path.read_text().splitlines()}


@contextmanager
def running_out(message: str) -> Iterator[None]:
    """Turns each error of running out of memory into a :class:`ZooError` with this message."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        raise ZooError(message) from error


def ran_out(error: Exception) -> bool:
    """Whether an error of Python or torch says that memory ran out."""
    torchs = type(error).__name__ == "OutOfMemoryError"  # without importing it
    return torchs or isinstance(error, MemoryError) or FAILED.search(str(error)) is not None


def gigabytes(count: float) -> str:
    """A number of bytes as "1.2 GB"."""
    return f"{count / 1e9:.1f} GB"
