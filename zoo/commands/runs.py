"""``zoo runs``: the trainings in a folder, and how far they are; answers without torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.paths import shown
from zoo.commands.terminal import Parser, table
from zoo.training.states import Listed, listed


def main(argv: list[str]) -> int:
    """Prints the runs of a folder, the latest last."""
    parser = Parser(prog="zoo runs", description="Lists trainings with state, last step and figure.")
    parser.add_argument("folder", nargs="?", default="runs", help="folder of the runs (default: runs)")
    parser.add_argument("--json", action="store_true", help="print all that is known about each run as JSON")
    options = parser.parse_args(argv)
    folder = Path(options.folder)
    if not folder.is_dir():
        raise ZooError(f"{folder}: no such folder; zoo fit makes it")
    found = listed(folder)
    if options.json:
        print(json.dumps([{**asdict(each), "folder": str(each.folder)} for each in found], indent=2))  # noqa: T201
    elif found:
        print(table([("run", "state", "epoch", "step", "figure", "", "job"), *map(_row, found)]))  # noqa: T201
    else:
        raise ZooError(f"{folder}: no run lies here; a run is a folder with config.yaml")
    return 0


def _row(run: Listed) -> tuple[str | float | None, ...]:
    state = run.state
    doing = f"{run.doing} ({run.by})" if run.by else run.doing
    job = run.job or None
    return str(shown(run.folder)), doing, state.epoch, state.step, state.figure or None, state.value, job
