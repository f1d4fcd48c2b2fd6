"""Reads texts by lines and tables by rows, as people have them: UTF-8 or UTF-16, commas, semicolons or tabs."""

from __future__ import annotations

import codecs
import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, AnyStr

from zoo.base.errors import ZooError

LINE = 1 << 20  # most bytes, or characters of UTF-16, of a line, and characters of a row
_QUOTED = re.compile(r'"[^"]*"')


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text, counted from 1, each with its line ending.

    Args:
        path: path of a file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises:
        ZooError: a line is too long, in another encoding, or has a NUL.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    for number, line in _utf16(path) if marked else _utf8(path):
        if "\0" in line:
            raise ZooError(f"{path}: line {number}: has a NUL byte; not UTF-8, or UTF-16 without a byte order mark")
        yield number, line


def _utf16(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-16", newline="\n") as file:
        try:
            yield from _pieces(file, path)
        except UnicodeError as error:
            raise ZooError(f"{path}: not UTF-16: {error}; convert the file to UTF-8") from None


def _utf8(path: Path) -> Iterator[tuple[int, str]]:
    offset = 0
    with path.open("rb") as file:
        for number, line in _pieces(file, path):
            bare = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            try:
                yield number, bare.decode("utf-8")
            except UnicodeDecodeError as error:
                at = offset + len(line) - len(bare) + error.start
                where = f"byte {at:,} is 0x{bare[error.start]:02x}, {error.reason}"
                raise ZooError(f"{path}: line {number}: not UTF-8: {where}; convert the file to UTF-8") from None
            offset += len(line)


def _pieces(file: IO[AnyStr], path: Path) -> Iterator[tuple[int, AnyStr]]:
    """The lines of a file; a line that is too long is not read whole."""
    for number in itertools.count(1):
        if not (line := file.readline(LINE + 1)):
            return
        if len(line) > LINE:
            raise ZooError(f"{path}: line {number} has more than {LINE >> 20} MiB; not a list")
        yield number, line


def records(path: Path, cells: int | None = None) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, each with the number of its first line; empty rows are left out.

    Args:
        path: path of a .csv or .tsv in an encoding of :func:`lines`.
        cells: number of cells of a row, which tells the delimiter if several are possible.

    Raises:
        ZooError: see :func:`lines`; or a quote is left open.
        OSError: the file cannot be read.
    """
    began = size = 0  # line and characters of a row; the csv module asks for more of them only while a quote is open

    def feed() -> Iterator[str]:
        nonlocal began, size
        for number, line in lines(path):
            began = began if size else number
            size += len(line)
            if size > LINE:
                where = f"{path}: line {began}"
                raise ZooError(f"{where}: a row has more than {LINE >> 20} MiB; is a quote left open?")
            yield line
        if size:
            raise ZooError(f"{path}: line {began}: a quote is never closed")

    given = feed()
    for first in given:
        if first.strip():
            break
        size = 0
    else:
        return
    delimiter = _delimiter(first, path, cells)
    try:
        for record in csv.reader(itertools.chain([first], given), delimiter=delimiter, skipinitialspace=True):
            size = 0
            if any(map(str.strip, record)):
                yield began, [cell.strip() for cell in record]
    except csv.Error as error:
        raise ZooError(f"{path}: line {began}: {error}; is a quote left open?") from None


def _delimiter(first: str, path: Path, cells: int | None) -> str:
    """The delimiter that splits the first row into the wanted number of cells, else the most frequent one."""
    bare = _QUOTED.sub("", first)
    likeliest = "\t,;" if path.suffix.lower() == ".tsv" else ",;\t"
    return max(likeliest, key=lambda each: (bare.count(each) + 1 == cells, bare.count(each)))


def places(header: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """Where the columns of these names stand, in any order and case; None where one is missing."""
    known = [cell.casefold() for cell in header]
    wanted = [name.casefold() for name in names]
    return [known.index(name) for name in wanted] if set(wanted) <= set(known) else None
