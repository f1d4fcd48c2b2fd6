"""Inputs of ``zoo predict``: files, folders and patterns, or tables of groups of pictures; and the names of results."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.tables import places, records
from zoo.pictures import tars, video
from zoo.pictures.folders import find
from zoo.pictures.images import SUFFIXES

Inputs: TypeAlias = tuple[Path, ...]  # the pictures of one prediction
Failure: TypeAlias = tuple[str, str]  # what failed, and why
TABLES = {".csv", ".tsv"}  # tables of groups of pictures
VIDEOS = video.SUFFIXES  # for models that take them


def destinations(found: Iterable[tuple[Path, Inputs]]) -> Iterator[tuple[Path, Inputs]]:
    """The path for the results of each prediction: the proposed name, or with a number added if that name is taken."""
    taken: set[Path] = set()
    for stem, inputs in found:
        while stem.suffix.lower() in SUFFIXES:  # photo.jpg.png: save would take photo.jpg for a file to write
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
        given: files, folders, patterns and tars.
        out: folder of the results.
        say: prints which files in folders are left out.
        suffixes: suffixes of the files to find in folders.
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
        for picture, root in _unpacked(sorted(found, key=_numbered), path, say, suffixes):
            if (real := picture.resolve()) not in seen:
                seen.add(real)
                yield Path(picture.relative_to(root).with_suffix("")), (picture,)


def _unpacked(
    found: list[Path], given: Path, say: Callable[[str], None], suffixes: Set[str]
) -> Iterator[tuple[Path, Path]]:
    """Pictures, and those in tars, each with the folder or tar that it is named below."""
    for path in found:
        if given.is_dir() or not tars.is_tar(path):
            yield path, given if given.is_dir() else path.parent
            continue
        members = tars.find(path, suffixes - VIDEOS)
        if others := members.left_out():
            say(f"{path}: left out {others}")
        yield from ((picture, path) for picture in members.pictures)


def _numbered(path: Path) -> list[str | int]:
    """A key by which 2.jpg comes before 10.jpg."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.as_posix())]


def _in_folder(folder: Path, out: Path, say: Callable[[str], None], suffixes: Set[str]) -> list[Path]:
    """The pictures of a folder, without the results that earlier runs wrote into a part of it."""
    results = out.resolve()
    if results == folder.resolve():
        raise ZooError(
            f"{out}: the next run would take results for pictures\nname another folder with -o, or a folder in it"
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
    """Groups of pictures that belong together, by their names: the given pictures, or each line of the tables.

    Args:
        model: name of the model.
        given: one picture for each name, or tables.
        names: names of the pictures of a group; the first line of a table may list them.
        failures: takes a failure for each line of a table with another number of pictures.
        otherwise: end of the error message: what else the model takes.
    """
    paths, count = [Path(text) for text in given], len(names)
    takes = f"{model} takes {count} pictures, or .csv tables with {count} per line"
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
    """The lines of a CSV, with or without a header of the names or of a, b; paths are relative to the CSV's folder."""
    count = len(names)
    try:
        rows = list(records(table, count))
    except OSError as error:
        raise ZooError(f"{table}: {'no such file' if not table.exists() else error.strerror}") from None
    columns = places(rows[0][1], names) or places(rows[0][1], "abcdefgh"[:count]) if rows else None
    if not (rows := rows[1:] if columns else rows):
        raise ZooError(f"{table}: names no pictures; write {count} paths per line, relative to the folder of the table")
    for line, row in rows:
        cells = [row[at] if at < len(row) else "" for at in columns] if columns else list(filter(None, row))
        if len(cells) != count or not all(cells):
            failures.append((f"{table}, line {line}", f"a line needs {count} pictures, not {','.join(row)!r}"))
        else:
            yield tuple(table.parent / expanded(cell) for cell in cells)
