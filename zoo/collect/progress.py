"""What a person sees while a collection goes on."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from zoo.base.progress import bars
from zoo.collect.ledger import FAILURES, KEPT

LINE = 60.0  # seconds from one line of a log to the next, where there is no terminal


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f}/s")


class Watch:
    """Counts, and shows that on a terminal while its ``progress`` is entered.

    Args:
        limit: of pictures; None: addresses are counted.
        kept: pictures that were there before.
    """

    def __init__(self, limit: int | None, kept: int) -> None:
        self._next_line = time.monotonic() + LINE
        tally = TextColumn("{task.fields[tally]}")
        self.progress = bars(BarColumn(10), MofNCompleteColumn(), _Rate(), tally, TimeRemainingColumn())
        self._limit, self._before = limit, kept
        self._task = self.progress.add_task("", total=limit, tally="")
        self.tally: Counter[str] = Counter()

    def count(self, record: Mapping[str, Any], settled: int, known: int) -> None:
        """One more line of the ledger.

        Args:
            record: of it.
            settled: addresses, with those of earlier runs.
            known: addresses by now.
        """
        self.tally[record["status"]] += 1
        saved, thumbnails = (self.tally[name] for name in KEPT)
        failures = sum(self.tally[name] for name in FAILURES)
        same = self.tally["duplicate"] + self.tally["near_duplicate"]
        done, known = (self._before + saved + thumbnails, self._limit) if self._limit else (settled, known)
        text = f"{saved} saved {thumbnails} thumbs {same} same {failures} failed"
        self.progress.update(self._task, completed=done, total=known, tally=text)
        if self.progress.disable and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE
            print(f"{done:,} of {known:,}: {text}", file=sys.stderr)  # noqa: T201

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in self.tally.most_common())
