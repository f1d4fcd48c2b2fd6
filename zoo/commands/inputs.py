"""What ``zoo predict`` is given: files, folders and patterns, or tables of what belongs together; and what names it."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.tables import places, records
from zoo.pictures import video
from zoo.pictures.folders import find
from zoo.pictures.images import SUFFIXES

Inputs: TypeAlias = tuple[Path, ...]  # the pictures of one prediction
Failure: TypeAlias = tuple[str, str]  # what failed, and why
TABLES = {".csv", ".tsv"}  # of what belongs together
VIDEOS = video.SUFFIXES  # where the model can do them


def destinations(found: Iterable[tuple[Path, Inputs]]) -> Iterator[tuple[Path, Inputs]]:
    """Where the results of each prediction go: under the name that is proposed for them, or a free one like it."""
    taken: set[Path] = set()
    for stem, inputs in found:
        while stem.suffix.lower() in SUFFIXES:  # of photo.jpg.png: save would take photo.jpg for a file to write
            stem = stem.with_suffix("")
        destination, count = stem, 1
        while destination in taken:  # a/street.jpg and b/street.jpg, or street.jpg and street.png
            count += 1
            destination = stem.with_name(f"{stem.name}_{count}")
        taken.add(destination)
        yield destination, inputs


def pictures(
    given: list[str], out: Path, say: Callable[[str], None], suffixes: Set[str] = SUFFIXES
) -> Iterator[tuple[Path, Inputs]]:
    """Each picture once, by its name below the folder that was given; see :func:`destinations`.

    Args:
        given: files, folders and patterns.
        out: folder of the results.
        say: tells of files in folders that are left out.
        suffixes: of what is looked for in folders.
    """
    seen: set[Path] = set()
    for text in filter(None, given):
        path = Path(text)
        if path.is_dir():
            found = _in_folder(path, out, say, suffixes)
        elif path.is_file() or not glob.has_magic(text):
            found = [path]  # a missing file is named with the other failures
        elif not (found := [Path(name) for name in glob.glob(text, recursive=True)]):  # noqa: PTH207
            raise ZooError(f"{text}: nothing matches")
        for picture in sorted(found, key=_numbered):
            if picture.resolve() not in seen:
                seen.add(picture.resolve())
                root = path if path.is_dir() else picture.parent
                yield picture.relative_to(root).with_suffix(""), (picture,)


def _numbered(path: Path) -> list[str | int]:
    """A key by which 2.jpg comes before 10.jpg."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.as_posix())]


def _in_folder(folder: Path, out: Path, say: Callable[[str], None], suffixes: Set[str]) -> list[Path]:
    """Its pictures without those of earlier runs that write into a part of it."""
    results = out.resolve()
    if results == folder.resolve():
        raise ZooError(
            f"{out}: results would be taken for pictures the next time\n-o names another folder, or one in it"
        )
    found = find(folder, suffixes)
    if others := found.left_out():
        say(f"{folder}: left out {others}")
    if not results.is_relative_to(folder.resolve()):
        return found.pictures
    return [path for path in found.pictures if not path.resolve().is_relative_to(results)]


def groups(
    model: str, given: list[str], names: Sequence[str], failures: list[Failure], otherwise: str = ""
) -> Iterator[tuple[Path, Inputs]]:
    """Pictures that belong together, by their names: the ones that were given, or the lines of tables.

    Args:
        model: name of it.
        given: as many pictures, or tables.
        names: what those that belong together are called, which the first line of a table may say.
        failures: gets one for each line of a table that does not name as many.
        otherwise: what more the model takes, for who gives something else.
    """
    paths, count = [Path(text) for text in given], len(names)
    takes = f"{model} takes {count} pictures, or tables .csv with {count} a line"
    tables = [path for path in paths if path.suffix.lower() in TABLES]
    for path in paths:
        if path.is_dir():
            raise ZooError(f"{path} is a folder; {takes}{otherwise}")
    if tables != paths and (tables or len(paths) != count):
        raise ZooError(f"{takes}, not {' '.join(given)}{otherwise}")
    lines = [line for table in tables for line in _read_table(table, names, failures)] if tables else [tuple(paths)]
    for group in lines:
        yield Path("_".join(path.stem for path in group)), group


def _read_table(table: Path, names: Sequence[str], failures: list[Failure]) -> Iterator[Inputs]:
    """The lines of a CSV, with or without a header of the names or of a, b; paths are relative to its folder."""
    count = len(names)
    try:
        rows = list(records(table, count))
    except OSError as error:
        raise ZooError(f"{table}: {'no such file' if not table.exists() else error.strerror}") from None
    columns = places(rows[0][1], names) or places(rows[0][1], "abcdefgh"[:count]) if rows else None
    if not (rows := rows[1:] if columns else rows):
        raise ZooError(f"{table}: names no pictures; a line is {count} paths, relative to the folder of the table")
    for line, row in rows:
        cells = [row[at] if at < len(row) else "" for at in columns] if columns else list(filter(None, row))
        if len(cells) != count or not all(cells):
            failures.append((f"{table}, line {line}", f"{count} pictures make a line, not {','.join(row)!r}"))
        else:
            yield tuple(table.parent / expanded(cell) for cell in cells)
