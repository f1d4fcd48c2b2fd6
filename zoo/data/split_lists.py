"""Lists that name the pictures of each split: ``train.txt`` and ``val.txt``, one CSV, or one JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from zoo.base.errors import ZooError
from zoo.base.files import read_any_json
from zoo.base.splits import Split
from zoo.base.tables import lines, places, records
from zoo.data.layout import folder_splits
from zoo.data.naming import SPLIT_WORDS, meaning
from zoo.data.pictures import say_once

NAMES = ("file", "filename", "file_name", "name", "path", "picture", "image")  # columns of pictures
SPLIT_NAMES = ("split", "part", "set", "subset")  # columns of splits


class Entry(NamedTuple):
    """A picture's name in a list, its split, and its place in the list."""

    name: str
    split: Split
    where: str


def listed_splits(root: Path, given: Path | None, pictures: Collection[Path]) -> dict[Path, Split] | None:
    """The split of each picture that lists name; None without lists, or where folders already say the same.

    Args:
        root: folder of the pictures.
        given: file, or folder of files train.txt and so on, that the user chose; None: such files in ``root``, if there
            are two or three.
        pictures: all pictures.

    Raises:
        ZooError: a list is missing or damaged, names a picture that is not there, or names one for two splits; or lists
            in ``root`` contradict its folders.
    """
    if given is not None:
        found, lacking = _matched(list(_entries(given)), root, pictures)
        if lacking:
            entry = lacking[0]
            raise ZooError(f"{entry.where}: {entry.name} is not in {root} ({len(lacking)} such names in all)")
        if left := len(pictures) - len(found):
            say_once(f"{given}: names {len(found)} pictures; left out {left} others of {root}")
        return found
    if len(files := _lists_in(root)) < 2:
        return None
    found, _ = _matched([entry for path in files for entry in _entries(path)], root, pictures)
    laid_out = folder_splits(root, pictures)
    for path, split in found.items():
        if laid_out and laid_out.get(path, split) != split:
            raise ZooError(
                f"{path} lies in a folder {laid_out[path]}, but a list in {root} names it for {split}\n"
                f"choose the lists by --data.splits {root}, or the folders by moving the lists away"
            )
    if laid_out or not found:
        return None
    say_once(f"{root}: splits as listed in {', '.join(path.name for path in files)}")
    return found


def _lists_in(folder: Path) -> list[Path]:
    """The lists whose names are those of splits."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".txt" and path.is_file()]
    return [path for path in found if meaning(path.stem).split]


def _entries(path: Path) -> Iterator[Entry]:
    """Yields what a list names.

    Raises:
        ZooError: there is no such list, or it is none.
    """
    if path.is_dir():
        if not (files := _lists_in(path)):
            raise ZooError(f"{path}: no lists train.txt, val.txt and test.txt\npass yours: --data.splits FILE")
        for file in files:
            yield from _entries(file)
        return
    if not path.is_file():
        raise ZooError(f"{path}: no such file\npass yours: --data.splits FILE")
    if path.suffix.lower() == ".json":
        yield from _of_json(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        yield from _of_rows(path, [(number, row) for number, row in records(path, 2)])
    elif split := meaning(path.stem).split:
        yield from (Entry(line.strip(), split, f"{path}: line {n}") for n, line in lines(path) if line.strip())
    else:
        yield from _of_rows(path, [(number, line.split()) for number, line in lines(path) if line.strip()])


def _of_json(path: Path) -> Iterator[Entry]:
    content = read_any_json(path)
    if isinstance(content, dict):
        for key, value in content.items():
            if isinstance(value, list):
                split = _split(key, path)
                yield from (Entry(str(name), split, str(path)) for name in value)
            else:
                yield Entry(key, _split(value, path), str(path))
        return
    for number, each in enumerate(content if isinstance(content, list) else [content]):
        known = {key.casefold(): value for key, value in each.items()} if isinstance(each, dict) else {}
        name, told = (next((known[key] for key in keys if key in known), None) for keys in (NAMES, SPLIT_NAMES))
        if not isinstance(name, str) or told is None:
            raise ZooError(f"{path}: entry {number} needs a file and a split: {each!r:.60}")
        yield Entry(name, _split(told, path), f"{path}: entry {number}")


def _of_rows(path: Path, rows: list[tuple[int, list[str]]]) -> Iterator[Entry]:
    """The rows of a table with a header, or rows with a name and a split in either order."""
    header = rows[0][1] if rows else []
    columns = next((at for a in NAMES for b in SPLIT_NAMES if (at := places(header, (a, b)))), None)
    for number, cells in rows[columns is not None :]:
        where = f"{path}: line {number}"
        if columns is not None and len(cells) > max(columns):
            yield Entry(cells[columns[0]], _split(cells[columns[1]], where), where)
            continue
        told = [cell for cell in cells if cell.casefold() in SPLIT_WORDS]
        if len(cells) < 2 or len(told) != 1 or cells.index(told[0]) not in (0, len(cells) - 1):
            raise ZooError(f"{where}: needs a picture and train, val or test, not {' '.join(cells)!r:.80}")
        yield Entry(" ".join(cell for cell in cells if cell != told[0]), _split(told[0], where), where)


def _split(word: Any, where: object) -> Split:
    if not isinstance(word, str) or (split := SPLIT_WORDS.get(word.strip().casefold())) is None:
        raise ZooError(f"{where}: {word!r:.60} is no split; use train, val and test")
    return split


def _matched(entries: list[Entry], root: Path, pictures: Collection[Path]) -> tuple[dict[Path, Split], list[Entry]]:
    """The split of each picture that is named, and the entries that name none.

    A name is a path below the root, with or without its suffix and with further folders before it, or a file's name
    that only one picture has. After a blank other words may follow, such as the mask.
    """
    known = dict[str, Path]()
    for path in pictures:
        below = path.relative_to(root)
        known |= {below.as_posix(): path, below.with_suffix("").as_posix(): path}
    by_name = dict[str, list[Path]]()
    for path in pictures:
        for name in {path.name, path.stem}:
            by_name.setdefault(name, []).append(path)
    found, lacking = dict[Path, Split](), list[Entry]()
    for entry in entries:
        near = _near(entry.name, known, by_name) or _near(entry.name.split()[0], known, by_name)
        if near is None:
            lacking.append(entry)
        elif found.setdefault(near, entry.split) != entry.split:
            raise ZooError(f"{entry.where}: {entry.name} is named for {entry.split} and for {found[near]}")
    return found, lacking


def _near(name: str, known: dict[str, Path], by_name: dict[str, list[Path]]) -> Path | None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        if path := known.get(tail):
            return path
    same = by_name.get(parts[-1], []) if parts else []
    return same[0] if len(same) == 1 else None
