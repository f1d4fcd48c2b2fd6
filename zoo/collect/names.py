"""File names that are valid and distinct on Linux, macOS and Windows."""

from __future__ import annotations

import hashlib
import unicodedata
from urllib.parse import unquote, urlsplit

from pathvalidate import sanitize_filename

MAX_NAME = 60  # bytes of UTF-8; the whole name stays below the 143 that an encrypted home folder allows
OWN = ("ledger.jsonl", "report.html")  # files of a collection beside the folders of its labels
_DEVICES = {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"}  # reserved by Windows, with any suffix
_DEVICES |= {f"{port}{number}" for port in ("COM", "LPT") for number in range(10)}


def picture_name(url: str, digest: str, suffix: str) -> str:
    """The name of a picture: from its address, for people, and from its content, so that no two pictures share it.

    Args:
        url: address of the picture.
        digest: hexadecimal digest of its content.
        suffix: suffix of the file, such as ".jpg".
    """
    try:
        last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    except ValueError:  # urlsplit is stricter than the HTTP client
        last = ""
    stem = safe(unquote(last).rpartition(".")[0] or unquote(last))
    return f"{stem}-{digest[:16]}{suffix}" if stem else f"{digest[:16]}{suffix}"


def safe(text: str) -> str:
    """The text as a part of a path; characters illegal on any system become "_". The result may be empty."""
    text = unicodedata.normalize("NFC", text.encode(errors="replace").decode())  # lone surrogates become "?"
    text = "".join(letter if letter.isprintable() else "_" for letter in text)
    text = sanitize_filename(text, "_", platform="universal", max_len=255)
    text = text.encode()[:MAX_NAME].decode(errors="ignore")
    text = text.strip(" ._-~")
    device = unicodedata.normalize("NFKC", text.partition(".")[0]).strip().upper() in _DEVICES
    return f"_{text}" if device else text


class Folders:
    """A folder for each label, also where a file system ignores case or how accents are written."""

    def __init__(self) -> None:
        # Folder names, folded as some file system does, and the label that has each.
        self._taken: dict[str, str | None] = dict.fromkeys(OWN)

    def learn(self, label: str, folder: str) -> None:
        """Records the folder that a label has from an earlier run."""
        self._taken[_folded(folder)] = label

    def of(self, label: str) -> str:
        """The folder's name; of labels that look the same to some file system, the first has the plain name."""
        name = plain = safe(label) or "unnamed"
        digest = hashlib.sha256(label.encode(errors="replace"))
        while self._taken.setdefault(_folded(name), label) != label:  # another label looks like this one
            name = f"{plain}-{digest.hexdigest()[:8]}"
            digest.update(b"\0")
        return name


def _folded(name: str) -> str:
    """A key that is equal for names that some file system takes for the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
