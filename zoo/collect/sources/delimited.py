"""CSV and TSV, whose first line names the columns."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address
from zoo.collect.sources.columns import resolve
from zoo.collect.sources.options import Options
from zoo.collect.sources.rows import LINE, List, lines
from zoo.collect.sources.values import cleaned

_QUOTED = re.compile(r'"[^"]*"')


def open_delimited(path: Path, options: Options) -> List:
    return List(path, partial(_rows, path, options.columns))


class _Feed:
    """Lines for the csv module, which asks for more of them in the midst of a row only while a quote is open."""

    def __init__(self, path: Path) -> None:
        self.began = 0  # line
        self._path, self._lines = path, lines(path)
        self._size = 0  # characters of the row so far

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        try:
            number, line = next(self._lines)
        except StopIteration:
            if self._size:
                raise ZooError(f"{self._path}: line {self.began}: a quote is opened and never closed") from None
            raise
        if not self._size:
            self.began = number
        self._size += len(line)
        if self._size > LINE:
            raise ZooError(
                f"{self._path}: line {self.began}: a row of more than {LINE >> 20} MiB; is a quote left open?"
            )
        return line

    def row_ends(self) -> None:
        self._size = 0


def _rows(path: Path, columns: Mapping[str, str], start: int) -> Iterator[tuple[int, Address | None]]:
    records = _records(path)
    names = [name.strip() for name in next(records, [])]
    if not names:
        raise ZooError(f"{path}: empty; its first line has to name the columns")
    places = {field: names.index(name) for field, name in resolve(path, names, columns).items()}
    for number, record in enumerate(records, 1):
        if number > start:
            fields = {field: cleaned(record[at]) if at < len(record) else None for field, at in places.items()}
            url = fields.pop("url")
            yield number, None if url is None else Address(url, **fields)


def _records(path: Path) -> Iterator[list[str]]:
    feed = _Feed(path)
    for header in feed:
        if header.strip():
            break
        feed.row_ends()
    else:
        return
    reader = csv.reader(itertools.chain([header], feed), delimiter=_delimiter(header, path))
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ZooError(f"{path}: line {feed.began}: {error}; is a quote left open?") from None
        feed.row_ends()
        yield record


def _delimiter(header: str, path: Path) -> str:
    """The one that the header has most of."""
    bare = _QUOTED.sub("", header)
    return max("\t,;" if path.suffix.lower() == ".tsv" else ",;\t", key=bare.count)
