"""Openverse, the search of openly licensed media: https://api.openverse.org/v1/."""

from __future__ import annotations

import os
from typing import Any

from zoo.collect.addresses import Address, Page
from zoo.collect.sources.catalogue import Catalogue, objects
from zoo.collect.sources.values import absolute, cleaned, plain, shown

ENDPOINT = "https://api.openverse.org/v1/"
TOKEN = "OPENVERSE_TOKEN"  # noqa: S105 - the name of a variable
# Pictures per page: at most 20 without a token, 50 with a token. A query gives at most 240 pictures, and a page that
# reaches beyond is refused as a whole; 48 divides 240.
ANONYMOUS, KNOWN = 20, 48

_NAMES = {"pdm": "PDM", "cc0": "CC0", "sampling+": "CC Sampling+", "nc-sampling+": "CC NC-Sampling+"}


class Openverse(Catalogue):
    name = "openverse"

    async def page(self, place: Any) -> Page:
        number = 1 if place is None else place
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise self.lost(place)
        # The token is for Openverse alone: whoever made a resumed folder may have named another endpoint.
        token = "" if self.endpoint else os.environ.get(TOKEN, "").strip()
        if not (token.isascii() and token.isprintable()):
            raise self.error(f"{TOKEN} contains characters that no token has")
        address = (self.endpoint or ENDPOINT).rstrip("/") + "/images/"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        size = KNOWN if token else ANONYMOUS
        question = {"q": self.query, "page_size": str(size), "mature": "false", "page": str(number)}
        answer = self.answered(await self.api(address, question, headers))
        if not isinstance(answer.get("results"), list):
            raise self.error(shown(cleaned(answer.get("detail")) or "an answer without results"))
        results = objects(answer["results"])
        count = answer.get("page_count")  # pages that may be requested, not all that exist
        more = number < count if isinstance(count, int) else bool(results)
        found = (_address(result, address) for result in results)
        return Page(tuple(one for one in found if one), number + 1 if more else None)


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
