"""Bundled files, the message for a name that is none of them, and writing that leaves no halves."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import secrets
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError

CHUNK = 1 << 20  # bytes
NAME_BYTES = 255  # of a file's name, at most
LINE = 200  # characters of a line of names
_PACKAGE = Path(__file__).resolve().parents[1]
# The wheel carries recipes and cards inside the package; a checkout has them beside it.
BUNDLED = _PACKAGE / "_bundled" if (_PACKAGE / "_bundled").is_dir() else _PACKAGE.parent


def bundled(kind: str) -> Path:
    """The folder of the bundled ``"recipes"`` or ``"cards"``; it need not exist."""
    return BUNDLED / kind


def expanded(path: str | Path) -> Path:
    """With ``~`` as what it stands for; that of a user who does not exist stays."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path's own ends in an error there


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``"; did you mean X?"`` with the nearest of the names, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def unknown(what: str, name: str, names: Iterable[str]) -> ZooError:
    """The error for a name that does not exist, with the nearest one and the list."""
    known = sorted(set(names))
    return ZooError(f"no {what} {name!r}{did_you_mean(name, known)}\nthere are: {listing(known) or 'none'}")


def listing(names: Iterable[str]) -> str:
    """Names in as few lines as can be read, long as terminals are wide nowadays."""
    return textwrap.fill(", ".join(names), LINE)


def printable(text: str, keep: str = "") -> str:
    """The text with a question mark for whatever could steer a terminal, but for the characters to keep.

    What is shown may come from a stranger's card.
    """
    return "".join(letter if letter.isprintable() or letter in keep else "?" for letter in text)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_text(path: Path) -> str:
    """A text in UTF-8.

    Raises:
        ZooError: it is none.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ZooError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ZooError: no such file, or no JSON object in it.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ZooError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:  # of JSON, of UTF-8, of nesting
        raise ZooError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ZooError(f"{path}: holds a {type(content).__name__}, not an object")
    return content


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a name beside ``path`` to write to; what is there takes its place if the block ends well, else it goes.

    No other thread, process or machine that shares the folder gets the same name, and it is as long as a name may be.
    """
    ending = f".{secrets.token_hex(8)}.tmp"
    start = path.name.encode()[: NAME_BYTES - len(ending) - 1].decode(errors="ignore")  # no half of a letter
    temporary = path.with_name(f".{start}{ending}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace(path: Path, content: str | bytes) -> None:
    """Writes a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
