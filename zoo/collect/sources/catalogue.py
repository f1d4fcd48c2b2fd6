"""Catalogues: page after page of answers of an API; nothing in an answer is trusted."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address, Api, Page
from zoo.collect.sources.values import shown

STALE = 5  # answers in a row without a new picture, after which there are no more


class Catalogue(ABC):
    """The answers to a query.

    Args:
        api: function that asks the API.
        endpoint: address of the API, if it is not the usual one.
    """

    name: ClassVar[str]

    def __init__(self, query: str, api: Api, endpoint: str | None) -> None:
        self.query, self.api, self.endpoint = query, api, endpoint

    @abstractmethod
    async def page(self, place: Any) -> Page:
        """Asks for the page at ``place``, the ``next`` of the page before; None: the first page."""

    async def pages(self, start: Any = None) -> AsyncIterator[Page]:
        """Reads page after page.

        Args:
            start: the ``next`` of an earlier page; None: the beginning.

        Raises:
            ZooError: the error that the catalogue reports.
        """
        known: set[str] = set()  # addresses
        asked: set[str] = set()  # places
        stale = 0
        place = start
        while True:
            asked.add(json.dumps(place, sort_keys=True))
            page = await self.page(place)
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

    def answered(self, answer: Any) -> dict[str, Any]:
        """The answer, as an object.

        Raises:
            ZooError: the answer is not an object.
        """
        if not isinstance(answer, dict):
            raise self.error(f"the answer is not an object: {shown(json.dumps(answer)[:1000])}")
        return answer

    def lost(self, place: Any) -> ZooError:
        return self.error(f"{shown(json.dumps(place))!r} is not a place to resume at")

    def error(self, text: str) -> ZooError:
        return ZooError(f"{self.name}: {text}")


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty if the value is not a list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
