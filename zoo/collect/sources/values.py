"""Text out of what strangers wrote."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from zoo.base.text import printable

SHOWN = 200  # characters of a stranger's text in a message
MARKUP = 10_000  # characters of HTML that a name can have

_BLOCK = re.compile(r"<(?:br|hr|/?(?:p|div|li|ul|td|tr|table))\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*>")


def cleaned(value: Any) -> str | None:
    """Text without the space around it; None for no text, and for what is none."""
    if not isinstance(value, str):
        return None
    # JSON may hold half of a surrogate pair, which no file in UTF-8 can.
    return value.strip().encode("utf-8", "replace").decode("utf-8") or None


def plain(value: Any) -> str | None:
    """The text of a bit of HTML in one line; None for no text, and for what is none."""
    text = cleaned(value)
    if text is None:
        return None
    text = html.unescape(_TAG.sub("", _BLOCK.sub(" ", text[:MARKUP])))
    return " ".join(text.split()) or None


def shown(value: object) -> str:
    """A stranger's text as a message or a page can show it: short, in one line, without what steers a terminal.

    Joiners, which are letters, stay; what turns the direction of the text that follows does not.
    """
    text = printable(" ".join(str(value).split()), keep="\u200c\u200d")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def absolute(address: str | None, base: str = "") -> str | None:
    """An address of the web, joined to the base where it is relative; None where it is none (``data:``, ``file:``)."""
    if not address:
        return None
    try:
        joined = urljoin(base, address)
        parts = urlsplit(joined)
        return joined if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:  # http://[
        return None
