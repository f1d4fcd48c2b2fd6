"""``zoo fit --seeds`` and ``--sweep``: a recipe several times, each time an ordinary run that resumes."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

import yaml

from zoo.base.bounds import check_count
from zoo.base.errors import ZooError
from zoo.base.files import read_text
from zoo.base.paths import shown
from zoo.commands.terminal import table
from zoo.compare.subject import SEED, read
from zoo.training.keys import Keys, pairs
from zoo.training.lock import holder
from zoo.training.recipes import CONFIG
from zoo.training.states import State

MOST = 1000  # trials
LONGEST = 60  # characters of a value in the name of a folder
PLACE = "--trainer.default_root_dir"
ALONE = ("resume", "publish", "submit")  # options of a single run


@dataclass(frozen=True)
class Trial:
    """A run with values of its own.

    Args:
        values: values of the swept keys.
        folder: folder of the run, the same whenever the same command is given.
        words: further words of ``zoo fit``.
        environment: further variables of its environment.
        told: what is printed beside the folder.
    """

    values: tuple[str, ...]
    folder: Path
    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    told: str = ""


def add_trial_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, metavar="N", help="train N times, with seeds from the recipe's on")
    swept = "train with each value, such as model.optimizer.lr=1e-3,3e-3"
    parser.add_argument("--sweep", action="append", metavar="KEY=VALUES", help=swept)
    parser.add_argument("--study", metavar="FILE.yaml", help="let Optuna choose values from ranges (extra [sweep])")


def main(options: argparse.Namespace, keys: Keys, argv: Sequence[str]) -> int:
    """Trains each trial that is not complete in a process of its own, and prints a table of all.

    Args:
        options: options of ``zoo fit``.
        keys: the recipe and its keys.
        argv: words of ``zoo fit``.

    Returns:
        1 if a trial failed.

    Raises:
        ZooError: options are wrong, or the first trial fails.
    """
    recipe, words = begin(options, keys, argv, [key for key, _ in swept(options.sweep)])
    trials = list(planned(options, recipe, words, dict(pairs(keys.given))))
    failed = [trial for number, trial in enumerate(trials, 1) if not done(trial, words, number, len(trials))]
    _report(trials, failed, [key for key, _ in swept(options.sweep)])
    return 1 if failed else 0


def begin(
    options: argparse.Namespace, keys: Keys, argv: Sequence[str], changed: Sequence[str]
) -> tuple[Path, list[str]]:
    """The recipe, and the words of ``zoo fit`` without the options of trials.

    Args:
        options: options of ``zoo fit``.
        keys: the recipe and its keys.
        argv: words of ``zoo fit``.
        changed: keys whose values the trials change.

    Raises:
        ZooError: there is no recipe, an option is for single runs, or there is no such key.
    """
    if one := next((name for name in ALONE if getattr(options, name)), None):
        raise ZooError(f"--{one} is for a single run, without --seeds, --sweep and --study")
    if keys.recipe is None:
        raise ZooError("--seeds, --sweep and --study need --recipe NAME")
    replace(keys, given=[*keys.given, *(f"--{key}=" for key in changed)]).check()
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_trial_options(own)
    return keys.recipe, own.parse_known_args(list(argv))[1]


def swept(given: Sequence[str] | None) -> list[tuple[str, list[str]]]:
    """Keys and their values.

    Raises:
        ZooError: a key has no values, or is given twice.
    """
    found: dict[str, list[str]] = {}
    for text in given or ():
        key, equals, values = text.lstrip("-").partition("=")
        each = split(values)
        if not equals or not key or not all(each) or len(set(each)) < len(each):
            raise ZooError(f"--sweep takes KEY=VALUE,VALUE with different values, not {text!r}")
        if key in found or key == SEED:
            raise ZooError(f"--sweep {key}: {'--seeds N trains with N seeds' if key == SEED else 'is given twice'}")
        found[key] = each
    return list(found.items())


def split(values: str) -> list[str]:
    """Values between commas outside of brackets."""
    parts, depth = [""], 0
    for letter in values:
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def planned(options: argparse.Namespace, recipe: Path, words: Sequence[str], given: dict[str, str]) -> Iterator[Trial]:
    """All combinations of values, each with every seed.

    A folder's name holds a digest of recipe and options: the same command finds its runs, another one makes new ones.
    """
    grid = swept(options.sweep)
    seeds = 1 if options.seeds is None else options.seeds
    check_count("--seeds", seeds, f"must be a number from 1 to {MOST}", most=MOST)
    combinations = list(itertools.product(*(values for _, values in grid)))
    if len(combinations) * seeds > MOST:
        raise ZooError(f"--seeds and --sweep ask for {len(combinations) * seeds:,} runs: at most {MOST:,}")
    content = _mapping(read_text(recipe), recipe)
    first = _first_seed(given.get(f"--{SEED}", content.get(SEED)))
    parent, digest = place_of(recipe, given, words)
    for values, seed in itertools.product(combinations, range(first, first + seeds)):
        keys = [f"{key.rpartition('.')[2]}-{value[:LONGEST]}" for (key, _), value in zip(grid, values, strict=True)]
        name = re.sub(r"[^\w.+-]", "_", "_".join([digest, *keys, f"seed-{seed}"]))
        own = [f"--{key}={value}" for (key, _), value in zip(grid, values, strict=True)]
        own += [f"--{SEED}={seed}", f"--trainer.logger.version={name}"]
        yield Trial(values, parent / name, tuple(own))


def place_of(recipe: Path, given: dict[str, str], words: Sequence[str]) -> tuple[Path, str]:
    """The folder of a recipe's runs, and a digest of all that the trials of a command have in common."""
    text = read_text(recipe)
    root = given.get(PLACE) or (_mapping(text, recipe).get("trainer") or {}).get("default_root_dir") or "runs"
    digest = hashlib.sha256("\0".join([text, *words]).encode(errors="replace")).hexdigest()[:6]
    return Path(root, recipe.stem), digest


def _mapping(text: str, recipe: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = None
    if not isinstance(content, dict):
        raise ZooError(f"{recipe}: a recipe is a mapping")
    return content


def _first_seed(given: Any) -> int:
    """The seed of the first run: the recipe's, or 1 where it has none."""
    try:
        return int(given) if not isinstance(given, bool) else 1
    except (TypeError, ValueError):
        return 1


def done(trial: Trial, words: Sequence[str], number: int, count: int) -> bool:
    """Trains a trial unless it is complete; returns whether it is complete now."""
    where = f"{shown(trial.folder)}{trial.told}"
    if State.read(trial.folder).complete:
        print(f"[{number}/{count}] {where}: complete", flush=True)  # noqa: T201
        return True
    if by := holder(trial.folder):
        raise ZooError(
            f"{shown(trial.folder)} still runs: {by}; wait until it has ended, and give the same command again"
        )
    print(f"[{number}/{count}] {where}", flush=True)  # noqa: T201
    begun = (trial.folder / CONFIG).is_file()
    if not begun and not any(trial.folder.glob("checkpoints/*")):
        shutil.rmtree(trial.folder, ignore_errors=True)  # of a run that was killed before its first step
    command = ["--resume", str(trial.folder)] if begun else [*words, *trial.words]
    code = run([sys.executable, "-m", "zoo.commands.main", "fit", *command], trial.environment)
    if code in (130, 143) or code < 0:
        print("Interrupted. The same command goes on.", file=sys.stderr)  # noqa: T201
        sys.exit(code if code > 0 else 128 - code)
    if code and number == 1:
        sys.exit(code)  # the run has told why, and the others would fail as it did
    return not code


def run(command: Sequence[str], environment: Mapping[str, str] = MappingProxyType({})) -> int:
    """Runs a process, to which signals are passed on; returns its exit code.

    Args:
        command: the command.
        environment: further variables of its environment.
    """
    with subprocess.Popen(command, env={**os.environ, **environment}) as process, _passing_on(process):  # noqa: S603
        return process.wait()


@contextmanager
def _passing_on(process: subprocess.Popen) -> Iterator[None]:
    """Leaves the end to the process: Ctrl-C reaches it from the terminal, other signals are passed on."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    handlers: dict[int, Any] = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: pass_on}
    if hasattr(signal, "SIGUSR1"):
        handlers[signal.SIGUSR1] = pass_on
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(trials: Sequence[Trial], failed: Sequence[Trial], keys: Sequence[str]) -> None:
    """Prints mean, deviation and best of the monitored figure for each combination, the best combination first."""
    subjects = {trial.folder: read(str(trial.folder)) for trial in trials if trial not in failed}
    rows, name, sign = [], "", 1
    for values in dict.fromkeys(trial.values for trial in trials):
        own = [subjects[trial.folder] for trial in trials if trial.values == values and trial.folder in subjects]
        figures = [subject.figures[0] for subject in own if subject.figures]
        if figures:
            name, sign = f"{figures[0].split}/{figures[0].metric}", -1 if own[0].direction == "max" else 1
        found = [figure.value for figure in figures]
        mean = statistics.fmean(found) if found else None
        deviation = statistics.stdev(found) if len(found) > 1 else None
        best = (max if sign < 0 else min)(found, default=None)
        rows.append([*values, len(found), mean, deviation, best])
    rows.sort(key=lambda row: (row[-3] is None, sign * (row[-3] or 0)))
    print(f"\n{table([[*keys, 'runs', name or 'figure', 'deviation', 'best'], *rows])}")  # noqa: T201
    for trial in failed:
        print(f"failed: {shown(trial.folder)}", file=sys.stderr)  # noqa: T201
    if len(subjects) > 1:
        print(f"\nzoo compare {shlex.join(str(shown(each)) for each in subjects)} -o compare.html")  # noqa: T201
