"""The context that evaluators receive, and the results that they return for a card. Nothing here imports torch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

from zoo.base.bounds import Interval
from zoo.base.errors import ZooError
from zoo.base.paths import ends_apart
from zoo.base.typed import Form, Longest, hints_of, plain, read

Line = Annotated[str, Longest(1000)]
Texts = Annotated[dict[Line, Line], Longest(100)]
Count = Annotated[int, Interval(ge=0, le=10**12)]
Whole = Annotated[int, Interval(ge=-(10**15), le=10**15)]  # Python has larger integers, which no table can show
Finite = Annotated[float, Form(math.isfinite, "that is finite")]


Each: TypeAlias = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Context:
    """What an evaluator may use beside network and data.

    Args:
        recipe: recipe of the card, which says what the network was trained for.
        others: loads the installed networks with other weights of the architecture, by their cards' names.
        data: the author's name for their own data; empty: the name is unknown, or other data may be meant.
        each: ``each(work, items)`` yields ``work(item)`` for each of a sequence of items, in order. Several processes
            may share the work; see :func:`picture_by_picture`.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    others: Callable[[], Mapping[str, Any]] = dict
    data: str = ""
    each: Each = map

    def name_of(self, folder: Path) -> str:
        """Name of the data in a folder: the author's name for them, or else the folder's name."""
        return self.data or ends_apart([folder])[0]


Evaluator = TypeVar("Evaluator", bound=Callable[..., Any])


def picture_by_picture(evaluator: Evaluator) -> Evaluator:
    """Marks an evaluator that calls ``context.each`` exactly once, so that several processes can share the pictures.

    Each process runs the evaluator up to this call, and then does every n-th item. The function that it calls returns
    plain values or arrays: torch would send a tensor as memory of a process that may have ended.
    """
    evaluator.by_picture = True  # type: ignore[attr-defined]
    return evaluator


class Stored:
    """A record that is stored as JSON; its fields are checked against their annotations when it is made.

    Raises:
        UnfitError: a field does not fit its annotation.
    """

    def __post_init__(self) -> None:
        form: Any = type(self)
        for name, kind in hints_of(form).items():
            read(kind, getattr(self, name), place=(name,))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without fields that have their default. Numbers that are not finite become None."""
        return plain(self)

    def to_json(self) -> str:
        """The plain values as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class Seeds(Stored):
    """A figure over runs of a recipe that differ only in their seed.

    Args:
        seeds: number of runs, the card's own included.
        mean: mean of the values.
        deviation: standard deviation of the values, of a sample.
    """

    seeds: Annotated[int, Interval(ge=2, le=1000)]
    mean: Finite
    deviation: Annotated[Finite, Interval(ge=0)]

    def __str__(self) -> str:
        return f"{self.mean:.4g} ± {self.deviation:.2g} ({self.seeds} seeds)"


@dataclass(frozen=True, kw_only=True)
class Figure(Stored):
    """A number that a card claims. Metric, split and protocol say what it is comparable with.

    Args:
        metric: name of the metric.
        data: name of the data that were measured, such as a data set or a folder.
        split: split of the data.
        value: the measured value.
        tolerance: largest difference that a later measurement may have.
        protocol: how the value was measured, such as "Protocol B" or "256 px".
        seeds: the same over several runs; None: only the card's own was measured.
    """

    metric: Line
    data: Line
    split: Line
    value: Finite
    tolerance: Annotated[Finite, Interval(ge=0)]
    protocol: Line = ""
    seeds: Seeds | None = None

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
    """``a / b``; NaN where ``b`` is 0."""
    return a / b if b else math.nan


def claims_of(
    found: Iterable[tuple[str, float, float]], data: str, split: str = "test", protocol: str = ""
) -> list[Figure]:
    """A figure for each metric, value and tolerance; the value is rounded to four decimals.

    Raises:
        ZooError: a value is not finite, so no measurement can be compared with it.
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
    """A table: a title, the names of the columns, and the rows."""

    title: Line
    columns: Annotated[list[Line], Longest(50)]
    rows: Annotated[list[Annotated[list[Line | Whole | float | None], Longest(50)]], Longest(1000)]

    @classmethod
    def of(cls, title: str, rows: Mapping[str, Mapping[str, str | float | None]], first: str = "method") -> Table:
        """A table whose first column holds the names of the rows; all rows have the same columns in the same order."""
        columns = [first, *next(iter(rows.values()), {})]
        return cls(title=title, columns=columns, rows=[[name, *row.values()] for name, row in rows.items()])


@dataclass(frozen=True, kw_only=True)
class Speed(Stored):
    """A time in milliseconds.

    Args:
        what: what was timed.
        ms: milliseconds.
        machine: threads, processor and versions.
        how: command and statistic, such as "zoo benchmark: median of 10 rounds, ± 1.2 %".
    """

    what: Line
    ms: Finite
    machine: Line
    how: Line = ""


@dataclass(frozen=True, kw_only=True)
class Results(Stored):
    """The measurements of an evaluation, and where they come from.

    Args:
        figures: the claimed figures, the main one first.
        tables: tables of any kind.
        parameters: number of the network's parameters; None before the first measurement.
        macs: number of multiply-adds, by the size of the input.
        data_digest: SHA-256 digests of the data, by the name of each part.
        speed: times of the network.
        command: command that measured; ``zoo evaluate --write`` fills in this field and those below.
        versions: versions of the packages that figures depend on.
        commit: commit of the code.
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
