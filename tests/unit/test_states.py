"""``zoo runs``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo.commands import main
from zoo.training.lock import locked
from zoo.training.states import State


def run(place: Path, name: str, state: State | None = None) -> Path:
    folder = place / "runs" / "mini" / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("model: {}\n")
    if state:
        state.write(folder)
    return folder


def test_runs_are_listed_with_state_step_figure_and_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    run(tmp_path, "version_0", State(2, 8, "val/mIoU", 0.5, complete=True))
    (run(tmp_path, "version_1", State(1, 5, "val/mIoU", 0.25)) / "slurm_job").write_text("17")
    run(tmp_path, "version_2")
    with locked(run(tmp_path, "version_3", State(0, 3))):
        assert main.main(["runs"]) == 0
        head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert main.main(["runs", "--json"]) == 0
    assert head == ["run", "state", "epoch", "step", "figure", "job"]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["runs/mini/version_0"] == ["complete", "2", "8", "val/mIoU", "0.5"]
    assert by_name["runs/mini/version_1"] == ["interrupted", "1", "5", "val/mIoU", "0.25", "17"]
    assert by_name["runs/mini/version_2"] == ["no", "checkpoint", "0", "0"]
    assert by_name["runs/mini/version_3"][:2] == ["running", "(process"]
    assert {each["doing"] for each in json.loads(capsys.readouterr().out)} == {
        "complete", "interrupted", "no checkpoint", "running",
    }  # fmt: skip
    assert main.main(["runs"]) == 0
    assert "running" not in capsys.readouterr().out


def test_a_training_tells_how_far_it_is(
    mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini.yaml").write_text(f"{mini_recipe}  max_epochs: 1\n")
    assert main.main(["fit", "--recipe", "mini.yaml"]) == 0
    capsys.readouterr()
    assert main.main(["runs"]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[:5] == ["runs/mini/version_0", "complete", "1", "2", "val/mIoU"]


@pytest.mark.parametrize(
    ("there", "message"), [(False, "no such folder; zoo fit makes it"), (True, "no run lies here")]
)
def test_a_folder_without_runs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], there: bool, message: str
):
    monkeypatch.chdir(tmp_path)
    if there:
        (tmp_path / "runs").mkdir()
    assert main.main(["runs"]) == 2
    assert message in capsys.readouterr().err
