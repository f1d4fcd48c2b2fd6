"""JSON Lines: an object a line, or an address alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.tables import lines
from zoo.collect.sources.columns import NAMED, demand, find, scalar
from zoo.collect.sources.rows import Row
from zoo.collect.sources.values import cleaned


def rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    names: dict[str, None] = {}  # names in objects, as many as a message lists
    met: set[str] = set()  # fields found so far
    keys: list[str] | None = None
    for number, line in lines(path):
        entry = _entry(path, number, line)
        if entry is None or isinstance(entry, str):
            url = cleaned(entry)
            met.update(["url"] * (url is not None))
            yield {"url": url}
            continue
        if list(entry) != keys:
            keys = list(entry)
            fields = find(keys, columns)
            met.update(fields)
            names.update(dict.fromkeys(keys if len(names) <= NAMED else ()))
        where = f"{path}: line {number}"
        yield {field: scalar(entry[name], where, field, name) for field, name in fields.items()}
    if names:  # one object may lack a field; if all do, its name is wrong
        demand(path, list(names), met, columns)


def _entry(path: Path, number: int, line: str) -> dict[str, Any] | str | None:
    if not line.strip():
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ZooError(f"{path}: line {number}: not JSON: {error}") from None
    if not isinstance(entry, dict | str):
        raise ZooError(f"{path}: line {number}: neither an object nor an address")
    return entry
