"""Addresses of pictures in the links and srcsets of a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

from zoo.collect.sources.values import absolute, cleaned

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"})
PARAMETERS = 100  # parameters of a link that are read, at most

_PICTURE = ("imgurl", "mediaurl", "image_url")  # parameters, as the results of searches have them
_PAGE = ("imgrefurl", "purl")
_WORD = re.compile(r"[\s,]*(\S+)")
_DESCRIPTOR = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([wx])\b")


@dataclass(frozen=True)
class Picture:
    """The addresses that a page gives for a picture, or that a link gives for the pictures inside it.

    Args:
        full: addresses of the picture, best first.
        small: addresses of a smaller version, likeliest first.
        pages: addresses of a page that shows the picture, best first.
    """

    full: list[str]
    small: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)


def linked(attributes: Mapping[str, str]) -> Picture:
    """The addresses that an ``<a>`` gives."""
    href, about = attributes.get("href", ""), _about(attributes.get("m", ""))
    if is_picture(href):
        return Picture([href, *about["murl"]], about["turl"], about["purl"])
    carried = _parameters(href)
    pages = [carried[name] for name in _PAGE if name in carried]
    full = [carried[name] for name in _PICTURE if name in carried]
    return Picture([*full, *about["murl"]], about["turl"], [*pages, *about["purl"], href])


def is_picture(address: str) -> bool:
    """Whether the path ends as a picture's does; ``File:cat.jpg`` is a wiki's page about a picture."""
    try:
        name = PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:
        return False
    return ":" not in name and PurePosixPath(name).suffix.lower() in SUFFIXES


def looks_like_address(text: str) -> bool:
    """Whether an attribute, which need not hold an address, holds one."""
    return text.startswith("/") or is_picture(text) or absolute(text) is not None


def _parameters(address: str) -> dict[str, str]:
    """The web addresses among a link's parameters, by their names in small letters."""
    try:
        pairs = parse_qsl(urlsplit(address).query, max_num_fields=PARAMETERS)
    except ValueError:
        return {}
    return {name.lower(): value for name, value in reversed(pairs) if absolute(value)}


def _about(text: str) -> dict[str, list[str]]:
    """Bing's JSON beside a link: addresses of the picture, of a smaller version and of its page."""
    try:
        about = json.loads(text) if text.startswith("{") else {}
    except (ValueError, RecursionError):
        about = {}
    found = {name: cleaned(about.get(name)) for name in ("murl", "turl", "purl")}
    return {name: [address] if address else [] for name, address in found.items()}


def largest(srcsets: Iterable[str]) -> list[str]:
    """The address of the largest candidate, if any; of equal ones the first, with AVIF last."""
    candidates = sorted(_candidates(srcsets), key=lambda candidate: candidate[0].lower().endswith(".avif"))
    return [max(candidates, key=lambda candidate: candidate[1])[0]] if candidates else []


def smallest(srcsets: Iterable[str]) -> list[str]:
    """The address of the smallest candidate, if any."""
    candidates = list(_candidates(srcsets))
    return [min(candidates, key=lambda candidate: candidate[1])[0]] if candidates else []


def _candidates(srcsets: Iterable[str]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Addresses with their widths in pixels (0 if not given) and densities.

    An address may contain commas, but not as its last character: https://html.spec.whatwg.org/#parse-a-srcset-attribute.
    """
    for text in srcsets:
        position = 0
        while match := _WORD.match(text, position):
            address, position = match[1], match.end()
            size = (0.0, 1.0)
            if not address.endswith(","):
                comma = text.find(",", position)
                end = len(text) if comma < 0 else comma
                for number, unit in _DESCRIPTOR.findall(text[position:end]):
                    size = (float(number), size[1]) if unit == "w" else (size[0], float(number))
                position = end
            if address := address.rstrip(","):
                yield address, size
