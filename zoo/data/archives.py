"""Zip and tar.gz archives, extracted whole or not at all, and only into their own folder."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import IO, NamedTuple

from zoo.base.errors import ZooError
from zoo.data.download import naming_disk_errors

CHUNK = 1 << 20  # bytes
DAMAGE = (EOFError, RuntimeError, ValueError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile)


def extract(archive: Path, into: Path, *, strip: str = "", max_bytes: int = 4 << 30) -> None:
    """Extract a zip or tar.gz archive to a new folder, which appears only when all of it is there.

    Args:
        archive: its first bytes, not its name, say which kind it is.
        into: must not exist yet.
        strip: how the names of the wanted members begin; cut off them.
        max_bytes: the most that all members together may hold.

    Raises:
        ZooError: the archive is damaged, too big, holds nothing wanted, or a member that climbs out of the folder or,
            though wanted, is no regular file.
    """
    if not archive.is_file():
        raise ZooError(f"{archive} is not there")
    if into.exists():
        raise ZooError(f"{into} exists already; move it away to extract {archive} there")
    with naming_disk_errors(into), _naming_damage(archive):
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{into.name}-", dir=into.parent) as temporary:
            whole = Path(temporary, into.name)
            whole.mkdir()
            _extract(archive, whole, strip, max_bytes)
            whole.replace(into)


def _extract(archive: Path, folder: Path, strip: str, max_bytes: int) -> None:
    left = max_bytes
    for member in _members(archive):
        left -= member.size
        if left < 0:
            raise ZooError(f"{archive} would take more than {max_bytes} bytes; nothing was extracted")
        name = member.name.removeprefix(strip)
        if _climbs(member.name) or _climbs(name):  # "top//etc" does so only once "top/" is off
            raise ZooError(f"{archive}: {member.name!r} would lie outside the folder; nothing was extracted")
        if member.name.startswith(strip):
            _write(member, folder / name)
    if not any(folder.iterdir()):
        raise ZooError(f"{archive} holds no {strip or 'file'}")


class _Member(NamedTuple):
    name: str
    size: int
    stream: IO[bytes] | None  # None where it is a link, a device or the like


def _members(archive: Path) -> Iterator[_Member]:
    """All but the folders of an archive; each stream is good until the next member."""
    with archive.open("rb") as file:
        magic = file.read(2)
    if magic == b"PK":
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
                if not info.is_dir():
                    yield _Member(info.filename, info.file_size, bundle.open(info) if regular else None)
    elif magic == b"\x1f\x8b":
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for entry in tar:
                if not entry.isdir():
                    yield _Member(entry.name, entry.size, tar.extractfile(entry) if entry.isreg() else None)
            while stream.read(CHUNK):  # to the end, where gzip keeps its checksum
                pass
    else:
        raise ZooError(f"{archive} is neither a zip nor a tar.gz archive")


def _climbs(name: str) -> bool:
    path = PureWindowsPath(name)  # knows both slashes, and drives
    return bool(path.anchor) or ".." in path.parts


def _write(member: _Member, path: Path) -> None:
    if member.stream is None:
        raise ZooError(f"{member.name!r} in the archive is a link or a device, no regular file; nothing was extracted")
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.stream as source, path.open("xb") as file:
        shutil.copyfileobj(source, file)


@contextmanager
def _naming_damage(archive: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise ZooError(f"{archive} is damaged or no archive: {error}") from error
