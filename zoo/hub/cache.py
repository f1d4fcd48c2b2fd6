"""Cached facts of a commit on the Hub: sizes and digests of its files, and the revisions that name it."""

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
    """What the Hub lists for a file: its size in bytes, and its SHA-256 or, if git keeps it, the SHA-1 of its blob."""

    size: int
    sha256: str | None = None
    blob: str | None = None

    @classmethod
    def of(cls, path: Path) -> Listed:
        """What the Hub would list for a file, with both digests."""
        size = path.stat().st_size
        sha256, blob = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
                blob.update(chunk)
        return cls(size, sha256.hexdigest(), blob.hexdigest())

    def difference(self, path: Path) -> str:
        """How the file at a path differs from this one; empty if it does not."""
        try:
            if (size := path.stat().st_size) != self.size:
                return f"{size} bytes, not {self.size}"
            have = Listed.of(path)
        except FileNotFoundError:
            return "missing"
        found, want = (have.sha256, self.sha256) if self.sha256 else (have.blob, self.blob)
        return "" if found == want else f"digest {found}, not {want}"


def keep(folder: Path, revision: str, commit: str, files: Mapping[str, Listed]) -> None:
    """Stores the file list of a commit, under its name and under the requested revision.

    Each list is a file that is replaced whole: parallel processes do not mix them.

    Args:
        folder: folder of the repository's records.
        revision: revision that named the commit.
        commit: full name of the commit.
        files: its files by path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"commit": commit, "files": {name: vars(listed) for name, listed in files.items()}})
    for name in (commit, revision):
        replace(_path(folder, name), content)


def recall(folder: Path, revision: str) -> tuple[str, dict[str, Listed]] | None:
    """The commit that the Hub last gave for a revision, and its files; None if no valid record is kept."""
    paths = [_path(folder, revision)]
    if SHORT_COMMIT.fullmatch(revision) and not paths[0].exists():
        paths = [path for path in folder.glob(f"{revision}*") if COMMIT.fullmatch(path.stem)]
    try:
        [path] = paths
        kept = read_json(path)
        commit, files = kept["commit"], {name: Listed(**listed) for name, listed in kept["files"].items()}
        digests = all(type(each.size) is int and isinstance(each.sha256 or each.blob, str) for each in files.values())
        return (commit, files) if COMMIT.fullmatch(commit) and digests and files else None
    except (ZooError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _path(folder: Path, revision: str) -> Path:
    return folder / f"{quote(revision, safe='')}.json"
