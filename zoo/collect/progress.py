"""Shows the progress of a collection."""

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
    """Counts results, and shows the counts on a terminal while its ``progress`` is entered.

    Args:
        limit: number of pictures to collect; None: addresses are counted.
        kept: number of pictures from earlier runs.
    """

    def __init__(self, limit: int | None, kept: int) -> None:
        self._next_line = time.monotonic() + LINE
        tally = TextColumn("{task.fields[tally]}")
        self.progress = bars(BarColumn(10), MofNCompleteColumn(), _Rate(), tally, TimeRemainingColumn())
        self._limit, self._before = limit, kept
        self._task = self.progress.add_task("", total=limit, tally="")
        self.tally: Counter[str] = Counter()

    def count(self, record: Mapping[str, Any], settled: int, known: int) -> None:
        """Counts one more line of the ledger.

        Args:
            record: record of the line.
            settled: number of settled addresses, earlier runs included.
            known: number of addresses known by now.
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
