"""Pictures in a tar, such as a shard of webdataset; nothing is unpacked to the disk."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator, Set
from functools import partial
from pathlib import Path, PurePosixPath

from zoo.base.errors import ZooError
from zoo.base.text import printable
from zoo.pictures.folders import Found
from zoo.pictures.held import PicturePath
from zoo.pictures.images import SUFFIXES

SUFFIX = ".tar"
PACKED = (".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")  # in which no member can be reached by itself
MOST = 1 << 29  # bytes of a member that is a picture


def is_tar(path: Path) -> bool:
    """Whether a file is named like a tar, also like one that is compressed."""
    return path.name.lower().endswith((SUFFIX, *PACKED)) and path.is_file()


def find(tar: Path, suffixes: Set[str] = SUFFIXES) -> Found:
    """The pictures in a tar, in its order, as paths below it.

    Members whose names begin with a dot are left out, as in folders.

    Args:
        suffixes: wanted suffixes in small letters.

    Raises:
        ZooError: the file is no tar, compressed or cut off; or a picture's name leads out of it, is a link, or is
            larger than 512 MB.
    """
    if tar.name.lower().endswith(PACKED):
        raise ZooError(f"{tar}: a compressed tar; decompress it to a .tar first")
    pictures, others = list[Path](), Counter[str]()
    for member in _members(tar):
        name = PurePosixPath(member.name)
        if member.isdir() or any(part.startswith(".") and part != ".." for part in name.parts):
            continue
        if (suffix := name.suffix.lower()) not in suffixes:
            others[suffix] += 1
            continue
        _check(tar, member, name)
        path = PicturePath(tar / name)
        path.content, path.archive = partial(_read, tar, member.offset_data, member.size), tar
        pictures.append(path)
    return Found(pictures, others)


def _members(tar: Path) -> Iterator[tarfile.TarInfo]:
    """The members by their headers; what lies between them is not read."""
    count = 0
    try:
        with tarfile.open(tar, "r:") as file:
            for member in file:
                count += 1
                yield member
    except (tarfile.TarError, OverflowError, ValueError) as error:
        told = f"damaged or cut off after {count} members" if count else f"not a tar ({error})"
        raise ZooError(f"{tar}: {told}") from None
    except OSError as error:
        raise ZooError(f"{tar}: {error.strerror or error}") from None


def _check(tar: Path, member: tarfile.TarInfo, name: PurePosixPath) -> None:
    """Refuses a member that is no plain picture inside the tar."""
    told = ""
    if name.is_absolute() or ".." in name.parts or "\0" in member.name:
        told = "its name leads out of the tar"
    elif not member.isreg() or member.issparse():
        told = "it is a link or a special file, not a picture"
    elif member.size > MOST:
        told = f"it has {member.size:,} bytes, and {MOST:,} are allowed"
    if told:
        raise ZooError(f"{tar}: refused for its member {printable(member.name):.200}: {told}")


def _read(tar: Path, start: int, size: int) -> bytes:
    with tar.open("rb") as file:
        file.seek(start)
        return file.read(size)
