"""Where pictures are said to be, and what reads that out of lists, pages and catalogues."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Address:
    """One picture to fetch, as a source names it: nothing in it has been checked."""

    url: str
    thumbnail: str | None = None  # where a smaller one of the same picture is
    label: str | None = None
    license: str | None = None
    page: str | None = None  # that shows the picture and tells its terms
    creator: str | None = None


@dataclass(frozen=True)
class Page:
    """Addresses in the order of the source."""

    addresses: Iterable[Address]
    next: Any = None  # JSON: where the source goes on after this page; None after the last


# Asks a catalogue politely, by its address, parameters and headers: with retries, the pace of its host and the limits
# of any other answer. Gives the JSON of the answer; without one, or without JSON in it, that is a ZooError.
Api: TypeAlias = "Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[Any]]"
