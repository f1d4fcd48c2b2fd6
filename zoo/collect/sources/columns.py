"""Which column of a list is which field of an address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean, listing, unknown
from zoo.collect.sources.values import SHOWN, shown

NAMED = 40  # columns that a message lists

# What lists call them, likeliest first, in small letters and digits only: see _normal.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "imageurl", "imgurl", "pictureurl", "photourl", "mediaurl", "originalurl", "imgsrc", "src", "uri"),
    "thumbnail": ("thumbnail", "thumbnailurl", "thumb", "thumburl", "thumbnail300kurl"),
    "label": ("label", "class", "category"),
    "license": ("license", "licence", "licensename", "licenseshortname"),
    "page": ("page", "pageurl", "landingurl", "originallandingurl", "foreignlandingurl", "sourceurl"),
    "creator": ("creator", "author", "artist", "photographer"),
}


def checked(columns: Mapping[str, str]) -> dict[str, str]:
    """What the user says of the columns.

    Raises:
        ZooError: about a field that no address has, or with an empty name.
    """
    fields: dict[str, str] = {}
    for field, name in columns.items():
        field = "license" if field == "licence" else field
        if field not in SPELLINGS:
            raise unknown("field of an address", field, SPELLINGS)
        if not name.strip():
            raise ZooError(f"--column {field}= names no column")
        fields[field] = name.strip()
    return fields


def find(names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Field to column, for the fields that have one."""
    names = list(names)
    spelled: dict[str, str] = {}
    for name in names:
        spelled.setdefault(_normal(name), name)
    found = {}
    for field, spellings in SPELLINGS.items():
        if field in given:
            column = _given(given[field], names)
        else:
            column = field if field in names else next((spelled[text] for text in spellings if text in spelled), None)
        if column is not None:
            found[field] = column
    return found


def resolve(path: Path, names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Field to column, with one for the url and for every field that is given one.

    Raises:
        ZooError: there is none.
    """
    names = list(names)
    found = find(names, given)
    for field in given:
        if field not in found:
            raise absent(path, given[field], names)
    if "url" not in found:
        raise no_url(path, names)
    return found


def absent(path: Path, name: str, names: Iterable[str]) -> ZooError:
    names = _shown(names)
    return ZooError(f"{path}: no column {name!r}{did_you_mean(name, names)}\nthere are: {listing(names) or 'none'}")


def no_url(path: Path, names: Iterable[str]) -> ZooError:
    names = _shown(names)
    if any("://" in name for name in names):
        return ZooError(f"{path}: its first line has to name the columns; a list of addresses alone is a .txt")
    return ZooError(f"{path}: which column has the addresses? --column url=NAME\nthere are: {listing(names) or 'none'}")


def _shown(names: Iterable[str]) -> list[str]:
    names = list(names)
    return [shown(name) for name in names[:NAMED]] + ["…"] * (len(names) > NAMED)


def _given(name: str, names: list[str]) -> str | None:
    if name in names:
        return name
    return next((other for other in names if other.casefold() == name.casefold()), None)


def _normal(name: str) -> str:
    return "".join(letter for letter in name[:SHOWN].casefold() if letter.isalnum())
