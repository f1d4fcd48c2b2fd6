"""Work by several processes: one for each device of a machine, or the tasks of a SLURM job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from zoo.base.bounds import Count
from zoo.base.errors import ZooError
from zoo.base.typed import UnfitError, read

TASK, TASKS, STEP, LOCAL = "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_ID", "SLURM_LOCALID"
PATIENCE = 60  # seconds that a process has to finish what it writes

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """A part of the work: every ``count``-th from ``index`` on.

    Args:
        index: its number, from 0 on.
        count: number of shards.
        local: its number among those of the same machine.
    """

    index: int
    count: int
    local: int = 0

    def part(self, items: Sequence[Item]) -> Sequence[Item]:
        return items[self.index :: self.count]


def of_slurm() -> Shard | None:
    """The shard of this task of ``srun``; None: it is the only one, or no such task."""
    told = [os.environ.get(name, "") for name in (TASK, TASKS, LOCAL)]
    if STEP not in os.environ or not all(map(str.isdecimal, told[:2])) or int(told[1]) < 2:
        return None
    return Shard(int(told[0]), int(told[1]), int(told[2]) if told[2].isdecimal() else 0)


def count_of(text: str) -> int:
    """The number of processes that ``--devices`` asks for.

    Raises:
        ZooError: the text is no number from 1 on.
    """
    try:
        return int(read(Count, text, words=True))
    except UnfitError:
        raise ZooError(f"--devices must be a whole number from 1 on, not {text!r}") from None


def devices(count: int, chosen: str) -> list[str]:
    """The devices of several processes.

    Args:
        count: number of processes.
        chosen: the device that one process would take.

    Raises:
        ZooError: there are too few, or another was asked for.
    """
    kind, _, number = chosen.partition(":")
    if kind != "cuda":
        return [chosen] * count
    if int(number or 0):
        raise ZooError(f"--devices {count} takes the first {count} GPUs; leave out --device {chosen}")
    if "torch" in sys.modules and count > (there := sys.modules["torch"].cuda.device_count()):
        raise ZooError(f"--devices {count}: this machine has {there} GPU{'s' * (there != 1)}")
    return [f"cuda:{index}" for index in range(count)]


def spread(
    work: Callable[..., Iterable[Item]], arguments: Sequence[tuple[Any, ...]], way_out: str = ""
) -> Generator[Item, None, None]:
    """The outcomes of several processes by turns, which is the order of all work.

    A process waits when its outcomes are not taken, and ends when this one does.

    Args:
        work: function of a module that yields the outcomes of a shard, in order.
        arguments: its arguments for each shard.
        way_out: what to do if a process was killed, for the error.

    Raises:
        ZooError: a process ended before its work was done; what ``work`` raises is raised here.
    """
    context = multiprocessing.get_context("spawn")  # threads and CUDA do not survive a fork
    pipes = [context.Pipe(duplex=False) for _ in arguments]
    children = [
        context.Process(target=_serve, args=(end, work, given), daemon=True)
        for (_, end), given in zip(pipes, arguments, strict=True)
    ]
    try:
        for child, (_, end) in zip(children, pipes, strict=True):
            child.start()
            end.close()
        yield from _merged([taken for taken, _ in pipes], way_out)
    finally:
        for taken, _ in pipes:
            taken.close()  # whoever still works finds nobody to tell
        for child in children:
            if child.is_alive():
                child.join(PATIENCE)


def _merged(pipes: Sequence[Connection], way_out: str) -> Iterator[Any]:
    number, count = 0, len(pipes)
    while pipes:
        try:
            told = pipes[number % count].recv()
        except (EOFError, OSError):
            raise ZooError(f"process {number % count + 1} of {count} was killed{way_out}") from None
        if told is None:  # those after it have no more either
            return
        if isinstance(told, BaseException):
            raise told
        yield told
        number += 1


def _serve(pipe: Connection, work: Callable[..., Iterable[Any]], given: tuple[Any, ...]) -> None:
    """What a process does: it tells outcomes, at last None, or an error."""
    signal.signal(signal.SIGINT, _interrupt_once)
    with suppress(BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        try:
            for outcome in work(*given):
                pipe.send(outcome)
            pipe.send(None)
        except Exception as error:
            pipe.send(error)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to stop


def _interrupt_once(*_: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # or the next would stop the tidying up
    raise KeyboardInterrupt
