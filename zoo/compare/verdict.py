"""What differs between runs and cards, and which of their figures may be compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.compare.subject import SEED, Measured, Subject

UNSET = "default"  # cell of a key that a card's recipe does not set
SEEDS = (SEED, "data.init_args.seed")
PLACES = ("trainer.default_root_dir", "trainer.logger")  # keys that say where a run is kept
T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)  # Student's, 95 %, by degrees of freedom from 1 on


@dataclass(frozen=True)
class Row:
    """A figure of all subjects.

    Args:
        name: metric, data and split.
        cells: the figure of each subject, or None.
        said: what may be concluded of each against the first.
    """

    name: str
    cells: tuple[Measured | None, ...]
    said: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Subjects that differ in nothing but their seed.

    Args:
        members: places of the subjects.
        mean: mean of the main figure.
        deviation: its standard deviation, of two or more.
    """

    members: tuple[int, ...]
    mean: float
    deviation: float | None


def differing_keys(subjects: Sequence[Subject]) -> dict[str, list[Any]]:
    """Keys of the recipes that differ, with the value of each subject.

    A run's recipe has all keys. A card's has those that were set: the others are "default", and are compared with those
    of other cards only, since a run does not tell which of its values are defaults.
    """
    found = {}
    for key in dict.fromkeys(key for subject in subjects for key in subject.recipe if not key.startswith(PLACES)):
        values = [subject.recipe.get(key, UNSET) for subject in subjects]
        of_cards = [repr(value) for subject, value in zip(subjects, values, strict=True) if not subject.is_run]
        known = [repr(value) for subject, value in zip(subjects, values, strict=True) if subject.is_run]
        known += [repr(subject.recipe[key]) for subject in subjects if not subject.is_run and key in subject.recipe]
        if len(set(known)) > 1 or len(set(of_cards)) > 1:
            found[key] = values
    return found


def data_of(subjects: Sequence[Subject]) -> dict[str, str]:
    """For each part of the data that several tell of: "the same", or "differ"."""
    found = {}
    for part in dict.fromkeys(part for subject in subjects for part in subject.data):
        digests = [subject.data[part] for subject in subjects if part in subject.data]
        if len(digests) > 1:
            found[part] = "the same" if len(set(digests)) == 1 else "differ"
    return found


def rows(subjects: Sequence[Subject]) -> list[Row]:
    """Figures side by side; a run's stands in the row of a card's if both were measured on the same data."""
    keys = dict.fromkeys(
        (each.metric, each.split, each.where) for subject in subjects for each in subject.figures if each.where
    )
    bare = dict.fromkeys((each.metric, each.split, "") for s in subjects for each in s.figures if not each.where)
    found: list[Row] = []
    taken: set[int] = set()
    for key in [*keys, *bare]:
        cells = [_cell(subject, key, subjects) for subject in subjects]
        mine = tuple(cell for cell in cells if cell)
        if mine and not {id(cell) for cell in mine} <= taken:
            taken |= {id(cell) for cell in mine}
            where = f" on {key[2]}" if key[2] else ""
            found.append(Row(f"{key[0]}{where} {key[1]}", tuple(cells), said_of(subjects, cells)))
    return sorted(found, key=lambda row: sum(cell is None for cell in row.cells))


def _cell(subject: Subject, key: tuple[str, str, str], subjects: Sequence[Subject]) -> Measured | None:
    metric, split, where = key
    for each in subject.figures:
        if (each.metric, each.split) == (metric, split):
            if each.where == where:
                return each
            digest = subject.data.get(split)
            if (
                not each.where
                and digest
                and any(other.data.get(split) == digest for other in subjects if not other.is_run)
            ):
                return each
    return None


def said_of(subjects: Sequence[Subject], cells: Sequence[Measured | None]) -> tuple[str, ...]:
    """What each figure says against the first: its difference, and whether it means anything."""
    first = cells[0]
    said = [""]
    for subject, cell in zip(subjects[1:], cells[1:], strict=True):
        if first is None or cell is None:
            said.append("")
            continue
        mine, theirs = (each.data.get(cell.split) for each in (subjects[0], subject))
        if mine and theirs and mine != theirs:
            said.append("not comparable: other data")
            continue
        change = cell.value - first.value
        text = f"{change:+.4g}" if change else "equal"
        if not (mine and theirs):
            text += ", if the data are the same: their digests are not known"
        else:
            text += _noise(subjects, subject, first, cell)
        said.append(text)
    return tuple(said)


def _noise(subjects: Sequence[Subject], subject: Subject, first: Measured, cell: Measured) -> str:
    """What is known of chance: deviations of runs that differ in their seed, or tolerances of cards."""
    change = abs(cell.value - first.value)
    spreads = [each for each in {_spread(subjects, s, first) for s in (subject, subjects[0])} if each]
    if spreads:
        freedom = sum(count - 1 for _, count in spreads)
        variance = sum(deviation**2 * (count - 1) for deviation, count in spreads) / freedom
        noise = T[min(freedom, len(T)) - 1] * math.sqrt(2 * variance)
        return f", {'within' if change <= noise else 'beyond'} the noise of seeds (± {noise:.2g})"
    tolerances = [each.tolerance for each in (first, cell) if each.tolerance]
    return ", within the tolerance" if tolerances and 0 < change <= max(tolerances) else ""


def _spread(subjects: Sequence[Subject], subject: Subject, like: Measured) -> tuple[float, int] | None:
    """Standard deviation of a figure over the runs that differ from one only in their seed, and the number of runs."""
    values = [
        each.value
        for other in subjects
        if same_but_seed(other, subject)
        for each in other.figures
        if (each.metric, each.split, each.where) == (like.metric, like.split, like.where)
    ]
    return (statistics.stdev(values), len(values)) if len(values) > 1 else None


def groups(subjects: Sequence[Subject]) -> list[Group]:
    """Subjects that differ in nothing but their seed, with mean and deviation of the main figure."""
    found: list[Group] = []
    left = [i for i, subject in enumerate(subjects) if subject.is_run and subject.figures]
    while left:
        members = [i for i in left if same_but_seed(subjects[i], subjects[left[0]])]
        values = [subjects[i].figures[0].value for i in members]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        found.append(Group(tuple(members), statistics.fmean(values), deviation))
        left = [i for i in left if i not in members]
    return found


def same_but_seed(one: Subject, other: Subject) -> bool:
    """Whether two runs have the same recipe, data and zoo, all known, and another seed; a run is the same as itself."""
    if one is other:
        return True
    known = one.is_run and other.is_run and bool(one.data) and "zoo" in one.versions and one.seed != other.seed
    same = one.data == other.data and one.versions.get("zoo") == other.versions.get("zoo")
    return known and same and _without_seed(one.recipe) == _without_seed(other.recipe)


def _without_seed(recipe: Mapping[str, Any]) -> dict[str, str]:
    return {key: repr(value) for key, value in recipe.items() if key not in SEEDS and not key.startswith(PLACES)}


def conclusion(subjects: Sequence[Subject]) -> str:
    """One sentence: whether the figures may be compared."""
    data, shared = data_of(subjects), [row for row in rows(subjects) if sum(cell is not None for cell in row.cells) > 1]
    held_out = {part: said for part, said in data.items() if part != "train"}
    if not shared:
        return "Not comparable: no metric was measured by two of them under the same protocol."
    if all(text.startswith("not comparable") for row in shared for text in row.said if text):
        return "Not comparable: the held-out data differ."
    if others := [part for part, said in held_out.items() if said == "differ"]:
        return f"Comparable in part: other data of {' and '.join(others)}."
    if not held_out:
        return "Perhaps comparable: the digests of the data are not known."
    extra = "; the training data differ" if data.get("train") == "differ" else ""
    return f"Comparable: the held-out data are the same{extra}."
