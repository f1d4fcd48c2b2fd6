"""Bundled files, reading, and writing of whole files."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError

CHUNK = 1 << 20  # bytes
NAME_BYTES = 255  # most bytes of a file's name
_PACKAGE = Path(__file__).resolve().parents[1]
# The wheel carries recipes and cards inside the package; a checkout has them beside it.
BUNDLED = _PACKAGE / "_bundled" if (_PACKAGE / "_bundled").is_dir() else _PACKAGE.parent


def bundled(kind: str) -> Path:
    """The folder of the bundled ``"recipes"`` or ``"cards"``; it need not exist."""
    return BUNDLED / kind


def expanded(path: str | Path) -> Path:
    """The path with ``~`` expanded; ``~USER`` of a user who does not exist stays."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path.expanduser raises then


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_text(path: Path) -> str:
    """Reads a text in UTF-8.

    Raises:
        ZooError: the file is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ZooError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ZooError: the file is missing or holds no JSON object.
    """
    content = read_any_json(path)
    if not isinstance(content, dict):
        raise ZooError(f"{path}: holds a {type(content).__name__}, not an object")
    return content


def read_any_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        ZooError: the file is missing or holds no JSON.
    """
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_once)
    except FileNotFoundError:
        raise ZooError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:  # errors of JSON, UTF-8 or nesting
        raise ZooError(f"{path}: not JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without duplicate keys, of which Python silently takes the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"duplicate key {twice!r:.60}")
    return content


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a name beside ``path`` to write to; that file replaces ``path`` if the block succeeds, else it is removed.

    No other thread, process or machine that shares the folder gets the same name, and the name is never too long.
    """
    ending = f".{secrets.token_hex(8)}.tmp"
    start = path.name.encode(errors="ignore")[: NAME_BYTES - len(ending) - 1]
    temporary = path.with_name(f".{start.decode(errors='ignore')}{ending}")  # no half of a letter
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace(path: Path, content: str | bytes) -> None:
    """Writes a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
