"""JSON Lines: an object a line, or an address alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address
from zoo.collect.sources.columns import NAMED, absent, find, no_url
from zoo.collect.sources.options import Options
from zoo.collect.sources.rows import List, lines
from zoo.collect.sources.values import cleaned


def open_jsonl(path: Path, options: Options) -> List:
    return List(path, partial(_rows, path, options.columns))


def _rows(path: Path, columns: Mapping[str, str], start: int) -> Iterator[tuple[int, Address | None]]:
    names: dict[str, None] = {}  # that objects had, as far as a message lists them
    met: set[str] = set()  # fields
    keys: tuple[str, ...] | None = None
    for number, line in lines(path):
        if number <= start:
            continue
        entry = _entry(path, number, line)
        if entry is None or isinstance(entry, str):
            url = cleaned(entry)
            met.update(["url"] * (url is not None))
            yield number, None if url is None else Address(url)
            continue
        if tuple(entry) != keys:
            keys = tuple(entry)
            fields = find(keys, columns)
            met.update(fields)
            names.update(dict.fromkeys(keys if len(names) <= NAMED else ()))
        yield number, _address(path, number, entry, fields)
    if not start and names:
        _all_met(path, names, met, columns)


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


def _address(path: Path, number: int, entry: Mapping[str, Any], fields: Mapping[str, str]) -> Address | None:
    texts = {field: scalar(entry[name], f"{path}: line {number}", field, name) for field, name in fields.items()}
    url = texts.pop("url", None)
    return None if url is None else Address(url, **texts)


def scalar(value: Any, where: str, field: str, name: str) -> str | None:
    """Text, or a number as text.

    Raises:
        ZooError: a list or an object.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        raise ZooError(f"{where}: {name!r} is {kind}, not text; --column {field}=NAME takes another")
    return None if value is None else cleaned(str(value))


def _all_met(path: Path, names: Mapping[str, None], met: set[str], columns: Mapping[str, str]) -> None:
    """Objects may lack a field; that no object has it is a wrong name.

    Raises:
        ZooError: no object has a field that is asked for, or an address.
    """
    for field, name in columns.items():
        if field not in met:
            raise absent(path, name, names)
    if "url" not in met:
        raise no_url(path, names)
