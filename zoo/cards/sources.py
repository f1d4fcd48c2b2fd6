"""``sources.csv``: one row for each picture in a network's training folders, with its source.

Only the column ``file`` is required. ``repository`` and ``license`` are counted if they are there.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import read_text
from zoo.cards.forms import OUTWARD
from zoo.hub import layout, locate

FILE = "sources.csv"
INNER = ("file", "path")  # columns of paths, in the folder of pictures and in the repository
HELD_OUT = ("val", "test")  # arguments of data, whose folders are not trained on
MAX_CELL = 1000  # most characters of a cell
MAX_NAMES = 5  # most repositories or licences in a summary
Rows: TypeAlias = list[dict[str, str]]


def of(source: locate.Source) -> Rows:
    """The list of a model; empty if it has none. Raises the errors of :func:`read`."""
    return read(source.file(FILE, layout.PROSE)) if source.has(FILE) else []


def gather(data: Mapping[str, Any]) -> tuple[Rows, list[str]]:
    """The lists in the training folders of data.

    Args:
        data: section ``data`` of a recipe as it ran.

    Returns:
        Their rows, and the folders that have no list.

    Raises:
        ZooError: a list that :func:`read` refuses.
    """
    given = {name: value for name, value in data.get("init_args", {}).items() if name not in HELD_OUT}
    values = [each for value in given.values() for each in (value if isinstance(value, list) else [value])]
    folders = [Path(each) for each in values if isinstance(each, str) and each and Path(each).is_dir()]
    rows = [row for folder in folders if (folder / FILE).is_file() for row in read(folder / FILE)]
    return rows, [str(folder) for folder in folders if not (folder / FILE).is_file()]


def read(path: Path) -> Rows:
    """Reads a list of pictures.

    Raises:
        ZooError: the list is too large or not plain CSV, lacks the column ``file``, or a path leads out of its folder.
    """
    if (size := path.stat().st_size) > layout.PROSE:
        raise ZooError(f"{path}: refused, it has {size:,} bytes, and at most {layout.PROSE:,} are allowed")
    try:
        lines = list(csv.reader(io.StringIO(read_text(path).removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise ZooError(f"{path}: not CSV: {error}") from None
    head = lines[0] if lines else []
    if "file" not in head or len(set(head)) < len(head):
        raise ZooError(
            f"{path}: the first line must name the columns, each once, separated by commas, one of them file"
        )
    for number, cells in enumerate(lines, 1):
        if problem := _problem(head, cells):
            raise ZooError(f"{path}: line {number}: {problem}")
    return [dict(zip(head, cells, strict=True)) for cells in lines[1:]]


def _problem(head: Sequence[str], cells: Sequence[str]) -> str:
    """What is wrong with a line; empty where nothing is."""
    if len(cells) != len(head):
        return f"has {len(cells)} cells, and there are {len(head)} columns"
    for name, cell in zip(head, cells, strict=True):
        if len(cell) > MAX_CELL or not cell.isprintable():
            return f"{name!r:.60} is not a text of one line with at most {MAX_CELL} characters"
        if name in INNER and OUTWARD.match(cell):
            return f"{cell!r:.100} leads out of the folder"
    return "" if cells[head.index("file")] else "names no file"


def write(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Writes rows, whose columns may differ, for :func:`read`."""
    rows = list(rows)
    columns = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def summary(rows: Rows) -> str:
    """A text such as "132 pictures; 90 of me/photos, 42 of you/photos; 132 under CC0-1.0"."""
    parts = [f"{len(rows):,} picture{'' if len(rows) == 1 else 's'}"]
    for word, names in (("of", ("repository",)), ("under", ("license", "licence"))):
        counted = Counter(row[name] for row in rows for name in names if row.get(name))
        told = [f"{count:,} {word} {name}" for name, count in counted.most_common(MAX_NAMES)]
        parts += [", ".join(told + ["..."] * (len(counted) > MAX_NAMES))] if told else []
    return "; ".join(parts)
