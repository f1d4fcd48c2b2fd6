"""How far runs are, in a small file of each; read without torch."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import read_json, replace
from zoo.training.lock import holder
from zoo.training.recipes import CONFIG

FILE, FACTS = "state.json", "facts.json"
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

    @classmethod
    def read(cls, run: Path) -> State:
        """The state of a run; the default where it is missing or damaged."""
        with suppress(ZooError, TypeError):
            return cls(**read_json(run / FILE))
        return cls()


@dataclass(frozen=True)
class Facts:
    """What the figures of a run depend on beside its recipe.

    Args:
        versions: versions of packages.
        data: SHA-256 digests of the samples, by split.
        devices: number of devices.
        monitor: figure that selects the best checkpoint, and "min" or "max"; empty: none.
    """

    versions: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    devices: int = 1
    monitor: tuple[str, str] | tuple[()] = ()

    def write(self, run: Path) -> None:
        replace(run / FACTS, json.dumps(asdict(self)))

    @classmethod
    def read(cls, run: Path) -> Facts:
        """The facts of a run; the default where they are missing, or an earlier zoo wrote none."""
        found: Any = {}
        with suppress(ZooError):
            found = read_json(run / FACTS)
        versions, data = (
            {str(key): str(value) for key, value in each.items()} if isinstance(each, dict) else {}
            for each in (found.get("versions"), found.get("data"))
        )
        devices, monitor = found.get("devices"), found.get("monitor")
        known = isinstance(monitor, list) and len(monitor) == 2 and monitor[1] in ("min", "max")
        return cls(
            versions, data, devices if type(devices) is int else 1, (str(monitor[0]), monitor[1]) if known else ()
        )


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
    state, job = State.read(run), ""
    with suppress(OSError):
        job = (run / JOB).read_text()
    by = holder(run)
    doing = "complete" if state.complete else "interrupted" if state.step else "no checkpoint"
    return Listed(run, "running" if by else doing, state, by, job)
