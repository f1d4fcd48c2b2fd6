"""How the verbs read their arguments, and the tables that they print."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from zoo.base.errors import ZooError
from zoo.base.text import cell_text, did_you_mean, printable


class Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, with the nearest right one."""

    def error(self, message: str) -> NoReturn:
        wrong = message.removeprefix("unrecognized arguments: ").split()[0]
        near = did_you_mean(wrong, self._option_string_actions) if wrong.startswith("-") else ""
        raise ZooError(f"{message}{near}\nsee {self.prog} --help")


def table(rows: Sequence[Sequence[str | float | None]]) -> str:
    """Aligns rows for a terminal: texts start below each other, numbers end there; ``None`` is an empty cell.

    Args:
        rows: as long as each other; the first, the head, does not decide how a column is aligned.
    """
    columns = []
    for column in zip(*rows, strict=True):
        cells = [printable(cell_text(cell)) for cell in column]
        width = max(map(len, cells))
        texts = any(isinstance(cell, str) for cell in column[1:])
        columns.append([cell.ljust(width) if texts else cell.rjust(width) for cell in cells])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))
