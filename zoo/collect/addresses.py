"""Where pictures are said to be, and what reads that out of lists, pages and catalogues."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeAlias

from zoo.hub.errors import SECRET

_PASSWORD = re.compile(r"(?<=//)[^/?#]*@")
_HIDDEN = re.compile(r"\*{3}[0-9a-f]{16}")


@dataclass(frozen=True)
class Address:
    """One picture to fetch, as a source names it: nothing in it has been checked."""

    url: str
    thumbnail: str | None = None  # where a smaller one of the same picture is
    label: str | None = None
    license: str | None = None
    page: str | None = None  # that shows the picture and tells its terms
    creator: str | None = None

    def changed(self, change: Callable[[str], str]) -> Address:
        """With each of its addresses changed."""
        names = ("url", "thumbnail", "page")
        return replace(self, **{name: change(url) for name in names if (url := getattr(self, name))})


@dataclass(frozen=True)
class Page:
    """Addresses in the order of the source."""

    addresses: Iterable[Address]
    next: Any = None  # JSON: where the source goes on after this page; None after the last


# Asks a catalogue politely, by its address, parameters and headers: with retries, the pace of its host and the limits
# of any other answer. Gives the JSON of the answer; without one, or without JSON in it, that is a ZooError.
Api: TypeAlias = "Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[Any]]"


def without_password(url: str) -> str:
    """The address with three asterisks for user and password, which are never sent."""
    return _PASSWORD.sub("***@", url)


def without_secrets(url: str) -> str:
    """The address as others may see it: also with a digest for each token in its query, so that it stays one of a kind.

    Done again, it changes nothing.
    """
    return SECRET.sub(lambda found: f"{found[1]}={_hidden(found[2])}", without_password(url))


def _hidden(secret: str) -> str:
    return secret if _HIDDEN.fullmatch(secret) else f"***{sha256(secret.encode(errors='replace')).hexdigest()[:16]}"
