"""How the verbs read their arguments, and the tables that they print."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from zoo.base.errors import ZooError
from zoo.base.text import cell_text, did_you_mean, printable


class Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, with the nearest right one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    @property
    def options(self) -> list[str]:
        """Every option, with its dashes."""
        return list(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        wrong = message.removeprefix("unrecognized arguments: ").split()[0]
        near = did_you_mean(wrong, self.options) if wrong.startswith("-") else ""
        raise ZooError(f"{message}{near}\nsee {self.prog} --help")


def parse_model(
    argv: list[str], usage: str, description: str, add_common: Callable[[Any], None]
) -> tuple[argparse.Namespace, list[str]]:
    """Reads which model is meant, and what a verb, with which its usage begins, has for all; returns the other words.

    Raises:
        ZooError: no model; help ends here then.
    """
    verb = usage.partition(" MODEL")[0]
    more = f"{verb} MODEL --help lists the options of that model."
    parser = Parser(prog=verb, usage=f"{usage} [options]", description=description, epilog=more)
    parser.add_argument("model", nargs="?", help="a model's or an architecture's name, a folder, or USER/NAME")
    add_common(parser)
    helps = [word for word in argv if word in ("-h", "--help")]
    options, others = parser.parse_known_args([word for word in argv if word not in helps])
    if options.model is None:
        parser.parse_args(argv)
        raise ZooError(f"which model? {usage}; zoo list says which there are")
    return options, others + helps


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
