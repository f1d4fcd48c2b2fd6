"""A model in one zip file, with digests inside, for machines without a network."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import replacing, sha256_of
from zoo.hub import client, layout

SUFFIX = ".zip"
DIGESTS = "digests.json"
FILES = 1000  # most files of an archive
TIME = (1980, 1, 1, 0, 0, 0)  # time of every file: the same model makes the same archive


def pack(files: Mapping[str, Path], path: Path) -> None:
    """Writes an archive.

    Args:
        files: paths by their names in the model's folder.
        path: the zip file.

    Raises:
        ZooError: there are more, other or larger files than :func:`unpack` takes; nothing was written then.
    """
    if len(files) >= FILES:
        raise ZooError(f"not bundled: the model has {len(files):,} files, and at most {FILES - 1} are allowed")
    for name, file in files.items():
        if problem := _problem(name, file.stat().st_size):
            raise ZooError(f"not bundled: {problem}")
    digests = {}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, file in sorted(files.items()):
            content = file.read_bytes()
            digests[name] = hashlib.sha256(content).hexdigest()
            archive.writestr(zipfile.ZipInfo(name, TIME), content)
        archive.writestr(zipfile.ZipInfo(DIGESTS, TIME), json.dumps(digests, indent=2))


def unpack(path: Path) -> Path:
    """Unpacks an archive into the cache, once, verifies each file and returns the folder.

    Raises:
        ZooError: the file is missing, not an archive, damaged, or holds files that do not belong in a model.
    """
    if not path.is_file():
        raise ZooError(f"{path}: no such file")
    folder = client.home() / "bundles" / sha256_of(path)[:32]
    try:
        with zipfile.ZipFile(path) as archive:
            digests = _checked(archive, path)
            if not all(_is(folder / name, want) for name, want in digests.items()):
                _extract(archive, digests, folder, path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ZooError(f"{path}: not a bundle, or damaged: {error}; copy it again") from None
    return folder


def _problem(name: str, size: int, allowed: int | None = None) -> str:
    """Why a file may not be in an archive; empty where it may."""
    allowed = layout.limit(name) if allowed is None else allowed
    if allowed is None:
        return f"{name!r:.100} does not belong in a model"
    return f"{name} has {size:,} bytes, more than {allowed:,}" if size > allowed else ""


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    """The digests in an archive, after the names and sizes of its files were checked."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(names) > FILES or len(set(names)) != len(names):
        raise ZooError(f"{path}: refused, it holds too many files or one of them twice")
    for entry in entries:
        name, link = entry.filename, stat.S_ISLNK(entry.external_attr >> 16)
        problem = _problem(name, entry.file_size, layout.PROSE if name == DIGESTS else None)
        if link or entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            problem = problem or f"{name} is a link, compressed or encrypted, which zoo bundle never writes"
        if problem:
            raise ZooError(f"{path}: refused, {problem}")
    if DIGESTS not in names:
        raise ZooError(f"{path}: not a bundle: {DIGESTS} is missing; make one with zoo bundle NAME -o FILE.zip")
    try:
        digests: Any = json.loads(archive.read(DIGESTS))
    except (ValueError, RecursionError):
        digests = None
    if not isinstance(digests, dict) or set(digests) != set(names) - {DIGESTS}:
        raise ZooError(f"{path}: refused, {DIGESTS} does not list its files")
    return digests


def _extract(archive: zipfile.ZipFile, digests: Mapping[str, str], folder: Path, path: Path) -> None:
    """Extracts file by file, since another process may use or make the same folder."""
    for name, want in digests.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            with archive.open(name) as source, temporary.open("wb") as sink:
                shutil.copyfileobj(source, sink)  # zipfile stops at the size that was checked
            if not _is(temporary, want):
                raise ZooError(f"{path}: refused, {name} is damaged; copy it again")


def _is(path: Path, digest: Any) -> bool:
    return path.is_file() and sha256_of(path) == digest
