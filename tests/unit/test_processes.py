"""Several processes of a run, and what a run cannot use: each is told once, in a line."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
import torch

from forked import Ranks
from zoo.base.processes import TOLD
from zoo.commands import main
from zoo.training.lock import locked


@pytest.fixture
def place(mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a recipe."""
    (tmp_path / "mini.yaml").write_text(f"{mini_recipe}  max_epochs: 1\n  log_every_n_steps: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a refused command prints."""
    capsys.readouterr()
    assert main.main(["fit", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_two_processes_say_each_line_once(place: Path):
    ran = Ranks("--recipe", "mini.yaml", world=2)
    assert "epoch 1/1" in ran.end(0, 0)
    assert ran.told[1] == ""


@pytest.mark.parametrize("number", ["NODE_RANK", "RANK"])
def test_machines_that_are_told_their_numbers_share_a_run(place: Path, number: str):
    """As pods of a cluster are, by MASTER_ADDR, MASTER_PORT and a number."""
    ran = Ranks("--recipe", "mini.yaml", world=2, nodes=True, number=number)
    assert "epoch 1/1" in ran.end(0, 0)
    assert ran.told[1] == ""
    assert [path.name for path in (place / "runs" / "mini").iterdir()] == ["version_0"]


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ([1], "rank 1 of machine 1 did not come; here: ranks 0, 2 on {host}; no more came within 2s (ZOO_WAIT=TIME"),
        ([0, 2], "rank 1 on {host} waits for rank 0 at 127.0.0.1:{port}, which did not answer within 2s ("),
    ],
)
def test_machines_that_do_not_come_are_named(place: Path, absent: list[int], message: str):
    """On every machine in one line, and without a folder of the run."""
    ran = Ranks("--recipe", "mini.yaml", world=3, nodes=True, absent=absent, ZOO_WAIT="2s")
    ran.end(*[2] * len(ran.processes))
    (line,) = {line for told in ran.told for line in told.splitlines()}
    port = ran.outputs[0].stem.rpartition("_")[2]
    assert line.startswith("zoo: error: " + message.format(host=socket.gethostname(), port=port))
    assert not (place / "runs").exists()


@pytest.mark.parametrize("told", [{"RANK": 0, "WORLD_SIZE": 2}, {"NODE_RANK": 1}])
def test_machines_that_would_train_alone_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], told: dict[str, int]
):
    for name in ("RANK", "NODE_RANK"):
        monkeypatch.setenv(name, "0")
        monkeypatch.delenv(name)
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    assert "tell of 2 machines, but the trainer has 1: use --trainer.num_nodes 2" in refused(
        capsys, "--recipe", "mini.yaml"
    )
    assert not (place / "runs").exists()


def test_a_port_that_another_program_has_is_told(place: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = Ranks("--recipe", "mini.yaml", world=2, nodes=True, absent=[1], MASTER_PORT=port)
        told = ran.end(2)
    assert told.startswith(f"zoo: error: 127.0.0.1:{port} is taken by another program: set MASTER_ADDR and MASTER_PORT")


def test_the_wait_for_other_machines_is_a_time(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ZOO_WAIT", "soon")
    assert refused(capsys, "--recipe", "mini.yaml").startswith("zoo: error: ZOO_WAIT must be a time such as 10m")


def test_two_processes_tell_a_mistake_once(place: Path):
    """And leave no file behind, whether or not all of a run before met its mistake."""
    temporary = place / "temporary"
    temporary.mkdir()
    (temporary / f"{TOLD}{os.getpid()}_1_of_a_run_before").touch()
    (temporary / f"{TOLD}nonsense").touch()
    ran = Ranks("--recipe", "mini.yaml", "--data.batch_size=99", world=2, TMPDIR=temporary)
    ran.end(2, 2)
    assert "".join(ran.told).count("zoo: error: data.batch_size 99 is more than the 2 training pictures") == 1
    assert list(temporary.iterdir()) == []


def test_a_run_that_still_runs_is_not_resumed(place: Path, capsys: pytest.CaptureFixture[str]):
    """Nor after it has ended is it in the way."""
    assert main.main(["fit", "--recipe", "mini.yaml"]) == 0
    run = place / "runs" / "mini" / "version_0"
    command = ["--resume", str(run), "--trainer.max_epochs=2"]
    with locked(run):
        line = refused(capsys, *command)
    by = f"process {os.getpid()} on {socket.gethostname()}"
    assert line == f"zoo: error: {run} still runs: {by}; stop it, or wait until it has ended"
    assert main.main(["fit", *command]) == 0


@pytest.mark.parametrize("verb", ["fit", "validate", "card"])
def test_a_checkpoint_of_a_newer_zoo_is_refused(place: Path, capsys: pytest.CaptureFixture[str], verb: str):
    assert main.main(["fit", "--recipe", "mini.yaml"]) == 0
    run = place / "runs" / "mini" / "version_0"
    for path in (run / "checkpoints").iterdir():
        checkpoint = torch.load(path, weights_only=True)
        checkpoint["zoo"]["zoo_version"] = "12.0.1"
        torch.save(checkpoint, path)
    last = str(run / "checkpoints" / "last.ckpt")
    command = {
        "fit": ["fit", "--resume", str(run)],
        "validate": ["validate", "--recipe", "mini.yaml", "--ckpt_path", last],
        "card": ["card", last, "--name", "mine"],
    }
    capsys.readouterr()
    assert main.main(command[verb]) == 2
    told = r"last\.ckpt: zoo 12\.0\.1 wrote it, which is newer than this zoo .*: pip install -U lightning-zoo$"
    assert re.search(told, capsys.readouterr().err)


DDP = ["--trainer.accelerator=cpu", "--trainer.strategy=ddp"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mini.yaml", "--trainer.devices=9999"], r"--trainer.devices 9999: this machine has \d+ CPU cores"),
        (["mini.yaml", "--trainer.devices=2", "--trainer.sync_batchnorm=true"], "sync_batchnorm works on GPUs only"),
        (
            ["neural_style", "--trainer.devices=2", "--model.vgg=null", "--trainer.precision=32-true"],
            "NeuralStyleModule optimises one picture, .*: add --trainer.devices 1 --trainer.num_nodes 1$",
        ),
        (
            ["mini.yaml", "--trainer.default_root_dir=mini.yaml/below"],
            "cannot make the folder of the run: Not a directory; --trainer.default_root_dir FOLDER puts",
        ),
    ],
    ids=["too many", "batch norm", "one picture", "no folder"],
)
def test_what_a_run_cannot_use_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    assert re.search(message, refused(capsys, "--recipe", *arguments, *DDP))
    assert not (place / "runs").exists()


@pytest.mark.parametrize("period", ["10", "m", "1d", "-1s", "0x1s"])
def test_a_period_is_a_number_with_a_unit(place: Path, capsys: pytest.CaptureFixture[str], period: str):
    line = refused(capsys, "--recipe", "mini.yaml", f"--every={period}")
    assert line == f"zoo: error: --every must be a time such as 10m, 90s or 2h, or never, not {period!r}"
