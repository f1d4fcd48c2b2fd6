"""What evaluators are told, and what they give: the results that a card shows. Nothing here imports torch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from zoo.base.bounds import Interval
from zoo.base.errors import ZooError
from zoo.base.paths import ends_apart
from zoo.base.typed import Form, Longest, hints_of, plain, read

Line = Annotated[str, Longest(1000)]
Texts = Annotated[dict[Line, Line], Longest(100)]
Count = Annotated[int, Interval(ge=0, le=10**12)]
Whole = Annotated[int, Interval(ge=-(10**15), le=10**15)]  # Python has larger ones, which no table can show
Finite = Annotated[float, Form(math.isfinite, "that is finite")]


@dataclass(frozen=True)
class Context:
    """What an evaluator may ask beside network and data.

    Args:
        recipe: of the card, which says what the network was trained for.
        others: loads the networks with other weights of the architecture that are installed, by their cards' names.
        data: what the author calls data of their own; empty: not known, or other data may be meant.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    others: Callable[[], Mapping[str, Any]] = dict
    data: str = ""

    def name_of(self, folder: Path) -> str:
        """What data in a folder are called: by their author, or else as their folder is."""
        return self.data or ends_apart([folder])[0]


class Stored:
    """What has fields that are checked by their annotations when it is made, and goes into a file as JSON.

    Raises:
        UnfitError: a field that does not fit.
    """

    def __post_init__(self) -> None:
        form: Any = type(self)
        for name, kind in hints_of(form).items():
            read(kind, getattr(self, name), place=(name,))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without fields that are as by default. Numbers that are not finite are None."""
        return plain(self)

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class Figure(Stored):
    """A number that a card claims. Metric, split and protocol say what it is comparable with.

    Args:
        metric: its name.
        data: what it was measured on, such as the name of a data set or of a folder.
        split: of the data.
        value: what was measured.
        tolerance: by how much a later measurement may differ.
        protocol: how it was measured, such as "Protocol B" or "256 px".
    """

    metric: Line
    data: Line
    split: Line
    value: Finite
    tolerance: Annotated[Finite, Interval(ge=0)]
    protocol: Line = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.metric, self.split, self.protocol

    @property
    def where(self) -> str:
        """Data and protocol, such as "photos, Protocol B"."""
        return ", ".join(dict.fromkeys(filter(None, (self.data, self.protocol))))

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.4g} ± {self.tolerance:.2g} on {self.where} {self.split}"


def ratio(a: float, b: float) -> float:
    """``a / b``, NaN where that is nothing."""
    return a / b if b else math.nan


def claims_of(
    found: Iterable[tuple[str, float, float]], data: str, split: str = "test", protocol: str = ""
) -> list[Figure]:
    """A figure of each metric, its value, which is rounded to four digits, and the tolerance of that.

    Raises:
        ZooError: a value is not finite, which nothing can be compared with.
    """
    found = list(found)
    for metric, value, _ in found:
        if not math.isfinite(value):
            raise ZooError(f"{metric} on {data} {split} is {value}: are pictures blank, or masks all void?")
    return [
        Figure(metric=metric, data=data, split=split, value=round(value, 4), tolerance=tolerance, protocol=protocol)
        for metric, value, tolerance in found
    ]


@dataclass(frozen=True, kw_only=True)
class Table(Stored):
    """Rows below the names of their columns."""

    title: Line
    columns: Annotated[list[Line], Longest(50)]
    rows: Annotated[list[Annotated[list[Line | Whole | float | None], Longest(50)]], Longest(1000)]

    @classmethod
    def of(cls, title: str, rows: Mapping[str, Mapping[str, str | float | None]], first: str = "method") -> Table:
        """Rows by their names, which the first column holds; each has the same columns in the same order."""
        columns = [first, *next(iter(rows.values()), {})]
        return cls(title=title, columns=columns, rows=[[name, *row.values()] for name, row in rows.items()])


@dataclass(frozen=True, kw_only=True)
class Speed(Stored):
    """Milliseconds of something on some machine."""

    what: Line
    ms: Finite
    machine: Line


@dataclass(frozen=True, kw_only=True)
class Results(Stored):
    """What was measured, and where that comes from.

    Args:
        figures: the claims, the main one first.
        tables: of any kind.
        parameters: of the network; None before the first measurement.
        macs: multiply-adds by the size of the input.
        data_digest: SHA-256 of the data by what they are.
        speed: of the network.
        command: that measured; like all below filled in by ``zoo evaluate --write``.
        versions: of the packages that figures depend on.
        commit: of the code.
    """

    figures: Annotated[list[Figure], Longest(200)] = field(default_factory=list)
    tables: Annotated[list[Table], Longest(50)] = field(default_factory=list)
    parameters: Count | None = None
    macs: Annotated[dict[Line, Whole | Finite], Longest(20)] = field(default_factory=dict)
    data_digest: Texts = field(default_factory=dict)
    command: Line = ""
    versions: Texts = field(default_factory=dict)
    commit: Line = ""
    speed: Annotated[list[Speed], Longest(50)] = field(default_factory=list)
