"""File names that Linux, macOS and Windows all take, and tell apart."""

from __future__ import annotations

import hashlib
import unicodedata
from urllib.parse import unquote, urlsplit

from pathvalidate import sanitize_filename

LONGEST = 60  # bytes of UTF-8; what is added stays below the 143 that an encrypted home folder allows


def picture_name(url: str, digest: str, suffix: str) -> str:
    """The name of a picture by its address, for people, and its content, so that no two pictures share one.

    Args:
        url: where it came from.
        digest: hexadecimal, of its content.
        suffix: such as ".jpg".
    """
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    stem = safe(unquote(last).rpartition(".")[0] or unquote(last))
    return f"{stem}-{digest[:16]}{suffix}" if stem else f"{digest[:16]}{suffix}"


def safe(text: str) -> str:
    """The text as a part of a path; what is illegal anywhere becomes "_", and nothing may be left."""
    text = unicodedata.normalize("NFC", text.encode(errors="replace").decode())  # lone surrogates become "?"
    text = "".join(letter if letter.isprintable() else "_" for letter in text)
    text = sanitize_filename(text, "_", platform="universal", max_len=255)
    text = text.encode()[:LONGEST].decode(errors="ignore")
    return text.strip(" ._-~")


class Folders:
    """A folder for each label, also where a file system ignores case or how accents are written."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}  # what a file system may take for the same, and the label that has it

    def of(self, label: str) -> str:
        """The folder's name; the first label of those that look the same to some file system has the plain one."""
        plain = safe(label) or "unnamed"
        for name in (plain, f"{plain}-{hashlib.sha256(label.encode(errors='replace')).hexdigest()[:8]}"):
            key = unicodedata.normalize("NFKC", name).casefold()
            if self._taken.setdefault(key, label) == label:
                return name
        raise AssertionError("two labels with the same SHA-256")
