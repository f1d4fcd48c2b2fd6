"""Text out of what strangers wrote."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from zoo.base.text import printable

MAX_SHOWN = 200  # characters of a stranger's text in a message
MARKUP = 10_000  # characters of HTML in a name, at most

_BLOCK = re.compile(r"<(?:br|hr|/?(?:p|div|li|ul|td|tr|table))\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*>")


def cleaned(value: Any) -> str | None:
    """Text without the space around it; None for an empty text, and for a value that is no text."""
    if not isinstance(value, str):
        return None
    # JSON may hold half of a surrogate pair, which no file in UTF-8 can.
    return value.strip().encode("utf-8", "replace").decode("utf-8") or None


def plain(value: Any) -> str | None:
    """The text of a bit of HTML in one line; None for an empty text, and for a value that is no text."""
    text = cleaned(value)
    if text is None:
        return None
    text = html.unescape(_TAG.sub("", _BLOCK.sub(" ", text[:MARKUP])))
    return " ".join(text.split()) or None


def shown(value: object) -> str:
    """A stranger's text as a message or a page can show it: short, in one line, without control characters.

    Joiners, which are letters, stay; characters that turn the direction of the text do not.
    """
    text = printable(" ".join(str(value).split()), keep="\u200c\u200d")
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def absolute(address: str | None, base: str = "") -> str | None:
    """A web address, joined to the base if it is relative; None for any other address (``data:``, ``file:``)."""
    if not address:
        return None
    try:
        joined = urljoin(base, address)
        parts = urlsplit(joined)
        return joined if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:  # http://[
        return None
