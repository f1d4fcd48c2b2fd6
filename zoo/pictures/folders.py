"""Finds pictures, and counts other files, in a folder and its subfolders, behind links too."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.text import printable
from zoo.pictures.images import SUFFIXES

MAX_KINDS = 5  # kinds of files that are named


@dataclass(frozen=True)
class Found:
    """The files in a folder.

    Args:
        pictures: files with one of the wanted suffixes, in the order of their paths below the folder.
        others: how many files have each other suffix, in small letters.
    """

    pictures: list[Path]
    others: Counter[str] = field(default_factory=Counter)

    def left_out(self) -> str:
        """How many files of other kinds there are, such as "3 files of other kinds (2 .txt, 1 .json)"; else empty."""
        if not (count := self.others.total()):
            return ""
        kinds = [
            f"{many} {printable(suffix) or 'without a suffix'}" for suffix, many in self.others.most_common(MAX_KINDS)
        ]
        kinds += ["..."] * (len(self.others) > MAX_KINDS)
        return f"{count} file{'s' * (count > 1)} of other kinds ({', '.join(kinds)})"


def find(folder: Path, suffixes: Set[str] = SUFFIXES) -> Found:
    """Looks for files by their suffixes in a folder, its subfolders, and folders that links in these lead to.

    Names that begin with a dot are left out, with all that is below them. A folder is searched once, however many
    links lead to it, and one that holds ``folder`` itself is not. A link that leads nowhere is found too, so that it
    is named when it is read.

    Args:
        suffixes: wanted suffixes in small letters.

    Raises:
        ZooError: the folder does not exist, or a folder may not be read.
    """
    if not folder.is_dir():
        raise ZooError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    pictures, others = list[Path](), Counter[str]()
    for path in _files(folder):
        if (suffix := path.suffix.lower()) not in suffixes:
            others[suffix] += 1
        elif path.is_file() or (path.is_symlink() and not path.exists()):  # no pipe, which would be read for ever
            pictures.append(path)
    return Found(sorted(pictures, key=lambda path: path.relative_to(folder).as_posix()), others)


def _files(folder: Path) -> Iterator[Path]:
    """Yields everything but folders. Links are followed last, so that a folder keeps its own name."""
    seen, tops, own = set[str](), [folder], Path(os.path.realpath(folder))
    while tops:
        for place, folders, files in os.walk(tops.pop(0), onerror=_refuse):
            if (real := os.path.realpath(place)) in seen or (seen and own.is_relative_to(real)):
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            tops += [path for name in folders if (path := Path(place, name)).is_symlink()]
            yield from (Path(place, name) for name in files if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise ZooError(f"{error.filename}: {error.strerror}") from None
