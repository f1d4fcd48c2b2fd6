"""CSV and TSV, whose first line names the columns."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.collect.sources.columns import resolve
from zoo.collect.sources.rows import LINE, Row, lines
from zoo.collect.sources.values import cleaned

_QUOTED = re.compile(r'"[^"]*"')


def rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    records = _records(path)
    names = [name.strip() for name in next(records, [])]
    if not names:
        raise ZooError(f"{path}: empty; the first line must name the columns")
    places = {field: names.index(name) for field, name in resolve(path, names, columns).items()}
    for record in records:
        yield {field: cleaned(record[at]) if at < len(record) else None for field, at in places.items()}


def _records(path: Path) -> Iterator[list[str]]:
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
    for header in given:
        if header.strip():
            break
        size = 0
    else:
        return
    try:
        for record in csv.reader(itertools.chain([header], given), delimiter=_delimiter(header, path)):
            size = 0
            yield record
    except csv.Error as error:
        raise ZooError(f"{path}: line {began}: {error}; is a quote left open?") from None


def _delimiter(header: str, path: Path) -> str:
    """The one that the header has most of."""
    bare = _QUOTED.sub("", header)
    return max("\t,;" if path.suffix.lower() == ".tsv" else ",;\t", key=bare.count)
