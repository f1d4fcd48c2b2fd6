"""Stages of a pipeline: work that threads do ahead of whoever takes its results, in order and in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


class Held:
    """How much is on its way through a pipeline, in bytes.

    Args:
        most: bytes beyond which no stage takes on more, as long as it has something to do.
    """

    def __init__(self, most: float) -> None:
        self.most, self.bytes, self.peak = most, 0, 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Takes a number of bytes on; a negative number gives them back."""
        with self._lock:
            self.bytes += count
            self.peak = max(self.peak, self.bytes)

    def full(self) -> bool:
        return self.bytes >= self.most


def ahead(
    work: Callable[[Given], Made], given: Iterable[Given], threads: int, most: int, held: Held | None = None
) -> Generator[Made, None, None]:
    """Does work in threads ahead of its taker, and yields the results in the order of what was given.

    What is given is taken by the thread that takes the results, and only as far ahead as the limits allow. Closing the
    iterator waits for the work that runs, and drops the rest.

    Args:
        work: function of one item; what it raises is raised in the result's place, and ends the iterator.
        given: the items.
        threads: threads of this stage.
        most: most items on their way through this stage.
        held: bytes on their way through the whole pipeline; a stage with nothing to do takes one item in any case.
    """
    waiting, items = deque[Future[Made]](), iter(given)
    pool = ThreadPoolExecutor(threads, thread_name_prefix=getattr(work, "__name__", "stage"))
    try:
        while True:
            while len(waiting) < most and not (waiting and held is not None and held.full()):
                try:
                    item = next(items)
                except StopIteration:
                    break
                waiting.append(pool.submit(work, item))
                del item
                if waiting[0].done():  # its taker should not wait for more
                    break
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
