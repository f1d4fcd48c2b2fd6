"""Progress bars on a terminal if rich is installed, and nothing anywhere else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
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


def bars(*columns: str | ProgressColumn) -> Bars:
    """Progress bars on stderr that are drawn on a terminal only.

    Args:
        columns: columns of each bar; none: rich's own.
    """
    if not (sys.stderr.isatty() or any(map(os.environ.get, FORCED))):
        return NoBars()
    try:
        from rich.console import Console  # takes a while to import
        from rich.progress import Progress
    except ModuleNotFoundError:
        return NoBars()
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)
