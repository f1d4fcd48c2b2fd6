"""Addresses of pictures, as lists, pages and catalogues give them."""

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
    thumbnail: str | None = None  # address of a smaller version of the picture
    label: str | None = None
    license: str | None = None
    page: str | None = None  # address of a page with the picture and its terms
    creator: str | None = None

    def changed(self, change: Callable[[str], str]) -> Address:
        """A copy with each of its addresses changed."""
        names = ("url", "thumbnail", "page")
        return replace(self, **{name: change(url) for name in names if (url := getattr(self, name))})


@dataclass(frozen=True)
class Page:
    """Addresses in the order of the source."""

    addresses: Iterable[Address]
    next: Any = None  # JSON: the place of the next page in the source; None after the last


# Asks a catalogue politely, by its address, parameters and headers: with retries, at the pace of its host, and within
# the limits of any other answer. Returns the JSON of the answer. Raises ZooError if there is no answer or no JSON.
Api: TypeAlias = "Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[Any]]"


def without_password(url: str) -> str:
    """The address with three asterisks for user and password, which are never sent."""
    return _PASSWORD.sub("***@", url)


def without_secrets(url: str) -> str:
    """The address as others may see it: without password, and with a digest for each token, so that it stays unique.

    A second call changes nothing.
    """
    return SECRET.sub(lambda found: f"{found[1]}={_hidden(found[2])}", without_password(url))


def _hidden(secret: str) -> str:
    return secret if _HIDDEN.fullmatch(secret) else f"***{sha256(secret.encode(errors='replace')).hexdigest()[:16]}"
