"""``ledger.jsonl``: one line for each address, and what became of it.

``status`` is one of

- ``saved``: the picture is ``file``;
- ``thumbnail``: the picture could not be fetched, its thumbnail is ``file``;
- ``duplicate``, ``near_duplicate``: ``of`` is a file with the same bytes, or that looks the same;
- ``rejected``: the content is not wanted: not a picture, damaged, too small, too large;
- ``forbidden``: robots.txt forbids the address, so it was never requested;
- ``blocked``: not an address of the public internet by http or https, so it was never requested;
- ``failed``: nothing came; a retry may succeed.

Addresses have no secrets: asterisks replace a password; asterisks and a digest replace a token in a query.
``final_url`` is the last address that was requested. ``bytes`` and ``digest`` (SHA-256) describe the file, ``type`` is
by its content, ``size`` is width and height, ``phash`` the perceptual hash. ``arrived`` is the digest of the download
if the file was re-encoded. ``requests`` counts the requests for the address; ``time`` (UTC) is when it was settled.
"""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from types import NoneType
from typing import Any, TextIO, cast

from zoo.base.errors import ZooError
from zoo.base.files import replacing
from zoo.collect.addresses import without_secrets
from zoo.collect.guard import PRIVATE

KEPT = ("saved", "thumbnail")
FAILURES = ("rejected", "forbidden", "blocked", "failed")
FIELDS = (  # fields of every line, in this order; null where there is nothing to say
    *("url", "status", "reason", "file", "split", "of", "final_url", "bytes", "digest", "type", "size", "phash"),
    *("label", "license", "creator", "page", "thumbnail", "arrived", "requests", "time"),
)
STATUSES = (*KEPT, "duplicate", "near_duplicate", *FAILURES)


def key_of(url: str) -> int:
    """A number for an address, the same without its secrets; 64 bits do not collide in practice."""
    plain = without_secrets(url.partition("#")[0])
    return int.from_bytes(blake2b(plain.encode(errors="replace"), digest_size=8).digest(), "big")


class Ledger:
    """The file, which is append-only except in :meth:`compact`; the last line of an address counts.

    Args:
        path: path of the file; an incomplete last line is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        mend(path)
        self._file = _open(path, "a")

    def append(self, record: Mapping[str, Any]) -> None:
        _write(self._file, {name: record.get(name) for name in FIELDS})
        self._file.flush()

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return read(self.path)

    def compact(self) -> None:
        """Keeps only the last line of each address, in the place of its first."""
        seen: set[int] = set()
        late: dict[int, dict[str, Any]] = {}
        for record in self:
            key = key_of(record["url"])
            if key in seen:
                late[key] = record
            seen.add(key)
        if not late:
            return
        with replacing(self.path) as temporary, _open(temporary, "w") as file:
            for record in self:
                key = key_of(record["url"])
                if key in seen:
                    seen.remove(key)
                    _write(file, late.get(key, record))
            file.flush()
            os.fsync(file.fileno())
        self._file.close()
        self._file = _open(self.path, "a")


def _open(path: Path, mode: str) -> TextIO:
    # Half a surrogate pair in a list of addresses, which UTF-8 cannot encode, becomes its JSON escape.
    return cast(TextIO, path.open(mode, encoding="utf-8", errors="backslashreplace"))


def _write(file: TextIO, record: Mapping[str, Any]) -> None:
    file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a ledger.

    Raises:
        ZooError: a line is not a record.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if not _is_record(record):
                raise ZooError(f"{path}, line {number}: not a ledger record; delete it to fetch its address again")
            yield record


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get("url"), str):
        return False
    return record.get("status") in STATUSES and isinstance(record.get("file"), (str, NoneType))


def is_private(record: Mapping[str, Any]) -> bool:
    """Whether a line's address was not requested because it is not a public one."""
    return record["status"] in FAILURES and PRIVATE in str(record.get("reason"))


def is_whole(record: dict[str, Any]) -> bool:
    """Whether a line has valid fields to compare other pictures with."""
    phash, label = record.get("phash"), record.get("label")
    return (
        all(isinstance(record.get(name), str) for name in ("file", "digest"))
        and "\0" not in record["file"]
        and isinstance(label, (str, NoneType))
        and (phash is None or (isinstance(phash, str) and re.fullmatch("[0-9a-f]{16}", phash) is not None))
    )


def mend(path: Path) -> None:
    """Cuts off an incomplete last line."""
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            end = content.rfind(b"\n") + 1
        os.truncate(path, end)
