"""How far runs are, in a small file of each; read without torch."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.files import read_json, replace
from zoo.training.lock import holder
from zoo.training.recipes import CONFIG

FILE = "state.json"
JOB = "slurm_job"  # file with the id of a SLURM job


@dataclass(frozen=True)
class State:
    """How far a run is.

    Args:
        epoch: number of whole epochs.
        step: steps of the optimiser in the last checkpoint.
        figure: name of the figure that selects the best checkpoint; empty: none.
        value: its latest value.
        complete: whether the training reached its end.
    """

    epoch: int = 0
    step: int = 0
    figure: str = ""
    value: float | None = None
    complete: bool = False

    def write(self, run: Path) -> None:
        replace(run / FILE, json.dumps(asdict(self)))


@dataclass(frozen=True)
class Listed:
    """A run in a list.

    Args:
        folder: folder of the run.
        doing: "running", "complete", "interrupted", or "no checkpoint".
        state: how far it is.
        by: process and machine of a running one.
        job: id of its SLURM job.
    """

    folder: Path
    doing: str
    state: State
    by: str = ""
    job: str = ""


def listed(runs: Path) -> list[Listed]:
    """The runs in a folder and its subfolders, the latest last."""
    found = sorted({*runs.glob(f"*/*/{CONFIG}"), *runs.glob(f"*/{CONFIG}")}, key=lambda path: path.stat().st_mtime)
    return [_listed(path.parent) for path in found]


def _listed(run: Path) -> Listed:
    state, job = State(), ""
    with suppress(ZooError, TypeError):
        state = State(**read_json(run / FILE))
    with suppress(OSError):
        job = (run / JOB).read_text()
    by = holder(run)
    doing = "complete" if state.complete else "interrupted" if state.step else "no checkpoint"
    return Listed(run, "running" if by else doing, state, by, job)
