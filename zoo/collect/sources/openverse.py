"""Openverse, the search of openly licensed media: https://api.openverse.org/v1/."""

from __future__ import annotations

import os
from typing import Any

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address, Api, Page
from zoo.collect.sources.catalogue import Ask, answered, lost, objects
from zoo.collect.sources.values import absolute, cleaned, plain, shown

ENDPOINT = "https://api.openverse.org/v1/"
TOKEN = "OPENVERSE_TOKEN"  # noqa: S105 - the name of a variable
# Pictures of a page. Without a token 20 are the most, with one 50; and no more than 240 of a query can be had,
# which 48 divides: a page that reaches beyond is refused as a whole.
ANONYMOUS, KNOWN = 20, 48

_NAMES = {"pdm": "PDM", "cc0": "CC0", "sampling+": "CC Sampling+", "nc-sampling+": "CC NC-Sampling+"}


def ask(query: str, api: Api, endpoint: str | None) -> Ask:
    address = (endpoint or ENDPOINT).rstrip("/") + "/images/"
    # It is for the service alone: another endpoint may have been named by whoever made the folder that is gone on with.
    token = "" if endpoint else os.environ.get(TOKEN, "").strip()
    if not (token.isascii() and token.isprintable()):
        raise ZooError(f"openverse: {TOKEN} contains characters that no token has")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    asked = {"q": query, "page_size": str(KNOWN if token else ANONYMOUS), "mature": "false"}

    async def page(place: Any) -> Page:
        number = 1 if place is None else place
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise lost("openverse", place)
        return _page(await api(address, {**asked, "page": str(number)}, headers), number, address)

    return page


def _page(answer: Any, number: int, base: str) -> Page:
    answer = answered("openverse", answer)
    if not isinstance(answer.get("results"), list):
        detail = cleaned(answer.get("detail")) or "an answer without results"
        raise ZooError(f"openverse: {shown(detail)}")
    results = objects(answer["results"])
    count = answer.get("page_count")  # of the pages that may be asked for, not of all that there would be
    more = number < count if isinstance(count, int) else bool(results)
    found = (_address(result, base) for result in results)
    return Page(tuple(address for address in found if address), number + 1 if more else None)


def _address(result: dict[str, Any], base: str) -> Address | None:
    url = absolute(cleaned(result.get("url")), base)
    if url is None:
        return None
    return Address(
        url,
        thumbnail=absolute(cleaned(result.get("thumbnail")), base),
        license=_license(cleaned(result.get("license")), cleaned(result.get("license_version"))),
        page=absolute(cleaned(result.get("foreign_landing_url")), base),
        creator=plain(result.get("creator")),
    )


def _license(code: str | None, version: str | None) -> str | None:
    """The name by which a licence is known: ``CC BY-SA 2.0`` for ``by-sa`` and ``2.0``."""
    if code is None:
        return None
    code = code.lower()
    name = _NAMES.get(code) or (f"CC {code.upper()}" if code.startswith("by") else code)
    return f"{name} {version}" if version else name
