"""Lists: from rows to pages of addresses, with bounded memory."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address, Page
from zoo.collect.sources.values import cleaned, shown

PAGE = 1000  # addresses
LINE = 1 << 20  # bytes

Fields: TypeAlias = "dict[str, str | None]"  # of an address; without "url" they name no picture
Row: TypeAlias = "tuple[int, Fields]"  # with its number, from 1


class List:
    """A file whose rows name pictures; ``next`` is the number of rows that were read.

    Args:
        rows: reads it; those up to a number may be left out.
    """

    eager = True

    def __init__(self, path: Path, rows: Callable[[int], Iterator[Row]]) -> None:
        self._path, self._rows = path, rows

    async def pages(self, start: Any = None) -> AsyncIterator[Page]:
        try:
            for page in self._paged(place(start, self._path)):
                yield page
        except OSError as error:
            raise ZooError(f"{self._path}: {error.strerror or error}") from None

    def _paged(self, start: int) -> Iterator[Page]:
        """Yields at least one page, which is empty where there are no addresses."""
        held: list[Address] = []
        read = 0
        for number, fields in self._rows(start):
            url = fields.pop("url", None)
            if number <= start or url is None:
                continue
            if len(held) == PAGE:
                yield Page(tuple(held), read)
                held = []
            held.append(Address(url, **fields))
            read = number
        yield Page(tuple(held))


def place(start: Any, path: Path) -> int:
    """How many rows to skip.

    Raises:
        ZooError: the ``next`` is of another source.
    """
    if start is None:
        return 0
    if isinstance(start, bool) or not isinstance(start, int) or start < 0:
        raise ZooError(f"{path}: {shown(start)!r} is not a row to resume after")
    return start


def text_rows(path: Path, _start: int) -> Iterator[Row]:
    """Reads an address a line."""
    for number, line in lines(path):
        yield number, {} if line.lstrip().startswith("#") else {"url": cleaned(line)}


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
