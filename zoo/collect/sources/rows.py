"""Lists: turns rows into addresses, with bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.tables import lines
from zoo.collect.addresses import Address
from zoo.collect.sources.values import cleaned

Row: TypeAlias = "dict[str, str | None]"  # fields of an address; a row without "url" names no picture

_ENCLOSED = re.compile(r"<(.*)>|\"(.*)\"|'(.*)'|“(.*)”")
_SECOND = re.compile(r"\t|\s\S*://")  # a tab, or another address


def addresses(path: Path, rows: Iterable[Row]) -> Iterator[Address]:
    """The addresses of a list.

    Raises:
        ZooError: the list cannot be read.
    """
    try:
        for fields in rows:
            url = fields.pop("url", None)
            if url is not None:
                yield Address(url, **fields)
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror or error}") from None


def text_rows(path: Path) -> Iterator[Row]:
    """Reads one address per line; it may stand in quotes or angle brackets, and before a comma.

    Raises:
        ZooError: a line holds more than an address.
    """
    for number, line in lines(path):
        text = line.strip().rstrip(", ")
        if enclosed := _ENCLOSED.fullmatch(text):
            text = enclosed[enclosed.lastindex or 0].strip()
        if text.startswith("#"):
            continue
        if _SECOND.search(text):
            raise ZooError(
                f"{path}: line {number}: more than an address; write one per line, or a .csv or .tsv whose first line "
                "names the columns"
            )
        yield {"url": cleaned(text)}
