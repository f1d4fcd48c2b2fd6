"""``zoo fit --seeds`` and ``--sweep``: which runs are made, and that the same command goes on."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest

from zoo.base.errors import ZooError
from zoo.commands import main, trials
from zoo.training.lock import locked
from zoo.training.states import State

SWEEP = ["--seeds", "2", "--sweep", "model.optimizer.lr=1e-3,1e-2"]


@pytest.fixture
def place(mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a recipe of seed 3."""
    (tmp_path / "mini.yaml").write_text(f"{mini_recipe}  max_epochs: 1\n  log_every_n_steps: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of the runs, which are made in this process."""
    commands: list[list[str]] = []

    def run(command: list[str], _environment: object) -> int:
        commands.append(command[3:])
        return main.main(command[3:])

    monkeypatch.setattr(trials, "run", run)
    return commands


def test_every_combination_with_every_seed(place: Path, ran: list[list[str]], capsys: pytest.CaptureFixture[str]):
    assert main.main(["fit", "--recipe", "mini.yaml", *SWEEP]) == 0
    seeds = [word.rpartition("=")[2] for words in ran for word in words if word.startswith("--seed_everything")]
    rates = [word.rpartition("=")[2] for words in ran for word in words if word.startswith("--model.optimizer.lr")]
    assert list(zip(rates, seeds, strict=True)) == [("1e-3", "3"), ("1e-3", "4"), ("1e-2", "3"), ("1e-2", "4")]
    runs = sorted((place / "runs" / "mini").iterdir())
    assert len(runs) == 4
    assert all(State.read(run).complete for run in runs)
    out = capsys.readouterr().out
    head, *rows = out[out.index("\nmodel.optimizer.lr") :].strip().splitlines()[:3]
    assert head.split() == ["model.optimizer.lr", "runs", "val/mIoU", "deviation", "best"]
    means = [float(row.split()[2]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert {row.split()[1] for row in rows} == {"2"}
    compare = re.search(r"zoo (compare .*) -o compare.html", out)
    assert compare
    assert main.main(compare[1].split()) == 0

    ran.clear()
    assert main.main(["fit", "--recipe", "mini.yaml", *SWEEP]) == 0
    assert ran == []  # all are complete
    assert main.main(["fit", "--recipe", "mini.yaml", *SWEEP, "--seeds", "3"]) == 0
    assert len(ran) == 2  # only the third seed
    (place / "mini.yaml").write_text((place / "mini.yaml").read_text() + "  gradient_clip_val: 1.0\n")
    assert main.main(["fit", "--recipe", "mini.yaml", "--seeds", "1"]) == 0
    assert len(ran) == 3  # another recipe has runs of its own


def test_an_interrupted_run_resumes(place: Path, ran: list[list[str]], capsys: pytest.CaptureFixture[str]):
    command = ["fit", "--recipe", "mini.yaml", "--seeds", "1"]
    assert main.main(command) == 0
    (run,) = (place / "runs" / "mini").iterdir()
    State(1, 2).write(run)  # as if it had been interrupted
    ran.clear()
    assert main.main(command) == 0
    assert ran == [["fit", "--resume", str(run.relative_to(place))]]
    State(1, 2).write(run)
    with locked(run):
        assert main.main(command) == 2
    assert "still runs" in capsys.readouterr().err


def test_a_run_that_fails_is_told_and_the_others_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    codes = iter([0, 2, 0])
    monkeypatch.setattr(trials, "read", lambda folder: type("Run", (), {"figures": (), "direction": ""})())
    monkeypatch.setattr(trials, "run", lambda *_: next(codes))
    assert main.main(["fit", "--recipe", "mini.yaml", "--seeds", "3"]) == 1
    assert re.fullmatch(r"failed: runs/mini/\w{6}_seed-4\n", capsys.readouterr().err)


@pytest.mark.parametrize("code", [130, 143, 2])
def test_an_interrupt_and_a_first_run_that_fails_end_all(place: Path, monkeypatch: pytest.MonkeyPatch, code: int):
    monkeypatch.setattr(trials, "run", lambda *_: code)
    with pytest.raises(SystemExit) as end:
        main.main(["fit", "--recipe", "mini.yaml", "--seeds", "3"])
    assert end.value.code == code


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_signals_are_passed_on():
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    program = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\nsignal.pause()"
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert trials.run([sys.executable, "-S", "-c", program]) in (143, -signal.SIGTERM)
    finally:
        timer.cancel()
    assert signal.getsignal(signal.SIGTERM) == before


def test_values_in_brackets_are_whole():
    assert trials.split("[1,2],{a: [3,4]},x") == ["[1,2]", "{a: [3,4]}", "x"]
    assert trials.swept(["--data.augment.crop=[48,64],[64,64]"]) == [("data.augment.crop", ["[48,64]", "[64,64]"])]


@pytest.mark.parametrize("given", ["x", "x=", "=1", "x=1,,2", "x=1,1", "seed_everything=1,2"])
def test_a_wrong_sweep_is_refused(given: str):
    with pytest.raises(ZooError, match="--sweep"):
        trials.swept([given])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "0"], "--seeds must be a number from 1 to 1000, not 0"),
        (["--seeds", "1001"], "--seeds must be a number from 1 to 1000, not 1001"),
        (["--seeds", "500", "--sweep", "data.train=1,2,3"], "ask for 1,500 runs: at most 1,000"),
        (["--sweep", "a=1", "--sweep", "a=2"], "is given twice"),
        (["--sweep", "model.optimiser.lr=1,2"], "no key --model.optimiser; did you mean --model.optimizer?"),
        (["--seeds", "2", "--submit", "slurm", "--time", "1h"], "--submit is for a single run"),
    ],
)
def test_mistakes_are_told_first(place: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str):
    assert main.main(["fit", "--recipe", "mini.yaml", *options]) == 2
    assert message in capsys.readouterr().err
    assert not (place / "runs").exists()


def test_without_a_recipe(capsys: pytest.CaptureFixture[str]):
    assert main.main(["fit", "--seeds", "2"]) == 2
    assert "--recipe NAME" in capsys.readouterr().err
