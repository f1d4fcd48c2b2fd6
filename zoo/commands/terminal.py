"""How the verbs read their arguments, and the tables that they print."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO, cast

from zoo.base.errors import ZooError
from zoo.base.text import cell_text, did_you_mean, printable


class Lasting:
    """An output stream whose errors never end the program: what cannot be written is lost, and ``lost`` says why.

    A training survives if the reader of its log leaves, the log's disk is full, or the log's encoding lacks a letter.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self._attempt(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._attempt(self.stream.flush)

    def _attempt(self, action: Callable[..., Any], *arguments: str) -> None:
        try:
            action(*arguments)
        except OSError as error:
            self.lost = self.lost or error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # else the remaining output would fail again and again
            os.close(nowhere)


@contextmanager
def lasting_output() -> Iterator[Lasting]:
    """Makes standard output and error :class:`Lasting`; gives the output."""
    before = sys.stdout, sys.stderr
    opened = [stream or open(os.devnull, "w") for stream in before]  # noqa: SIM115, PTH123  None: closed by the shell
    output, errors = map(Lasting, opened)
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
    try:
        yield output
    finally:
        output.flush()  # what cannot be written shows here, not at exit
        sys.stdout, sys.stderr = before


class Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, with the nearest right one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    @property
    def options(self) -> list[str]:
        """Every option, with its dashes."""
        return list(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        words = message.removeprefix("unrecognized arguments:").split()
        if not words:
            message = "unrecognized arguments: one is empty, such as a shell variable that is not set"
        wrong = words[0].partition("=")[0] if words else ""
        near = did_you_mean(wrong, self.options) if wrong.startswith("-") else ""
        raise ZooError(f"{message}{near}\nsee {self.prog} --help")


def parse_model(
    argv: list[str], usage: str, description: str, add_common: Callable[[Any], None]
) -> tuple[argparse.Namespace, list[str]]:
    """Reads the model's name and the common options of a verb, which begins the usage; returns the other words too.

    Raises:
        ZooError: no model is named (help exits here), or its name may be the value of an option before it.
    """
    verb = usage.partition(" MODEL")[0]
    more = f"{verb} MODEL --help lists the options of that model."
    parser = Parser(prog=verb, usage=f"{usage} [options]", description=description, epilog=more)
    named = "name of a model or an architecture, a folder, USER/NAME, or a file of zoo export"
    parser.add_argument("model", nargs="?", help=named)
    add_common(parser)
    helps = [word for word in argv if word in ("-h", "--help")]
    options, others = parser.parse_known_args([word for word in argv if word not in helps])
    if options.model is None:
        parser.parse_args(argv)
        raise ZooError(f"a model is required: {usage}; zoo list shows the models")
    before = argv[max(argv.index(options.model) - 1, 0)]
    if before in others and before.startswith("-") and "=" not in before:
        raise ZooError(f"name the model before {before}: {usage} [options]")
    return options, others + helps


def table(rows: Sequence[Sequence[str | float | None]]) -> str:
    """Aligns rows for a terminal: texts start below each other, numbers end there; ``None`` is an empty cell.

    Args:
        rows: rows of equal length. The first row is the head; it does not decide how a column is aligned.
    """
    columns = []
    for column in zip(*rows, strict=True):
        cells = [printable(cell_text(cell)) for cell in column]
        width = max(map(len, cells))
        texts = any(isinstance(cell, str) for cell in column[1:])
        columns.append([cell.ljust(width) if texts else cell.rjust(width) for cell in cells])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))
