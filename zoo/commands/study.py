"""``zoo fit --study``: a recipe several times with values that Optuna chooses, each time an ordinary run."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from zoo.base.bounds import check_count
from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.base.files import expanded, read_text
from zoo.base.paths import shown
from zoo.base.text import cell_text, did_you_mean
from zoo.base.typed import NOT_YAML
from zoo.commands import trials
from zoo.commands.terminal import table
from zoo.commands.trials import MOST, Trial
from zoo.compare.subject import SEED
from zoo.training import recipes
from zoo.training.keys import Keys, pairs
from zoo.training.study import GIVEN, Pruning, Record, suggested

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

KEYS = ("trials", "seed", "pruning", "space")
MOST_SEED = 2**32 - 1
SHOWN, COMPARED = 20, 4  # trials in the table, and in the command that compares the best
NUMBERS = {"float": "[1e-4, 1e-2]", "int": "[2, 8]"}  # kinds of ranges, with an example
Dimension = tuple[str, list[Any], bool]  # kind, limits or choices, whether logarithmic


@dataclass(frozen=True)
class Plan:
    """What a file of a study says.

    Args:
        trials: number of trials.
        seed: seed of what chooses values.
        pruning: when a trial ends early.
        space: kind, limits or choices, and whether the scale is logarithmic, by the key of the recipe.
    """

    trials: int
    seed: int
    pruning: Pruning
    space: Mapping[str, Dimension]

    def distributions(self) -> dict[str, BaseDistribution]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        made: dict[str, BaseDistribution] = {}
        for key, (kind, values, log) in self.space.items():
            ranges: Any = FloatDistribution if kind == "float" else IntDistribution
            made[key] = CategoricalDistribution(values) if kind == "choice" else ranges(*values, log=log)
        return made


def main(options: argparse.Namespace, keys: Keys, argv: Sequence[str]) -> int:
    """Trains the trials that are not complete, one after the other, and prints the best.

    Args:
        options: options of ``zoo fit``.
        keys: the recipe and its keys.
        argv: words of ``zoo fit``.

    Returns:
        1 if a trial failed.

    Raises:
        ZooError: options or the file are wrong, Optuna is not installed, or the first trial fails.
    """
    if options.seeds is not None or options.sweep:
        raise ZooError("--study chooses the values itself: leave out --seeds and --sweep")
    plan = read_plan(expanded(options.study))
    recipe, words = trials.begin(options, keys, argv, [*plan.space])
    require("zoo fit --study", "sweep", "optuna")
    common = json.dumps([plan.seed, {key: list(each) for key, each in plan.space.items()}, asdict(plan.pruning)])
    parent, digest = trials.place_of(recipe, dict(pairs(keys.given)), [*words, common])
    found: dict[Path, Record] = {}
    failed: list[Path] = []
    for number in range(1, plan.trials + 1):
        folder = parent / f"{digest}_trial-{number:03d}"
        trial = _trial(plan, folder, number, list(found.values()))
        record = Record.read(folder) if trials.done(trial, words, number, plan.trials) else None
        if number == 1 and not (record and record.reports):
            raise ZooError(f"{shown(folder)}: no validation has measured a figure; is this a dry run?")
        if record is None or record.best is None:
            failed.append(folder)
        else:
            found[folder] = record
    _report(plan, found, failed, ["zoo", "fit", *words])
    return 1 if failed else 0


def _trial(plan: Plan, folder: Path, number: int, records: Sequence[Record]) -> Trial:
    """A trial with the values that it has already, or else with those that Optuna suggests."""
    begun = Record.read(folder)
    values = begun.values if begun else suggested(plan.distributions(), plan.seed, number, records)
    own = [f"--{key}={value}" for key, value in values.items()]
    told = {"number": number, "values": values, "pruning": asdict(plan.pruning)}
    return Trial(
        values=tuple(map(str, values.values())),
        folder=folder,
        words=(*own, f"--trainer.logger.version={folder.name}"),
        environment={GIVEN: json.dumps(told)},
        told="".join(f"  {key}={cell_text(value)}" for key, value in values.items()),
    )


def read_plan(path: Path) -> Plan:
    """Reads the file of a study.

    Raises:
        ZooError: it is missing, not YAML, or says what cannot be; the message names the place.
    """
    if not path.is_file():
        raise ZooError(f"--study {path}: no such file")
    text = read_text(path)
    recipes.parse(text, path)  # refuses keys that are given twice
    try:
        content = yaml.safe_load(text)
    except NOT_YAML as error:
        raise ZooError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict) or not isinstance(content.get("space"), dict) or not content["space"]:
        raise ZooError(f"{path}: a study needs trials: NUMBER, and space: with keys of the recipe")
    _refuse_others(f"{path}:", content, KEYS)
    count: Any = content.get("trials")
    seed = content.get("seed", 0)
    check_count(f"{path}: trials", count, f"must be a number from 1 to {MOST}", most=MOST)
    check_count(f"{path}: seed", seed, f"must be a number from 0 to {MOST_SEED}", least=0, most=MOST_SEED)
    space = {str(key): _dimension(f"{path}: space: {key}:", key, given) for key, given in content["space"].items()}
    return Plan(count, seed, _pruning(f"{path}: pruning:", content.get("pruning", {})), space)


def _refuse_others(place: str, content: Mapping[Any, Any], known: Sequence[str]) -> None:
    for key in content:
        if key not in known:
            raise ZooError(f"{place} no key {key!r}{did_you_mean(str(key), known)}; there are {', '.join(known)}")


def _pruning(place: str, given: Any) -> Pruning:
    if given is False:
        return Pruning(trials=None)
    if not isinstance(given, dict):
        raise ZooError(f"{place} must be false, or such as {{trials: 5, validations: 1}}, not {given!r}")
    _refuse_others(place, given, ("trials", "validations"))
    for key, value in given.items():
        check_count(f"{place} {key}", value, f"must be a number from 0 to {MOST}", least=0, most=MOST)
    return Pruning(**given)


def _dimension(place: str, key: Any, given: Any) -> Dimension:
    """The kind, limits or choices, and scale of a key."""
    if key == SEED:
        raise ZooError(f"{place} a seed is not chosen; train the best values with --seeds N")
    kinds = [kind for kind in (*NUMBERS, "choice") if isinstance(given, dict) and kind in given]
    if len(kinds) != 1:
        raise ZooError(f"{place} takes {{float: [1e-4, 1e-2], log: true}}, {{int: [2, 8]}} or {{choice: [a, b]}}")
    kind = kinds[0]
    _refuse_others(place, given, [kind, *(["log"] if kind in NUMBERS else [])])
    values, log = given[kind], given.get("log", False)
    if kind == "choice":
        return kind, _choices(place, values), False
    if not isinstance(log, bool):
        raise ZooError(f"{place} log must be true or false, not {log!r}")
    return kind, _limits(place, kind, values, log), log


def _choices(place: str, values: Any) -> list[Any]:
    """The words by which the command line takes the values."""
    words = [each if isinstance(each, str) else json.dumps(each, default=str) for each in _list(values)]
    if len(words) < 2 or len(set(words)) < len(words):
        raise ZooError(f"{place} choice takes two or more different values, such as [a, b], not {values!r}")
    return words


def _limits(place: str, kind: str, values: Any, log: bool) -> list[Any]:
    number: Any = float if kind == "float" else int
    try:
        low, high = (number(each) for each in _list(values) if not isinstance(each, bool))
        exact = [low, high] == [float(each) for each in values] and math.isfinite(high - low)
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        raise ZooError(f"{place} {kind} takes its lowest and highest value, such as {NUMBERS[kind]}, not {values!r}")
    if low >= high:
        raise ZooError(f"{place} the lowest value, {low}, must be below the highest, {high}")
    if log and low <= 0:
        raise ZooError(f"{place} log: true needs values above 0, not {low}")
    return [low, high]


def _list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else []


def _report(plan: Plan, found: Mapping[Path, Record], failed: Sequence[Path], words: Sequence[str]) -> None:
    """Prints the trials, the best first, and how the best goes on."""
    for folder in failed:
        print(f"failed: {shown(folder)}", file=sys.stderr)  # noqa: T201
    names = {record.figure for record in found.values()}
    if not found:
        raise ZooError("no trial has a finite figure: lower the learning rates")
    if len(names) > 1:
        raise ZooError(f"trials monitor different figures: {', '.join(sorted(names))}; leave out keys that choose them")
    ranked = sorted(found, key=lambda folder: _rank(found[folder]))
    rows = [_row(found[folder], plan) for folder in ranked]
    print(f"\n{table([['trial', *plan.space, *names, 'validations', ''], *rows[:SHOWN]])}")  # noqa: T201
    if len(rows) > SHOWN:
        print(f"and {len(rows) - SHOWN} more")  # noqa: T201
    best, own = ranked[0], [f"--{key}={value}" for key, value in found[ranked[0]].values.items()]
    value = f"{found[best].figure} {cell_text(found[best].best)}"
    print(f"\nBest: {shown(best)} ({value})")  # noqa: T201
    print(f"Train it on: zoo fit --resume {shown(best)} --trainer.max_epochs N")  # noqa: T201
    print(f"Its values:  {shlex.join([*words, *own])}")  # noqa: T201
    if len(ranked) > 1:
        print(f"zoo compare {' '.join(map(shown, ranked[:COMPARED]))} -o compare.html")  # noqa: T201


def _rank(record: Record) -> tuple[bool, float]:
    """Whole trials come first, then the better ones."""
    value = record.best or 0.0
    return record.pruned, -value if record.direction == "max" else value


def _row(record: Record, plan: Plan) -> list[Any]:
    values = [record.values.get(key) for key in plan.space]
    return [record.number, *values, record.best, len(record.reports), "pruned" if record.pruned else None]
