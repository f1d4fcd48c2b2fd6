"""What a user says about masks, and the classes that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import ZooError
from zoo.data.masks.colors import Color, colors_of, spelt
from zoo.data.masks.files import read_colors, read_values
from zoo.data.masks.tables import Table, by_id, classes_in, table_of, values_of

LOOKED_AT = 20  # masks that are read to tell what they hold


@dataclass(frozen=True)
class MaskOptions:
    """Arguments of a data set about its masks; see :class:`zoo.data.folder.SegmentationFolder`."""

    classes: tuple[str, ...] | None = None
    ignore_index: int | None = 255
    mask_name: str | None = None
    values: Mapping[int, str] | None = None
    colors: Mapping[str, Any] | str | None = None
    ignore: Sequence[int | str] = ()

    def __post_init__(self) -> None:
        if self.values is not None and self.colors is not None:
            raise ZooError("data.values or data.colors: a mask holds values or colours, give one of them")

    @property
    def of_files(self) -> bool:
        """Whether an argument says that each picture has a mask file."""
        return any(each is not None for each in (self.mask_name, self.values, self.colors))

    @cached_property
    def _entries(self) -> list[tuple[int | Color, str]]:
        if self.colors is not None:
            return [*colors_of(self.colors)]
        return by_id(self.classes or ()) if self.values is None else values_of(self.values)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The classes of mask files, in the order of their ids; None where nothing names them."""
        if self.classes is not None or (self.values is None and self.colors is None):
            return self.classes
        return classes_in(self._entries, self.ignore)

    @property
    def palette(self) -> tuple[Color, ...] | None:
        """A colour for each class, where a table has them for all."""
        first = {name: key for key, name in reversed(self._entries) if not isinstance(key, int)}
        names = self.names or ()
        return tuple(first[name] for name in names) if self.colors is not None and set(names) <= set(first) else None

    def table(self, names: Sequence[str]) -> Table | None:
        """The table of values or colours; None where masks hold the ids and nothing else is ignored."""
        if self.values is None and self.colors is None and not self.ignore:
            return None
        plain = self.values is None and self.colors is None
        return table_of(self._entries, names, self.ignore, self.ignore_index, plain)


def unnamed(masks: Iterable[Path]) -> ZooError:
    """The error for masks whose classes nobody named; it says what they hold."""
    values, colors = set[int](), set[str]()
    for path in list(masks)[:LOOKED_AT]:
        try:
            values |= set(np.unique(read_values(path)[0]).tolist())
        except ZooError:
            found = np.unique(read_colors(path)[0].reshape(-1, 3), axis=0)
            colors |= {spelt(each) for each in found.tolist()}
    if colors:
        some = ", ".join(f'NAME: "{each}"' for each in sorted(colors)[:3])
        return ZooError(f"the masks hold {len(colors)} colours: name them, --data.colors '{{{some}, ...}}'")
    some = ", ".join(map(str, sorted(values)[:8])) + ", ..." * (len(values) > 8)
    entries = ", ".join(f"{each}: NAME" for each in sorted(values)[:3]) + ", ..." * (len(values) > 3)
    return ZooError(
        f"the masks hold the values {some}: name them in order, --data.classes '[NAME, ...]', "
        f"or each, --data.values '{{{entries}}}'"
    )
