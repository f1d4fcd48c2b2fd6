"""What the Hub says of a commit, kept on this machine: the sizes and digests of its files, and what names it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from zoo.base.errors import ZooError
from zoo.base.files import CHUNK, read_json, replace

COMMIT = re.compile(r"[0-9a-f]{40}")
SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")


@dataclass(frozen=True)
class Listed:
    """What the Hub says of a file: its size in bytes, and its SHA-256 or, of a file kept by git, its blob's SHA-1."""

    size: int
    sha256: str | None = None
    blob: str | None = None

    @classmethod
    def of(cls, path: Path) -> Listed:
        """What the Hub would say of a file, with both digests."""
        size = path.stat().st_size
        sha256, blob = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
                blob.update(chunk)
        return cls(size, sha256.hexdigest(), blob.hexdigest())

    def difference(self, path: Path) -> str:
        """How the file at a path is not this one; empty where it is."""
        try:
            if (size := path.stat().st_size) != self.size:
                return f"{size} bytes, not {self.size}"
            have = Listed.of(path)
        except FileNotFoundError:
            return "missing"
        found, want = (have.sha256, self.sha256) if self.sha256 else (have.blob, self.blob)
        return "" if found == want else f"digest {found}, not {want}"


def keep(folder: Path, revision: str, commit: str, files: Mapping[str, Listed]) -> None:
    """One file a commit and one a revision, each replaced whole: processes side by side do not mix them.

    Args:
        folder: of the repository's records.
        revision: that named the commit.
        commit: its full name.
        files: what it holds, by path.
    """
    (folder / "commits").mkdir(parents=True, exist_ok=True)
    (folder / "revisions").mkdir(exist_ok=True)
    replace(folder / "commits" / f"{commit}.json", json.dumps({name: vars(listed) for name, listed in files.items()}))
    if revision != commit:
        replace(folder / "revisions" / quote(revision, safe=""), commit)


def commit_of(folder: Path, revision: str) -> str | None:
    """The commit that a revision named when the Hub was asked last; None where it was not, or the record is damaged."""
    if COMMIT.fullmatch(revision):
        return revision
    try:
        named = (folder / "revisions" / quote(revision, safe="")).read_bytes().decode("ascii", "replace").strip()
    except OSError:
        named = ""
    if COMMIT.fullmatch(named):
        return named
    if not SHORT_COMMIT.fullmatch(revision):
        return None
    known = [path.stem for path in (folder / "commits").glob(f"{revision}*.json")]
    return known[0] if len(known) == 1 else None


def files_of(folder: Path, commit: str) -> dict[str, Listed] | None:
    """What is kept of a commit; None where there is nothing, or nothing that can be read."""
    try:
        kept = read_json(folder / "commits" / f"{commit}.json")
        files = {name: Listed(**listed) for name, listed in kept.items()}
    except (ZooError, TypeError):
        return None
    sound = all(type(each.size) is int and isinstance(each.sha256 or each.blob, str) for each in files.values())
    return files if sound else None
