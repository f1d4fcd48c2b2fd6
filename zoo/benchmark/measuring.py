"""Measures candidates in turns, so that a busy moment of the machine hits all of them."""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.base.errors import ZooError
from zoo.benchmark import worker
from zoo.benchmark.candidates import Candidate

WAIT = 900  # s for a model to load, be exported and compute once, or for a turn
END = 10  # s for a process to end


@dataclass
class Measured:
    """What was measured of a candidate.

    Args:
        candidate: the candidate.
        runtime: name and version of the library.
        loading: seconds of loading the model, without importing libraries.
        first: seconds of the first pass.
        seconds: seconds a picture, of each round.
        memory: peak memory of its process in bytes, with its libraries.
        gpu_memory: peak memory on the GPU in bytes.
    """

    candidate: Candidate
    runtime: str
    loading: float
    first: float
    seconds: list[float] = field(default_factory=list)
    memory: int = 0
    gpu_memory: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance of the quartiles, relative to the median."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / 2 / self.median

    @property
    def name(self) -> str:
        """Model, runtime and precision, such as "linknet_camvid, torch 2.14.1, float32"."""
        return ", ".join((self.candidate.name, self.runtime, self.candidate.how))


@dataclass
class Begun:
    """A candidate whose process has computed once: the connection to it, and what was measured so far."""

    connection: Any
    measured: Measured


def measure(candidates: Sequence[Candidate], rounds: int, threads: int, say: Callable[[str], None]) -> list[Measured]:
    """Measures all candidates that this machine can run; says why another is left out.

    Args:
        candidates: what to measure.
        rounds: number of rounds; in each, every candidate has one turn, beginning with another one.
        threads: number of threads of a candidate.
        say: prints a line.

    Raises:
        ZooError: no candidate can be measured.
    """
    running: list[Begun] = []
    with contextlib.ExitStack() as stack:
        entered = (stack.enter_context(begun(candidate, threads, say)) for candidate in candidates)
        running.extend(each for each in entered if each)
        if not running:
            raise ZooError("nothing can be measured here")
        for number in range(rounds):
            first = number % len(running)
            for each in [*running[first:], *running[:first]]:
                each.measured.seconds.append(_ask(each.connection, True, each.measured.name))
        for each in running:
            each.measured.memory, each.measured.gpu_memory = _ask(each.connection, None, each.measured.name)
    return [each.measured for each in running]


@contextlib.contextmanager
def begun(candidate: Candidate, threads: int, say: Callable[[str], None]) -> Iterator[Begun | None]:
    """The process of a candidate that has computed once, or None if it cannot."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=worker.serve, args=(its, candidate, threads), daemon=True)
    process.start()
    its.close()
    try:
        told = _received(mine, candidate.name)
        if isinstance(told, str):
            say(f"left out: {candidate.name}, {candidate.engine}, {candidate.size}: {told}")
            yield None
        else:
            yield Begun(mine, Measured(candidate, *told))
    finally:
        mine.close()
        process.join(END if process.exitcode is None else 0)
        process.kill()
        process.join()


def _ask(connection: Any, request: Any, name: str) -> Any:
    connection.send(request)
    return _received(connection, name)


def _received(connection: Any, name: str) -> Any:
    if not connection.poll(WAIT):
        raise ZooError(f"{name}: no answer within {WAIT // 60} minutes")
    try:
        return connection.recv()
    except EOFError:
        raise ZooError(f"{name}: its process ended, perhaps for lack of memory; measure fewer or smaller") from None
