"""Catalogues: page after page of answers of an API, whose word is not taken for anything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address, Page
from zoo.collect.sources.values import absolute, shown

STALE = 5  # answers in a row without a new picture, after which there are no more


class Catalogue:
    """The answers to a query.

    Args:
        ask: gives the page at a ``next``, or the first one at None.
    """

    eager = False

    def __init__(self, ask: Callable[[Any], Awaitable[Page]]) -> None:
        self._ask = ask

    async def pages(self, start: Any = None) -> AsyncIterator[Page]:
        known: set[str] = set()  # addresses
        asked: set[str] = set()  # places
        stale = 0
        place = start
        while True:
            asked.add(json.dumps(place, sort_keys=True))
            page = await self._ask(place)
            new: dict[str, Address] = {}
            for address in page.addresses:
                if address.url not in known:
                    new.setdefault(address.url, address)
            known.update(new)
            stale = 0 if new else stale + 1
            place = page.next
            if stale == STALE or json.dumps(place, sort_keys=True) in asked:
                place = None
            yield Page(tuple(new.values()), place)
            if place is None:
                return


def endpoint(name: str, given: str | None, usual: str) -> str:
    """Where to ask.

    Raises:
        ZooError: what the user gives is no address.
    """
    if given is None:
        return usual
    address = absolute(given.strip())
    if address is None:
        raise ZooError(f"{name}: --endpoint {shown(given)}: no address of the web; it begins with https:// or http://")
    return address


def answered(name: str, answer: Any) -> dict[str, Any]:
    """The answer, as an object.

    Raises:
        ZooError: it is none.
    """
    if not isinstance(answer, dict):
        raise ZooError(f"{name}: the answer is no object: {shown(json.dumps(answer)[:1000])}")
    return answer


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none of what is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def lost(name: str, place: Any) -> ZooError:
    return ZooError(f"{name}: {shown(json.dumps(place))!r} is no place in its answers to go on at")
