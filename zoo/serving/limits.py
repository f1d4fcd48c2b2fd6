"""What visitors of the server may ask of it."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


class RefusedError(Exception):
    """A request that is not answered as asked.

    Args:
        status: status of the answer by HTTP.
        told: one sentence for the visitor.
    """

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status, self.told = status, told


@dataclass(frozen=True)
class Limits:
    """Limits on what the server takes, computes and keeps.

    Args:
        running: number of jobs that are computed at a time.
        unfinished: number of unfinished jobs of all visitors.
        each: number of unfinished jobs of a visitor.
        upload: bytes of a file.
        pixels: pixels of a picture.
        seconds: longest time of a job's computation.
        finished: number of finished jobs whose results are kept.
        keep: seconds that results are kept, and that uploads may take.
        patience: seconds after which a job ends that nobody watches.
        silence: seconds that an upload may pause.
    """

    running: int = 1
    unfinished: int = 32
    each: int = 4
    upload: int = 100 * MEGABYTE
    pixels: int = 50_000_000
    seconds: float = 7200.0
    finished: int = 64
    keep: float = 1800.0
    patience: float = 600.0
    silence: float = 30.0
