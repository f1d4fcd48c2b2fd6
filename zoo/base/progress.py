"""Progress bars on a terminal, and nothing anywhere else."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def bars(*columns: str | ProgressColumn) -> Progress:
    """Progress bars on stderr that are drawn on a terminal only.

    Args:
        columns: of each bar; none: rich's own.
    """
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)
