"""Tables of classes and their colours, as data sets ship them: CSV, JSON, or lines such as ``64 128 64 Animal``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import expanded, read_any_json
from zoo.base.tables import lines, places, records

Color: TypeAlias = tuple[int, int, int]  # red, green and blue, 0..255
NAMES = ("name", "label", "class", "class_name", "category")
CHANNELS = (("r", "g", "b"), ("red", "green", "blue"))
FORM = "a colour is '#rrggbb' or three numbers from 0 to 255"


def spelt(color: Sequence[int]) -> str:
    """A colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*(int(each) for each in color))


def color_of(value: Any) -> Color:
    """A colour from ``"#rrggbb"``, ``"255 0 0"`` or ``[255, 0, 0]``.

    Raises:
        ZooError: the value is no colour.
    """
    if isinstance(value, str) and re.fullmatch(r"#?[0-9a-fA-F]{6}", text := value.strip()):
        return tuple(bytes.fromhex(text.lstrip("#")))  # type: ignore[return-value]
    numbers = re.findall(r"-?[\d.]+", value) if isinstance(value, str) else value
    if isinstance(numbers, (list, tuple)) and len(numbers) == 3 and all(_is_level(each) for each in numbers):
        return tuple(int(each) for each in numbers)  # type: ignore[return-value]
    raise ZooError(f"{FORM}, not {value!r:.60}")


def _is_level(value: Any) -> bool:
    text = str(value)
    return text.isascii() and text.isdigit() and int(text) < 256


def colors_of(given: Mapping[str, Any] | str) -> list[tuple[Color, str]]:
    """Colours with the names of their classes, in their order; several colours may have one name.

    Args:
        given: a mapping of names to colours, or the path of a file.

    Raises:
        ZooError: the file is missing or holds no such table, or a colour is none.
    """
    where = "data.colors" if isinstance(given, Mapping) else given
    found = list[tuple[Color, str]]()
    for place, name, value in _entries(given):
        try:
            found.append((color_of(value), name.strip()))
        except ZooError as error:
            raise ZooError(f"{where}: {place}: {error}") from None
    if not found:
        raise ZooError(f"{where}: no colours; {FORM}, each with the name of its class")
    return found


def _entries(given: Mapping[str, Any] | str) -> Iterator[tuple[str, str, Any]]:
    """Yields the place, the name and the colour of each entry."""
    if isinstance(given, Mapping):
        yield from ((name, name, value) for name, value in given.items())
        return
    path = expanded(given)
    if not path.is_file():
        raise ZooError(
            f"{path}: no such file; data.colors is a mapping of names to colours or a CSV, JSON or text file"
        )
    if path.suffix.lower() == ".json":
        yield from _of_json(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        yield from _of_rows(path, list(records(path)))
    else:
        rows = [(number, re.split(r"[\s,;]+", line.strip())) for number, line in lines(path) if line.strip()]
        yield from _of_rows(path, rows)


def _of_json(path: Path) -> Iterator[tuple[str, str, Any]]:
    content = read_any_json(path)
    if isinstance(content, dict):
        yield from ((name, name, value) for name, value in content.items())
        return
    for number, each in enumerate(content if isinstance(content, list) else [content]):
        known = {key.casefold(): value for key, value in each.items()} if isinstance(each, dict) else {}
        name = next((known[key] for key in NAMES if isinstance(known.get(key), str)), None)
        color = next((known[key] for key in ("color", "colour", "rgb", "hex") if key in known), None)
        for channels in CHANNELS:
            color = [known[key] for key in channels] if color is None and set(channels) <= set(known) else color
        if name is None or color is None:
            raise ZooError(f"{path}: entry {number} needs a name and a color: {each!r:.60}")
        yield f"entry {number}", name, color


def _of_rows(path: Path, rows: list[tuple[int, list[str]]]) -> Iterator[tuple[str, str, Any]]:
    """The rows of a table with a header, or rows with a name and a colour in any order."""
    if not rows:
        return
    header, (at, channels) = rows[0][1], (None, None)
    for name in NAMES:
        for each in (*CHANNELS, ("color",), ("rgb",), ("hex",)):
            if at is None and (found := places(header, (name, *each))):
                at, *channels = found
    for number, cells in rows[at is not None :]:
        if at is not None and channels is not None:
            if len(cells) <= max(at, *channels):
                raise ZooError(f"{path}: line {number} lacks a name or a colour")
            yield f"line {number}", cells[at], [cells[i] for i in channels] if len(channels) > 1 else cells[channels[0]]
            continue
        coded = [cell for cell in cells if _is_level(cell) or re.fullmatch("#[0-9a-fA-F]{6}", cell)]
        name = " ".join(cell for cell in cells if cell not in coded)
        if not name or len(coded) not in (1, 3):
            raise ZooError(f"{path}: line {number}: needs a name and a colour, {FORM}; found {' '.join(cells)!r:.60}")
        yield f"line {number}", name, coded if len(coded) == 3 else coded[0]
