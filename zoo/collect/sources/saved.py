"""Saved pages: any web page, or the results of a search, as a browser saves them."""

from __future__ import annotations

import codecs
import email
import re
from collections import Counter
from collections.abc import Iterable
from email.message import Message
from pathlib import Path
from urllib.parse import unquote, urldefrag

from zoo.base.errors import ZooError
from zoo.collect.sources.links import Picture
from zoo.collect.sources.markup import Markup
from zoo.collect.sources.rows import Row
from zoo.collect.sources.values import absolute

LIMIT = 64 << 20  # bytes
HEAD = 4096  # bytes in which a page tells its encoding

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CHARSET = re.compile(rb"<meta[^>]{1,500}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
# Python also has codecs that are slow, or not encodings of pages.
_ENCODINGS = ("ascii", "big5", "cp", "euc", "gb", "iso8859", "iso2022", "koi8", "mac", "shift_jis", "tis", "utf-8")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


class _Addresses:
    """Completes the addresses in a page, and counts those that cannot be completed.

    Args:
        base: address that relative addresses are joined to.
    """

    def __init__(self, path: Path, base: str | None) -> None:
        self.relative = self.local = 0
        self._path, self._base = path, base
        self._folders: dict[str, bool] = {}

    def picture(self, written: str) -> str | None:
        address = self.whole(written)
        if address is None and (text := _bare(written)) and not _SCHEME.match(text):
            self.local += self._is_copy(text)
            self.relative += not self._is_copy(text)
        return urldefrag(address)[0] if address else None

    def whole(self, written: str) -> str | None:
        text = _bare(written)
        if not text or text.startswith("#"):
            return None
        if _SCHEME.match(text):
            return absolute(text)
        if self._base is None:
            return absolute(f"https:{text}") if text.startswith("//") else None
        return None if self._is_copy(text) else absolute(text, self._base)

    def _is_copy(self, text: str) -> bool:
        """Whether a path lies in the folder that the browser made beside the page: ``page_files``, ``page-Dateien``."""
        folder = unquote(text.removeprefix("./").partition("/")[0])
        if folder not in self._folders:
            mine = bool(folder) and folder != self._path.stem and folder.startswith(self._path.stem)
            self._folders[folder] = folder.endswith("_files") or (mine and (self._path.parent / folder).is_dir())
        return self._folders[folder]


def rows(path: Path, base: str | None) -> list[Row]:
    """Reads the pictures in a file of HTML, or of MIME HTML, each once.

    Raises:
        ZooError: the file is too large, or it has pictures but none with a usable address.
    """
    text, told = _read(path)
    markup = Markup(text)
    names = (told, markup.saved_from, markup.canonical, markup.graph, base)
    own = next(filter(None, map(absolute, map(_bare, names))), None)
    addresses = _Addresses(path, base or absolute(_bare(markup.base), own or "") or own)
    found: dict[str, Row] = {}
    for picture in markup.pictures:
        if fields := _fields(picture, addresses, own):
            found.setdefault(str(fields["url"]), fields)
    if not found and addresses.relative:
        raise ZooError(f"{path}: its pictures have relative addresses; give the address of the page by --base URL")
    if not found and addresses.local:
        raise ZooError(f"{path}: names only the copies of pictures that were saved with it\nsave the page as HTML only")
    # A thumbnail that several pictures share is the blank that stands in for them until a script runs.
    times = Counter(fields["thumbnail"] for fields in found.values())
    for fields in found.values():
        if times[fields["thumbnail"]] > 1:
            fields["thumbnail"] = None
    return list(found.values())


def _fields(picture: Picture, addresses: _Addresses, own: str | None) -> Row | None:
    full = _whole(map(addresses.picture, picture.full))
    if not full:
        return None
    small = [*(urldefrag(address)[0] for address in _whole(map(addresses.whole, picture.small))), *full]
    page = next(iter(_whole(map(addresses.whole, picture.pages))), own)
    return {"url": full[0], "thumbnail": next((one for one in small if one != full[0]), None), "page": page}


def _whole(addresses: Iterable[str | None]) -> list[str]:
    return [address for address in addresses if address]


def _bare(address: str | None) -> str:
    """The address without the space around it, and without tabs and line breaks."""
    return re.sub(r"[\t\r\n]", "", address or "").strip()


def _read(path: Path) -> tuple[str, str | None]:
    """The text of a page, and its address if the file gives one beside the text."""
    with path.open("rb") as file:
        content = file.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise ZooError(f"{path}: has more than {LIMIT >> 20} MiB; not a page")
    if path.suffix.lower() not in (".mhtml", ".mht"):
        return _decoded(content), None
    try:
        return _of_mime(email.message_from_bytes(content))
    except (ValueError, LookupError, TypeError, RecursionError):  # RecursionError: parts within parts
        raise ZooError(f"{path}: no page in it") from None


def _of_mime(message: Message) -> tuple[str, str | None]:
    for part in message.walk():
        if part.get_content_type() in ("text/html", "application/xhtml+xml"):
            body = part.get_payload(decode=True)
            address = part.get("Content-Location") or message.get("Snapshot-Content-Location")
            charset = part.get_content_charset()
            return _decoded(body if isinstance(body, bytes) else b"", charset), str(address) if address else None
    raise LookupError("text/html")


def _decoded(content: bytes, told: str | None = None) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    match = _CHARSET.search(content[:HEAD])
    name = told or (match[1].decode("ascii", "replace") if match else "utf-8")
    try:
        encoding = codecs.lookup(name).name
    except (LookupError, ValueError):
        encoding = "utf-8"
    return content.decode(encoding if encoding.startswith(_ENCODINGS) else "utf-8", "replace")
