"""Text: an address a line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from zoo.collect.addresses import Address
from zoo.collect.sources.options import Options
from zoo.collect.sources.rows import List, lines
from zoo.collect.sources.values import cleaned


def open_text(path: Path, _: Options) -> List:
    return List(path, partial(_rows, path))


def _rows(path: Path, start: int) -> Iterator[tuple[int, Address | None]]:
    for number, line in lines(path):
        if number > start:
            url = cleaned(line)
            yield number, None if url is None or url.startswith("#") else Address(url)
