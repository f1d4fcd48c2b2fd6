"""Trials of a study: what each run keeps of itself, the values of the next one, and which one ends early."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import read_json, replace

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

FILE = "trial.json"  # in the folder of a run
GIVEN = "ZOO_TRIAL"  # environment variable by which a run learns that it is a trial
NAME = re.compile(r"(.*_trial-)(\d+)")  # of the folder of a trial
Value: TypeAlias = "float | int | str"


@dataclass(frozen=True)
class Pruning:
    """When a trial may end before its time.

    Args:
        trials: number of whole trials that must come first; None: every trial is trained to its end.
        validations: number of validations that a trial always gets.
    """

    trials: int | None = 5
    validations: int = 0


@dataclass
class Record:
    """What a run keeps of its trial, in a small file; all trials' together are the study.

    Args:
        number: number of the trial, from 1 on.
        values: values of the recipe's keys.
        figure: name of the monitored figure.
        direction: "min" or "max".
        reports: the figure by the number of the validation.
        pruned: whether the run ended early.
    """

    number: int
    values: dict[str, Value]
    figure: str = ""
    direction: str = "min"
    reports: dict[int, float] = field(default_factory=dict)
    pruned: bool = False

    def write(self, run: Path) -> None:
        replace(run / FILE, json.dumps({**asdict(self), "reports": list(self.reports.items())}))

    @classmethod
    def read(cls, run: Path) -> Record | None:
        """The record of a run; None where it is missing or damaged."""
        with suppress(ZooError, TypeError, ValueError, KeyError):
            content = read_json(run / FILE)
            record = cls(**{**content, "reports": {int(n): float(value) for n, value in content["reports"]}})
            return record if record.direction in ("min", "max") and isinstance(record.values, dict) else None
        return None

    @property
    def best(self) -> float | None:
        """The best finite value; None where there is none."""
        finite = [value for value in self.reports.values() if math.isfinite(value)]
        return (max if self.direction == "max" else min)(finite, default=None)


def before(run: Path) -> list[Record]:
    """The records of the trials before that of a folder, in their order."""
    if not (named := NAME.fullmatch(run.name)):
        return []
    found = ((NAME.fullmatch(each.name), each) for each in run.parent.iterdir())
    own = {int(name[2]): each for name, each in found if name and name[1] == named[1]}
    return [record for number in sorted(own) if number < int(named[2]) and (record := Record.read(own[number]))]


def suggested(
    space: Mapping[str, BaseDistribution], seed: int, number: int, records: Sequence[Record]
) -> dict[str, Any]:
    """Values of a trial: a function of seed, number and the trials before, so that a study that was killed goes on.

    Args:
        space: distribution of each key.
        seed: seed of the study.
        number: number of the trial.
        records: records of the trials before it.
    """
    from optuna.samplers import TPESampler

    own = random.Random(f"{seed} {number}").getrandbits(32)
    study = _study(records, space, sampler=TPESampler(seed=own))
    return dict(study.ask(dict(space)).params)


def hopeless(record: Record, pruning: Pruning, records: Sequence[Record]) -> bool:
    """Whether the best figure so far is worse than the median of the trials before, at the same validation.

    Args:
        record: record of the running trial.
        pruning: when a trial may end.
        records: records of the trials before it.
    """
    if pruning.trials is None or not records:
        return False
    from optuna.pruners import MedianPruner

    pruner = MedianPruner(n_startup_trials=pruning.trials, n_warmup_steps=pruning.validations)
    trial = _study([*records], {}, direction=record.direction, pruner=pruner).ask()
    for number, value in record.reports.items():
        trial.report(value, number)
    return bool(trial.should_prune())


def _study(
    records: Sequence[Record], space: Mapping[str, BaseDistribution], direction: str = "", **settings: Any
) -> optuna.Study:
    """A study in memory with trials that have ended."""
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ended = [record for record in records if record.best is not None and space.keys() <= record.values.keys()]
    told = direction or (ended[0].direction if ended else "min")
    study = optuna.create_study(direction="maximize" if told == "max" else "minimize", **settings)
    for record in ended:
        trial = create_trial(
            state=TrialState.PRUNED if record.pruned else TrialState.COMPLETE,
            value=record.best,
            params={key: record.values[key] for key in space},
            distributions=dict(space),
            intermediate_values=record.reports,
        )
        study.add_trial(trial)
    return study
