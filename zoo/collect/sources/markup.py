"""Pictures in HTML, with their addresses as written there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import TypeAlias

from zoo.collect.sources.links import Picture, largest, linked, looks_like_address, smallest

# Prefixes of attributes with the full size, best first, as in data-full-src, data-zoom-image, data-large-file.
_FULL = ("data-full", "data-zoom", "data-hires", "data-highres", "data-orig", "data-large")
_WORDS = ("title", "caption", "alt", "name")  # data-original-title="cat.jpg"
_LAZY = ("data-src", "data-lazy-src")  # a script copies it into src, which first holds a blank or blurred picture
_SETS = ("srcset", "data-srcset", "data-lazy-srcset")

_SAVED_FROM = re.compile(r"\s*saved from url=\(\d{1,9}\)(\S+)")

Attributes: TypeAlias = Mapping[str, str]


class Markup(HTMLParser):
    """Pictures in the order of the page, the ones from its head last, and the addresses that the page gives itself."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base: str | None = None
        self.saved_from: str | None = None
        self.canonical: str | None = None
        self.graph: str | None = None  # og:url
        self._pictures: list[Picture] = []
        self._head: list[Picture] = []
        self._link: Picture | None = None  # the open link
        self._sets: list[str] | None = None  # srcsets of an open <picture>: more addresses for its <img>
        self._shown = False  # whether the open <picture> has had its <img>
        # <![ is a comment in HTML, and the parser raises for some. Without close(), which would try again at each
        # "<" of an unclosed tag, the time grows with the length of the page only.
        self.feed(text.replace("<![", "<!-["))
        self._end("a")
        self._end("picture")

    @property
    def pictures(self) -> list[Picture]:
        return self._pictures + self._head

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in reversed(attrs)}
        match tag:
            case "a":
                self._end(tag)
                self._link, self._used = linked(attributes), False
            case "picture":
                self._end(tag)
                self._sets, self._shown = [], False
            case "source" if self._sets is not None:
                self._sets += _srcsets(attributes)
            case "img":
                self._img(attributes)
            case "input" if attributes.get("type", "").lower() == "image":
                self._add([attributes.get("src", "")], [])
            case "video":
                self._add([attributes.get("poster", "")], [])
            case "base":
                self.base = self.base or attributes.get("href")
            case "link" | "meta":
                self._about(attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # <a/> opens a link in HTML

    def handle_endtag(self, tag: str) -> None:
        self._end(tag)

    def handle_comment(self, data: str) -> None:
        if match := _SAVED_FROM.match(data):
            self.saved_from = self.saved_from or match[1]

    def _end(self, tag: str) -> None:
        """Ends a ``<picture>``, or a link, which may lead to a picture without showing one."""
        if tag == "a":
            if self._link and not self._used:
                self._add([], [])
            self._link = None
        elif tag == "picture":
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

    def _add(self, full: list[str], small: list[str]) -> None:
        link, self._used = self._link or Picture([]), True
        if any(full := link.full + full):
            self._pictures.append(Picture(full, link.small + small, link.pages))

    def _about(self, attributes: Attributes) -> None:
        """Reads what the head says about the page and its picture."""
        relations, address = attributes.get("rel", "").lower().split(), attributes.get("href", "")
        name, content = attributes.get("property", attributes.get("name", "")).lower(), attributes.get("content", "")
        if "canonical" in relations:
            self.canonical = self.canonical or address
        elif "image_src" in relations:
            self._head.append(Picture([address]))
        elif name == "og:url":
            self.graph = self.graph or content
        elif name in ("og:image", "og:image:url"):
            self._head.append(Picture([content]))


def _srcsets(attributes: Attributes) -> list[str]:
    return [attributes[name] for name in _SETS if name in attributes]
