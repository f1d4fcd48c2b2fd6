"""Progress bars on a terminal if rich is installed, or news for a listener, and nothing anywhere else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from PIL import Image
    from rich.progress import Progress, ProgressColumn, TaskID

Bars: TypeAlias = "Progress | NoBars"
FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE")  # variables that make rich take anything for a terminal


class NoBars:
    """Takes what rich's ``Progress`` takes, and draws nothing."""

    disable = True

    def __enter__(self) -> NoBars:
        return self

    def __exit__(self, *_: object) -> None: ...

    def add_task(self, description: str, **_: Any) -> TaskID:
        return 0  # type: ignore[return-value]

    def update(self, task: TaskID, **_: Any) -> None: ...

    def advance(self, task: TaskID, advance: float = 1) -> None: ...

    def reset(self, task: TaskID, **_: Any) -> None: ...

    def remove_task(self, task: TaskID) -> None: ...


class Listener(Protocol):
    """What takes news of the work of this process instead of a terminal."""

    def progress(self, description: str, done: float, total: float | None) -> None:
        """Takes how much of something is done; the total is None while it is unknown."""
        ...

    def preview(self, number: int, picture: Image.Image) -> None:
        """Takes the result as it is after so many iterations."""
        ...


class Told(NoBars):
    """Tells a listener what the bars would show."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._tasks = listener, list[tuple[str, float, float | None]]()

    def add_task(self, description: str, total: float | None = 100.0, **_: Any) -> TaskID:
        self._tasks.append((description, 0.0, total))
        return len(self._tasks) - 1  # type: ignore[return-value]

    def update(
        self, task: TaskID, *, completed: float | None = None, total: float | None = None, advance: float = 0, **_: Any
    ) -> None:
        description, done, before = self._tasks[task]
        done = done + advance if completed is None else completed
        self._tasks[task] = description, done, before if total is None else total
        self._listener.progress(*self._tasks[task])

    def advance(self, task: TaskID, advance: float = 1) -> None:
        self.update(task, advance=advance)

    def reset(self, task: TaskID, *, total: float | None = None, **_: Any) -> None:
        self.update(task, completed=0, total=total)


_listeners = list[Listener]()  # one at most


def listen(listener: Listener) -> None:
    """Gives all news of this process to a listener from now on."""
    _listeners[:] = [listener]


def listener() -> Listener | None:
    """Who takes the news of this process; None: nobody does."""
    return next(iter(_listeners), None)


def bars(*columns: str | ProgressColumn) -> Bars:
    """Progress bars on stderr that are drawn on a terminal only; where there is a listener, it is told instead.

    Args:
        columns: columns of each bar; none: rich's own.
    """
    if (told := listener()) is not None:
        return Told(told)
    if not (sys.stderr.isatty() or any(map(os.environ.get, FORCED))):
        return NoBars()
    try:
        from rich.console import Console  # takes a while to import
        from rich.progress import Progress
    except ModuleNotFoundError:
        return NoBars()
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)
