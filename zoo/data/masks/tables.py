"""Tables of what masks hold: which value or colour is which class, and which is ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean
from zoo.data.labels import IDS
from zoo.data.masks.colors import Color, color_of, spelt
from zoo.data.masks.files import Ids, read_colors, read_values
from zoo.data.pictures import say_once

FAR = 64.0  # how far JPEG may move a value or colour, in 1/255 ...
FEW = 0.02  # ... but for this fraction of the pixels


@dataclass(frozen=True)
class Table:
    """Class ids by value or by colour.

    Args:
        codes: known values, or colours as ``R * 2**16 + G * 2**8 + B``; sorted, int64 ``(N,)``.
        ids: their class ids, uint8 ``(N,)``.
        colored: whether codes are colours.
        by_id: whether values are the class ids themselves, which JPEG would change beyond repair.
    """

    codes: np.ndarray
    ids: np.ndarray
    colored: bool = False
    by_id: bool = False

    def read(self, path: Path) -> Ids:
        """The class ids of a mask file ``(H, W)`` uint8, and its EXIF orientation.

        Raises:
            ZooError: the file is damaged, or holds what is not in the table.
        """
        values, turn, lossy = (read_colors if self.colored else read_values)(path)
        if lossy and self.by_id:
            raise ZooError(f"{path}: JPEG changes class ids; save masks as PNG, or name far values by data.values")
        codes = _packed(values) if self.colored else values.astype(np.int64)
        if lossy:
            say_once(
                f"{path.parent}: masks are JPEG, which changes labels: each pixel takes the nearest; better use PNG"
            )
            codes = self._nearest(codes)
        places = np.searchsorted(self.codes, codes).clip(max=len(self.codes) - 1)
        unknown = self.codes[places] != codes
        if unknown.any():
            raise self._error(path, codes[unknown], codes.size)
        return self.ids[places], turn

    def _nearest(self, codes: np.ndarray) -> np.ndarray:
        """The nearest known code of each code; codes stay as they are where too many are far from any."""
        found, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
        known, own = (_unpacked(each) if self.colored else each[:, None] for each in (self.codes, found))
        nearest, far = np.empty(len(found), np.int64), np.empty(len(found))
        for start in range(0, len(found), 4096):  # which bounds the memory
            part = np.linalg.norm((own[start : start + 4096, None] - known[None]).astype(float), axis=-1)
            nearest[start : start + 4096], far[start : start + 4096] = part.argmin(1), part.min(1)
        if counts[far > FAR].sum() > FEW * codes.size:
            return codes
        return self.codes[nearest][inverse].reshape(codes.shape)

    def _error(self, path: Path, unknown: np.ndarray, size: int) -> ZooError:
        found, counts = np.unique(unknown, return_counts=True)
        code, many = int(found[counts.argmax()]), len(found)
        shown = spelt(_unpacked(np.array(code)).tolist()) if self.colored else str(code)
        ignored = f'"{shown}"' if self.colored else shown  # YAML takes # for a comment
        others = f" (nor are {many - 1} others)" if many > 1 else ""
        key, kind = ("colors", "colour") if self.colored else ("classes" if self.by_id else "values", "value")
        return ZooError(
            f"{path}: {kind} {shown} ({counts.max() / size:.1%} of its pixels) is no class{others}; "
            f"add it to data.{key}, or ignore it: --data.ignore '[{ignored}]'"
        )


def table_of(
    entries: Iterable[tuple[int | Color, str]],
    names: Sequence[str],
    ignore: Sequence[int | str],
    ignore_index: int | None,
    by_id: bool = False,
) -> Table:
    """The table of values or colours.

    Args:
        entries: values or colours, each with the name of its class.
        names: the classes, in the order of their ids.
        ignore: values, colours or names that are ignored.
        ignore_index: id of ignored pixels; as a value, unless that is an entry, it is ignored too.
        by_id: whether values are class ids.

    Raises:
        ZooError: a name is no class, a value stands twice, or nothing can be ignored.
    """
    known, ignored = list(entries), set(ignore)
    colored = any(not isinstance(key, int) for key, _ in known)
    if ignore and ignore_index is None:
        raise ZooError("data.ignore needs an id for ignored pixels: --data.ignore_index 255")
    found = dict[int, int]()
    for key, name in known:
        code = key if isinstance(key, int) else int(_packed(np.array(key)))
        shown = str(key) if isinstance(key, int) else spelt(key)
        if name not in names and name not in ignored:
            raise ZooError(
                f"data.{'colors' if colored else 'values'}: {shown} is {name!r}, which is no class of data.classes"
                f"{did_you_mean(name, names)}; add it there, or ignore it: --data.ignore '[{name}]'"
            )
        own = (ignore_index or 0) if name in ignored else names.index(name)
        if found.setdefault(code, own) != own:
            raise ZooError(f"data.{'colors' if colored else 'values'}: {shown} stands for two classes, {name!r} is one")
    codes_of = [_code_of(one, colored, {name for _, name in known}) for one in ignore]
    found |= {one: ignore_index or 0 for one in codes_of if one is not None}
    if ignore_index is not None and not colored:
        found.setdefault(ignore_index, ignore_index)
    codes = np.array(sorted(found), np.int64)
    return Table(codes, np.array([found[code] for code in codes.tolist()], np.uint8), colored, by_id)


def _code_of(one: int | str, colored: bool, names: set[str]) -> int | None:
    """The value or colour of an entry of ``data.ignore``; None for the name of a class."""
    if one in names:
        return None
    if colored and isinstance(one, str) and one.startswith("#"):
        return int(_packed(np.array(color_of(one))))
    if not colored and str(one).lstrip("-").isdigit():
        return int(one)
    wanted = "colour such as '#000000'" if colored else "value"
    raise ZooError(f"data.ignore: {one!r} is no {wanted} and no name in the table{did_you_mean(str(one), names)}")


def values_of(values: Mapping[int, str]) -> list[tuple[int | Color, str]]:
    """The entries of ``data.values``.

    Raises:
        ZooError: the mapping is empty.
    """
    if not values:
        raise ZooError("data.values names no value: --data.values '{0: background, 255: crack}'")
    return [(int(value), name.strip()) for value, name in values.items()]  # keys of JSON are texts


def classes_in(entries: Iterable[tuple[int | Color, str]], ignore: Sequence[int | str]) -> tuple[str, ...]:
    """The names of a table in their order, without those that are ignored."""
    return tuple(dict.fromkeys(name for key, name in entries if name not in ignore and key not in ignore))


def by_id(names: Sequence[str]) -> list[tuple[int | Color, str]]:
    """The entries of masks that hold class ids."""
    return [(number, name) for number, name in enumerate(names[:IDS])]


def _packed(colors: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(colors.astype(np.int64), -1, 0)
    return np.asarray((red << 16) | (green << 8) | blue)


def _unpacked(codes: np.ndarray) -> np.ndarray:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)
