"""CSV and TSV, whose first line names the columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.tables import records
from zoo.collect.sources.columns import resolve
from zoo.collect.sources.rows import Row
from zoo.collect.sources.values import cleaned


def rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    found = records(path)
    _, names = next(found, (0, []))
    if not names:
        raise ZooError(f"{path}: empty; the first line must name the columns")
    places = {field: names.index(name) for field, name in resolve(path, names, columns).items()}
    for _, record in found:
        yield {field: cleaned(record[at]) if at < len(record) else None for field, at in places.items()}
