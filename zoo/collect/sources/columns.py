"""Which column of a list is which field of an address."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.text import listing, unknown
from zoo.collect.sources.values import MAX_SHOWN, cleaned, shown

NAMED = 40  # columns that a message lists

# Names of the columns in lists, likeliest first, in small letters and digits only: see _normal.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "imageurl", "imgurl", "pictureurl", "photourl", "mediaurl", "originalurl", "imgsrc", "src", "uri"),
    "thumbnail": ("thumbnail", "thumbnailurl", "thumb", "thumburl", "thumbnail300kurl"),
    "label": ("label", "class", "category"),
    "license": ("license", "licence", "licensename", "licenseshortname"),
    "page": ("page", "pageurl", "landingurl", "originallandingurl", "foreignlandingurl", "sourceurl"),
    "creator": ("creator", "author", "artist", "photographer"),
}


def checked(columns: Mapping[str, str]) -> dict[str, str]:
    """The user's columns by field, checked.

    Raises:
        ZooError: no address has the field, or the name of its column is empty.
    """
    fields: dict[str, str] = {}
    for field, name in columns.items():
        field = "license" if field == "licence" else field
        if field not in SPELLINGS:
            raise unknown("field of an address", field, SPELLINGS)
        if not name.strip():
            raise ZooError(f"--column {field}= needs the name of a column")
        fields[field] = name.strip()
    return fields


def find(names: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Field to column, for the fields that have one."""
    spelled = {_normal(name): name for name in reversed(names)}
    found = {}
    for field, spellings in SPELLINGS.items():
        if field in given:
            alike = [name for name in names if name.casefold() == given[field].casefold()]
            column = given[field] if given[field] in names else next(iter(alike), None)
        else:
            column = field if field in names else next((spelled[text] for text in spellings if text in spelled), None)
        if column is not None:
            found[field] = column
    return found


def resolve(path: Path, names: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Field to column; the url and every field that the user names must have a column.

    Raises:
        ZooError: one of these fields has no column.
    """
    found = find(names, given)
    demand(path, names, found, given)
    return found


def demand(path: Path, names: Sequence[str], found: Collection[str], given: Mapping[str, str]) -> None:
    """Refuses a list that has no column for a required field.

    Args:
        names: names of the list's columns, for the message.
        found: fields that have a column.
        given: the user's columns by field.

    Raises:
        ZooError: the url, or a field that the user names, has no column.
    """
    listed = [shown(name) for name in names[:NAMED]] + ["…"] * (len(names) > NAMED)
    for field, name in given.items():
        if field not in found:
            raise ZooError(f"{path}: {unknown('column', name, listed)}")
    if "url" not in found and any("://" in name for name in listed):
        raise ZooError(f"{path}: the first line must name the columns; rename a plain list of addresses to .txt")
    if "url" not in found:
        what = f"no column of addresses; name it by --column url=NAME\nthere are: {listing(listed) or 'none'}"
        raise ZooError(f"{path}: {what}")


def scalar(value: Any, where: str, field: str, name: str) -> str | None:
    """Text, or a number as text.

    Raises:
        ZooError: the value is a list or an object.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        raise ZooError(f"{where}: {name!r} is {kind}, not text; choose another by --column {field}=NAME")
    return None if value is None else cleaned(str(value))


def _normal(name: str) -> str:
    return "".join(letter for letter in name[:MAX_SHOWN].casefold() if letter.isalnum())
