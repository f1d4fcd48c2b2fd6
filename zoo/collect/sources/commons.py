"""Wikimedia Commons, or another MediaWiki: https://www.mediawiki.org/wiki/API:Search."""

from __future__ import annotations

from typing import Any

from zoo.collect.addresses import Address, Page
from zoo.collect.sources.catalogue import Catalogue, objects
from zoo.collect.sources.values import absolute, cleaned, plain, shown

ENDPOINT = "https://commons.wikimedia.org/w/api.php"
TYPES = frozenset(f"image/{name}" for name in ("jpeg", "png", "webp", "tiff", "bmp", "x-bmp", "x-ms-bmp"))
KEYS = 20  # keys of a place, at most

_ASKED = {
    "action": "query",
    "format": "json",
    "formatversion": "2",
    "maxlag": "5",  # seconds that its databases may lag; beyond, it declines to answer
    "generator": "search",
    "gsrnamespace": "6",  # files
    "gsrlimit": "50",
    "prop": "imageinfo",
    "iiprop": "url|mime|size|extmetadata",
    "iiextmetadatafilter": "LicenseShortName|Artist",
    "iiurlwidth": "1024",
}


class Commons(Catalogue):
    name = "commons"

    async def page(self, place: Any) -> Page:
        address = self.endpoint or ENDPOINT
        question = {**self._continued(place), **_ASKED, "gsrsearch": f"filetype:bitmap {self.query}"}
        answer = self.answered(await self.api(address, question, {}))
        if "error" in answer:
            error = answer["error"] if isinstance(answer["error"], dict) else {}
            raise self.error(f"{shown(plain(error.get('info')) or 'an error')} ({shown(error.get('code', '?'))})")
        if not answer.keys() & {"query", "batchcomplete", "continue"}:
            raise self.error("not an answer of MediaWiki; give the address of its api.php by --endpoint")
        query = answer.get("query")
        pages = query.get("pages") if isinstance(query, dict) else None
        pages = objects(list(pages.values()) if isinstance(pages, dict) else pages)  # by their ids in older wikis
        found = [_address(page, address) for page in sorted(pages, key=_index)]
        self._continued(answer.get("continue"))
        return Page(tuple(address for address in found if address), answer.get("continue") or None)

    def _continued(self, place: Any) -> dict[str, str]:
        """All parameters that an answer wants back in the next request: https://www.mediawiki.org/wiki/API:Continue."""
        if place is None:
            return {}
        if not isinstance(place, dict) or len(place) > KEYS:
            raise self.lost(place)
        if not all(isinstance(key, str) and isinstance(value, str | int) for key, value in place.items()):
            raise self.lost(place)
        return {key: str(value) for key, value in place.items()}


def _index(page: dict[str, Any]) -> float:
    index = page.get("index")
    return index if isinstance(index, int) else float("inf")


def _address(page: dict[str, Any], base: str) -> Address | None:
    info = next(iter(objects(page.get("imageinfo"))), {})
    url = absolute(cleaned(info.get("url")), base)
    if url is None or cleaned(info.get("mime")) not in TYPES:
        return None
    thumbnail = absolute(cleaned(info.get("thumburl")), base)
    about = info.get("extmetadata")
    return Address(
        url,
        thumbnail=thumbnail if thumbnail != url else None,
        license=plain(_told(about, "LicenseShortName")),
        page=absolute(cleaned(info.get("descriptionurl")), base),
        creator=plain(_told(about, "Artist")),
    )


def _told(about: Any, name: str) -> Any:
    entry = about.get(name) if isinstance(about, dict) else None
    return entry.get("value") if isinstance(entry, dict) else None
