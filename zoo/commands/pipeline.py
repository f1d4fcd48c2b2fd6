"""Many predictions as a pipeline: threads read and write files ahead of and behind the network, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zoo.base.ahead import Held, ahead
from zoo.commands.inputs import VIDEOS, Inputs

if TYPE_CHECKING:
    from zoo.models.base import Result

MOST_BYTES = 1 << 28  # of pictures and results on their way
SPREAD = 4  # batches' worth of pictures that wait for others of their size


@dataclass
class Job:
    """A prediction on its way.

    Args:
        number: its place among all predictions.
        destination: beginning of its results' names.
        paths: its pictures, as they were given.
        pictures: its pictures to predict from, decoded where they could be.
        error: what went wrong; empty: nothing did.
        result: its result, once it was made and until it is written.
        told: what the :class:`Outcome` shall say of what was written.
        seconds: time that the result took.
        bytes: bytes of memory that it takes.
    """

    number: int
    destination: Path
    paths: Inputs
    pictures: Inputs = ()
    error: str = ""
    result: Result | None = None
    told: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    bytes: int = 0

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of a single picture that was decoded; None: it is predicted alone."""
        decoded = getattr(self.pictures[0], "decoded", None) if len(self.pictures) == 1 and not self.error else None
        return None if decoded is None else decoded[0].size


@dataclass(frozen=True)
class Outcome:
    """What came of a prediction.

    Args:
        number: its place among all predictions.
        who: names of its pictures, for messages.
        error: what went wrong; empty: nothing did.
        notes: lines that a user should know.
        printed: line for the standard output, if any.
        trusted: whether the result is likely right.
        line: its entry of ``results.jsonl``.
        files: names of the files that were written, below the folder of the results.
    """

    number: int
    who: str
    error: str = ""
    notes: tuple[str, ...] = ()
    printed: str = ""
    trusted: bool = True
    line: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stages:
    """The work of a pipeline.

    Args:
        read: reads the pictures of a job.
        predict: makes the results of a batch of jobs.
        write: writes the result of a job.
        batch: most pictures of a size ``(width, height)`` to predict at a time.
        computing: threads that predict; 0: the calling one does.
        threads: threads that read, and as many that write.
        most: bytes of pictures and results on their way.
    """

    read: Callable[[Job], Job]
    predict: Callable[[list[Job]], list[Job]]
    write: Callable[[Job], Outcome]
    batch: Callable[[tuple[int, int]], int]
    computing: int = 0
    threads: int = 2
    most: float = MOST_BYTES

    def run(self, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """The outcomes in the order of the jobs, each when its results are written.

        Closing the iterator lets each thread finish what it does, so that nothing is left half-written.
        """
        held = Held(self.most)

        def read(job: Job) -> Job:
            job = self.read(job)
            job.bytes = sum(memory_of(each) for each in job.pictures)
            held.add(job.bytes)
            return job

        def predict(batch: list[Job]) -> list[Job]:
            for job in (made := self.predict(batch)):
                job.pictures, before = (), job.bytes
                job.bytes = memory_of(job.result)
                held.add(job.bytes - before)
            return made

        def write(job: Job) -> Outcome:
            try:
                return self.write(job)
            finally:
                job.result = None
                held.add(-job.bytes)

        with _closing(ahead(read, jobs, self.threads, 4 * self.threads, held)) as were_read:
            batches = _Batches(self.batch, held).of(were_read)
            computed = ahead(predict, batches, self.computing, 2 * self.computing, held) if self.computing else None
            with _closing(map(predict, batches) if computed is None else computed) as made:
                single = chain.from_iterable(made)
                with _closing(ahead(write, single, self.threads, 4 * self.threads, held)) as written:
                    yield from in_order(written)


@dataclass
class _Batches:
    """Puts pictures of one size together."""

    most: Callable[[tuple[int, int]], int]
    held: Held

    def of(self, jobs: Iterator[Job]) -> Iterator[list[Job]]:
        """Batches of jobs; a job waits at most for a few batches' worth of other sizes."""
        waiting: dict[tuple[int, int], list[Job]] = {}
        for job in jobs:
            if job.size is None or (most := self.most(job.size)) == 1:
                yield [job]
                continue
            (batch := waiting.setdefault(job.size, [])).append(job)
            if len(batch) == most:
                yield waiting.pop(job.size)
            oldest = min(waiting, key=lambda size: waiting[size][0].number, default=job.size)
            if oldest in waiting and (self.held.full() or job.number - waiting[oldest][0].number >= SPREAD * most):
                yield waiting.pop(oldest)
        yield from waiting.values()


def in_order(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Outcomes by their numbers, from 0 on; those that come early wait."""
    early, following = dict[int, Outcome](), 0
    for outcome in outcomes:
        early[outcome.number] = outcome
        while following in early:
            yield early.pop(following)
            following += 1


@contextmanager
def _closing(stage: Iterator[Any]) -> Iterator[Iterator[Any]]:
    """Closes a stage that is a generator, whatever happens to those after it."""
    try:
        yield stage
    finally:
        if hasattr(stage, "close"):
            stage.close()


def memory_of(thing: Any) -> int:
    """Bytes of the pixels that a picture, a decoded path or a result holds."""
    if isinstance(thing, Image.Image):
        return thing.width * thing.height * (1 if thing.mode in "LP" else 4)
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if (decoded := getattr(thing, "decoded", None)) is not None:
        return memory_of(decoded[0])
    return sum(memory_of(part) for part in getattr(thing, "__dict__", {}).values() if _has_pixels(part))


def _has_pixels(part: Any) -> bool:
    return isinstance(part, (Image.Image, np.ndarray))


def is_video(paths: Inputs) -> bool:
    return paths[0].suffix.lower() in VIDEOS
