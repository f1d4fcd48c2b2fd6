"""HTML: what it says of its pictures, as it is written there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

from zoo.collect.sources.links import Link, largest, looks_like_address, smallest

# Where pages give the full size, best first; what follows differs: data-full-src, data-zoom-image, data-large-file.
_FULL = ("data-full", "data-zoom", "data-hires", "data-highres", "data-orig", "data-large")
_WORDS = ("title", "caption", "alt", "name")  # data-original-title="cat.jpg"
_LAZY = ("data-src", "data-lazy-src")  # what a script puts into src, where a blank or a blurred picture is so far
_SETS = ("srcset", "data-srcset", "data-lazy-srcset")

_SAVED_FROM = re.compile(r"\s*saved from url=\(\d{1,9}\)(\S+)")

Attributes = Mapping[str, str]


@dataclass(frozen=True)
class Picture:
    """One picture.

    Args:
        full: addresses of it, best first.
        small: addresses of a smaller one, likeliest first.
        pages: addresses of a page that shows it, best first.
    """

    full: list[str]
    small: list[str]
    pages: list[str]


class Markup(HTMLParser):
    """Pictures in the order of the page, those that its head names last, and what tells the page's own address."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base: str | None = None
        self.saved_from: str | None = None
        self.canonical: str | None = None
        self.graph: str | None = None  # og:url
        self._pictures: list[Picture] = []
        self._head: list[Picture] = []
        self._link: Link | None = None
        self._sets: list[str] | None = None  # of an open <picture>, which gives its <img> more addresses
        self._shown = False  # whether that has its <img>
        self._tags: Mapping[str, Callable[[Attributes], None]] = {
            "a": self._a,
            "img": self._img,
            "picture": lambda _: self._picture(),
            "source": self._source,
            "input": lambda attributes: self._plain(attributes, "src", attributes.get("type", "").lower() == "image"),
            "video": lambda attributes: self._plain(attributes, "poster"),
            "base": self._base,
            "link": self._relation,
            "meta": self._meta,
        }
        # <![ is a comment in HTML, and the parser raises for some. Without close(), which would try again at each
        # "<" of what is never closed, a page takes a time that grows with its length.
        self.feed(text.replace("<![", "<!-["))
        self._end_a()
        self._end_picture()

    @property
    def pictures(self) -> list[Picture]:
        return self._pictures + self._head

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if handle := self._tags.get(tag):
            handle({name: value or "" for name, value in reversed(attrs)})

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # <a/> opens a link in HTML

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._end_a()
        elif tag == "picture":
            self._end_picture()

    def handle_comment(self, data: str) -> None:
        if match := _SAVED_FROM.match(data):
            self.saved_from = self.saved_from or match[1]

    def _a(self, attributes: Attributes) -> None:
        self._end_a()
        self._link = Link.of(attributes)

    def _end_a(self) -> None:
        """A link to a picture that shows none itself."""
        if self._link and not self._link.used:
            self._add([], [])
        self._link = None

    def _picture(self) -> None:
        self._end_picture()
        self._sets, self._shown = [], False

    def _source(self, attributes: Attributes) -> None:
        if self._sets is not None:
            self._sets += _srcsets(attributes)

    def _end_picture(self) -> None:
        if self._sets and not self._shown:
            self._add(largest(self._sets), smallest(self._sets))
        self._sets = None

    def _img(self, attributes: Attributes) -> None:
        srcsets = _srcsets(attributes) + (self._sets or [])
        self._shown = True
        names = [name for start in _FULL for name in attributes if name.startswith(start) and not name.endswith(_WORDS)]
        full = [attributes[name] for name in names]
        lazy = [attributes[name] for name in _LAZY if name in attributes]
        src = [attributes.get("src", "")]
        self._add(
            [*filter(looks_like_address, full), *largest(srcsets), *lazy, *src], [*src, *lazy, *smallest(srcsets)]
        )

    def _plain(self, attributes: Attributes, name: str, wanted: bool = True) -> None:
        if wanted and name in attributes:
            self._add([attributes[name]], [])

    def _add(self, full: list[str], small: list[str]) -> None:
        if link := self._link:
            link.used = True
            full, small = link.full + full, link.small + small
        pages = link.pages if link else []
        if any(full):
            self._pictures.append(Picture(full, small, pages))

    def _base(self, attributes: Attributes) -> None:
        self.base = self.base or attributes.get("href")

    def _relation(self, attributes: Attributes) -> None:
        relations, address = attributes.get("rel", "").lower().split(), attributes.get("href", "")
        if "canonical" in relations:
            self.canonical = self.canonical or address
        elif "image_src" in relations:
            self._head.append(Picture([address], [], []))

    def _meta(self, attributes: Attributes) -> None:
        name, content = attributes.get("property", attributes.get("name", "")).lower(), attributes.get("content", "")
        if name == "og:url":
            self.graph = self.graph or content
        elif name in ("og:image", "og:image:url"):
            self._head.append(Picture([content], [], []))


def _srcsets(attributes: Attributes) -> list[str]:
    return [attributes[name] for name in _SETS if name in attributes]
