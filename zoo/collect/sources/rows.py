"""Lists: from rows to addresses, with bounded memory."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address
from zoo.collect.sources.values import cleaned

LINE = 1 << 20  # bytes

Row: TypeAlias = "dict[str, str | None]"  # fields of an address; without "url" they name no picture


def addresses(path: Path, rows: Iterable[Row]) -> Iterator[Address]:
    """The addresses of a list.

    Raises:
        ZooError: it cannot be read.
    """
    try:
        for fields in rows:
            url = fields.pop("url", None)
            if url is not None:
                yield Address(url, **fields)
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror or error}") from None


def text_rows(path: Path) -> Iterator[Row]:
    """Reads an address a line."""
    for _, line in lines(path):
        if not line.lstrip().startswith("#"):
            yield {"url": cleaned(line)}


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text in UTF-8, counted from 1, each with the end that it has.

    Raises:
        ZooError: a line is too long, or not UTF-8, or has a NUL.
    """
    offset = 0
    with path.open("rb") as file:
        for number in itertools.count(1):
            line = file.readline(LINE + 1)
            if not line:
                return
            if len(line) > LINE:
                raise ZooError(f"{path}: line {number} has more than {LINE >> 20} MiB; not a list of addresses")
            yield number, _decoded(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, path, number, offset)
            offset += len(line)


def _decoded(line: bytes, path: Path, number: int, offset: int) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {offset + error.start:,} is 0x{line[error.start]:02x}, {error.reason}"
        raise ZooError(f"{path}: line {number}: not UTF-8: {where}; convert the file to UTF-8") from None
    if "\0" in text:
        raise ZooError(f"{path}: line {number}: has a NUL byte; not a text in UTF-8")
    return text
