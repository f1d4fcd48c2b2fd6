"""Folders of runs, runs that are interrupted, and several processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from forked import Ranks
from zoo.commands import main
from zoo.training import slurm

SCHEDULE = """\
    lr_scheduler:
      class_path: zoo.nn.schedule.WarmupPolyLR
data:
"""
STEPS = 4  # steps of an epoch
SIGNAL = """\
import os
import sys
from lightning.pytorch import Callback

LIMIT = os.environ.get("AT_STEP")

class SignalAtStep(Callback):
    def on_train_batch_start(self, trainer, *_):
        if LIMIT and trainer.global_step == int(LIMIT) and trainer.global_rank == int(os.environ.get("OF_RANK", 0)):
            if os.environ["SIGNAL"] == "raise":
                raise RuntimeError("rank failed")
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))


class Moment(Callback):
    at = None

    def reached(self, trainer, hook, step):
        if Moment.at and Moment.at[:2] == (step, hook):
            number, Moment.at = Moment.at[2], None
            os.kill(os.getpid(), number)

    def on_train_batch_start(self, trainer, *_):
        self.reached(trainer, "on_train_batch_start", trainer.global_step)

    def on_before_optimizer_step(self, trainer, *_):
        self.reached(trainer, "on_before_optimizer_step", trainer.global_step)

    def on_validation_start(self, trainer, *_):
        if trainer.sanity_checking:
            self.reached(trainer, "sanity check", 0)
        elif trainer.state.fn == "fit":
            self.reached(trainer, "on_validation_start", trainer.global_step - 1)
        else:
            self.reached(trainer, "measurement", 0)
"""


@pytest.fixture
def place(mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a recipe."""
    recipe = mini_recipe.replace("data:\n", SCHEDULE).replace("train: 4", "train: 8")
    (tmp_path / "mini.yaml").write_text(f"{recipe}  max_epochs: 2\n  log_every_n_steps: 1\n")
    (tmp_path / "run_signals.py").write_text(SIGNAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fit(*arguments: object) -> None:
    assert main.main(["fit", *map(str, arguments), "--debug"]) == 0


def started(*arguments: object, **environment: object) -> subprocess.Popen[str]:
    """``zoo fit`` in a process of its own."""
    command = [sys.executable, Path(sys.executable).with_name("zoo"), "fit", *arguments]
    places = os.pathsep.join([str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {"OMP_NUM_THREADS": 1, "PYTHONPATH": places, **environment}
    env = os.environ | {name: str(value) for name, value in variables.items()}
    return subprocess.Popen(
        list(map(str, command)),
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code, and what was printed, errors last."""
    output, errors = process.communicate(timeout=200)
    return process.returncode, output + errors


def fails(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    capsys.readouterr()
    code = main.main(["fit", *arguments])
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert code == 2, error


def weights_of(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def assert_same_weights(one: Path, other: Path) -> None:
    ours, theirs = weights_of(one), weights_of(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


# Longer, shorter, again


def rates(run: Path) -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run)).Reload()
    by_step = {event.step: event.value for event in events.Scalars("lr-AdamW/pg1")}
    return [by_step[step] for step in sorted(by_step)]


def test_a_run_that_is_made_longer_goes_on_learning(place: Path):
    """At the rates that the longer run has from the start; the flag stays when it is resumed once more."""
    fit("--recipe", "mini.yaml", "--trainer.logger.name=whole", "--trainer.max_epochs=3")
    fit("--recipe", "mini.yaml", "--trainer.logger.name=longer")
    run = place / "runs" / "longer" / "version_0"
    before = weights_of(run)
    fit("--resume", run, "--trainer.max_epochs=3")
    assert rates(run)[2 * STEPS :] == rates(place / "runs" / "whole" / "version_0")[2 * STEPS :]
    assert any(not torch.equal(tensor, before[name]) for name, tensor in weights_of(run).items())
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["max_epochs"] == 3
    fit("--resume", run)


def test_a_resume_knows_the_folders_of_the_first_start(place: Path, monkeypatch: pytest.MonkeyPatch):
    from PIL import Image

    for folder in ("pictures", "masks"):
        (place / folder).mkdir()
    for number in range(24):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(place / "pictures" / f"{number}.png")
        mask = Image.new("L", (64, 64), 0)
        mask.paste(1, (0, 0, 32, 64))
        mask.save(place / "masks" / f"{number}.png")
    (place / "names.txt").write_text("sky\nroad\n")
    data = ["--data.pictures=pictures", "--data.masks=masks", "--data.classes=[names.txt]", "--data.val_fraction=0.3"]
    fit("--recipe", "mini.yaml", "--data=zoo.data.SegmentationFolder", *data, "--data.batch_size=4")
    run = place / "runs" / "mini" / "version_0"
    known = yaml.safe_load((run / "config.yaml").read_text())["data"]["init_args"]
    assert (known["pictures"], known["classes"]) == (str(place / "pictures"), [str(place / "names.txt")])
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    fit("--resume", run, "--trainer.max_epochs=3")
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("named", ["runs/config", "runs/config/version_9", "runs/nope", "runs", "."])
def test_what_is_no_run_is_not_trained_in(place: Path, capsys: pytest.CaptureFixture[str], named: str):
    """Although a recipe of the name of a run's configuration lies beside it."""
    (place / "config.yaml").write_text(f"# mine\n{(place / 'mini.yaml').read_text()}")
    fit("--recipe", "config.yaml", "--trainer.max_epochs=1")
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.suffix != ".pyc"}
    fails(capsys, ["--resume", named], "cannot resume .*: (config.yaml|checkpoints/last.ckpt) is missing")
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.suffix != ".pyc"} == before


def test_a_resume_takes_values_that_begin_with_a_dash(place: Path):
    fit("--recipe", "mini.yaml", "--trainer.max_epochs=1")
    fit("--resume", "runs/mini/version_0", "--trainer.max_epochs", "-1", "--trainer.max_steps", "6")
    last = torch.load("runs/mini/version_0/checkpoints/last.ckpt", weights_only=True)
    assert last["global_step"] == 6


@pytest.mark.parametrize("named", [".", "config.yaml", "checkpoints/last.ckpt", "model"])
def test_a_run_is_resumed_by_whatever_of_it_is_named(place: Path, named: str):
    fit("--recipe", "mini.yaml", "--trainer.max_epochs=1")
    fit("--resume", place / "runs" / "mini" / "version_0" / named, "--trainer.max_epochs=2")
    last = place / "runs" / "mini" / "version_0" / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 2 * STEPS


def test_the_best_checkpoint_is_not_where_a_run_goes_on(place: Path, capsys: pytest.CaptureFixture[str]):
    fit("--recipe", "mini.yaml", "--trainer.max_epochs=1")
    best = place / "runs" / "mini" / "version_0" / "checkpoints" / "best.ckpt"
    fails(capsys, ["--resume", str(best)], r"cannot resume from best\.ckpt, .*: zoo fit --resume .*version_0$")


def test_a_run_is_not_made_shorter_and_says_that_it_is_complete(place: Path, capsys: pytest.CaptureFixture[str]):
    fit("--recipe", "mini.yaml")
    run = str(place / "runs" / "mini" / "version_0")
    fails(capsys, ["--resume", run, "--trainer.max_epochs=1"], "the run has made 2 already, so it cannot end after 1")
    fit("--resume", run)
    assert "Nothing is left to train; --trainer.max_epochs above 2 makes the run longer" in capsys.readouterr().out
    fails(capsys, ["--resume", "runs/mini"], r"config\.yaml is missing; did you mean runs/mini/version_0\?")


def test_a_run_that_cannot_be_written_is_told_before_the_first_step(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """By a line, where TensorBoard's thread would print a traceback."""
    fit("--recipe", "mini.yaml", "--trainer.max_epochs=1")
    access = os.access
    locked = (place / "runs" / "mini" / "version_0", os.W_OK)
    monkeypatch.setattr(os, "access", lambda path, mode, **how: (path, mode) != locked and access(path, mode, **how))
    fails(capsys, ["--resume", "runs/mini/version_0", "--trainer.max_epochs=2"], "cannot write to the folder")


# A folder of its own


@pytest.mark.parametrize(
    ("logger", "folder"),
    [
        (["--trainer.logger=false"], "runs/mini"),
        (["--trainer.logger=true"], "runs/mini"),
        (["--trainer.logger=lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir=logs"], "logs/mini"),
        (["--trainer.default_root_dir=elsewhere"], "elsewhere/mini"),
        (["--trainer.logger=false", "--trainer.default_root_dir=elsewhere"], "elsewhere/mini"),
    ],
)
def test_every_run_is_new_and_in_a_folder_of_its_own(
    place: Path, capsys: pytest.CaptureFixture[str], logger: list[str], folder: str
):
    """What lies in the working directory under the names of a run's files stays; no run takes another's for its own."""
    (place / "config.yaml").write_text("mine")
    (place / "model").mkdir()
    (place / "checkpoints").mkdir()
    for number in range(2):
        capsys.readouterr()
        fit("--recipe", "mini.yaml", "--trainer.max_epochs=1", *logger)
        output = capsys.readouterr().out
        assert re.search(r"^epoch 1/1 ", output, re.MULTILINE), output
        run = place / folder / f"version_{number}"
        assert {"config.yaml", "checkpoints", "model", "pictures"} <= {path.name for path in run.iterdir()}
    assert (place / "config.yaml").read_text() == "mine"
    assert list((place / "model").iterdir()) == list((place / "checkpoints").iterdir()) == []
    known = {"mini.yaml", "run_signals.py", "config.yaml", "model", "checkpoints", "__pycache__", Path(folder).parts[0]}
    assert {path.name for path in place.iterdir()} <= known


@pytest.mark.parametrize("place_of_runs", [["--trainer.default_root_dir=."], ["--trainer.logger.save_dir=kept"]])
def test_a_refused_run_removes_no_folder_that_was_there(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place_of_runs: list[str]
):
    (place / "empty" / "kept").mkdir(parents=True)
    monkeypatch.chdir(place / "empty")
    fails(capsys, ["--recipe", "../mini.yaml", *place_of_runs, "--data.batch_size=99"], "batch_size 99 is more than")
    assert list((place / "empty").rglob("*")) == [place / "empty" / "kept"]


def test_commands_that_are_printed_are_quoted(place: Path, capsys: pytest.CaptureFixture[str]):
    (place / "mini.yaml").rename(place / "my own.yaml")
    fit("--recipe", "my own.yaml", "--trainer.max_epochs=1")
    assert "(zoo predict 'runs/my own/version_0/model' PICTURES... -o OUT)" in capsys.readouterr().out


def test_a_checkpoint_of_the_user_does_not_take_the_name_of_the_runs(place: Path, capsys: pytest.CaptureFixture[str]):
    callback = ["--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint", "--trainer.callbacks.filename=last"]
    fails(capsys, ["--recipe", "mini.yaml", *callback], "the run itself writes last.ckpt; take another filename")


def test_a_dry_run_writes_nothing(place: Path, capsys: pytest.CaptureFixture[str]):
    fit("--recipe", "mini.yaml", "--trainer.fast_dev_run=true")
    assert "Dry run" in capsys.readouterr().out
    assert {path.name for path in place.iterdir()} <= {"mini.yaml", "run_signals.py", "__pycache__"}


def test_a_version_that_is_there_is_not_written_over(place: Path, capsys: pytest.CaptureFixture[str]):
    taken = place / "runs" / "mini" / "version_7"
    taken.mkdir(parents=True)
    fails(capsys, ["--recipe", "mini.yaml", "--trainer.logger.version=7"], r"version_7: a run exists already")
    for version in ("..", "", "a/b"):
        command = ["--recipe", "mini.yaml", f"--trainer.logger.version={version}"]
        fails(capsys, command, r"--trainer\.logger\.version must be the name of a folder")
    assert list(taken.iterdir()) == []


def test_figures_of_a_resumed_run_are_kept(place: Path):
    csv = ["--trainer.logger=lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir=runs"]
    fit("--recipe", "mini.yaml", "--trainer.max_epochs=1", *csv)
    run = place / "runs" / "mini" / "version_0"
    first = (run / "metrics.csv").read_text()
    fit("--resume", run, "--trainer.max_epochs=2")
    assert (run / "metrics_1.csv").read_text() == first
    assert (run / "metrics.csv").read_text() != first


def test_runs_that_start_at_once_get_a_folder_each(place: Path):
    """The folder is made, not only chosen: no other process can take it."""
    for run in [Ranks("--recipe", "mini.yaml", "--trainer.max_epochs=1") for _ in range(3)]:
        run.end(0)
    assert {path.name for path in (place / "runs" / "mini").iterdir()} == {f"version_{number}" for number in range(3)}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"},
            "torchrun started 2 processes, but the trainer has 1: use --trainer.devices 2 --trainer.num_nodes 1",
        ),
        (
            {
                "SLURM_STEP_ID": "0",
                "SLURM_NTASKS": "4",
                "SLURM_NTASKS_PER_NODE": "2",
                "SLURM_NNODES": "2",
                "SLURM_JOB_NAME": "x",
                "SLURM_PROCID": "0",
            },
            "SLURM started 4 processes, but the trainer has 1: use --trainer.devices 2 --trainer.num_nodes 2",
        ),
    ],
)
def test_processes_that_would_not_know_of_each_other_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict, message: str
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    fails(capsys, ["--recipe", "mini.yaml"], re.escape(message))
    assert not Path("runs").exists()


# Interrupted


def test_an_interrupted_first_epoch_loses_nothing(place: Path):
    fit("--recipe", "mini.yaml", "--trainer.logger.name=whole")
    callback = "--trainer.callbacks+=run_signals.SignalAtStep"
    command = ["--recipe", "mini.yaml", callback, "--trainer.logger.name=cut"]
    told = Ranks(*command, AT_STEP=1, SIGNAL=int(signal.SIGINT)).end(130)
    run = place / "runs" / "cut" / "version_0"
    assert "Interrupted. Resume with: zoo fit --resume runs/cut/version_0" in told
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2
    fit("--resume", run)
    assert_same_weights(run, place / "runs" / "whole" / "version_0")


def test_a_run_that_is_killed_before_its_first_checkpoint_begins_anew(place: Path, capsys: pytest.CaptureFixture[str]):
    fit("--recipe", "mini.yaml", "--trainer.logger.name=whole")
    callback = "--trainer.callbacks+=run_signals.SignalAtStep"
    command = ["--recipe", "mini.yaml", callback, "--trainer.logger.name=cut"]
    Ranks(*command, AT_STEP=2, SIGNAL=int(signal.SIGKILL)).end(-signal.SIGKILL)
    run = place / "runs" / "cut" / "version_0"
    assert not (run / "checkpoints" / "last.ckpt").exists()
    fit("--resume", run)
    assert "version_0 has no checkpoint yet: training starts over" in capsys.readouterr().out
    assert_same_weights(run, place / "runs" / "whole" / "version_0")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["sanity check", "measurement"])
def test_an_interrupt_before_and_after_the_steps_is_told(
    place: Path, capsys: pytest.CaptureFixture[str], moment: str, number: int
):
    import run_signals

    command = ["--recipe", "mini.yaml", "--trainer.max_epochs=1", "--trainer.callbacks+=run_signals.Moment"]
    run_signals.Moment.at = 0, moment, number
    assert exit_code(command) == 128 + number
    run = place / "runs" / "mini" / "version_0"
    told = "Interrupted. Resume with: zoo fit --resume runs/mini/version_0" in capsys.readouterr().out
    assert told is run.exists() is (moment == "measurement")
    if told:
        fit("--resume", run)
        assert (run / "model").exists()
        run_signals.Moment.at = 0, moment, number
        measure = ["--recipe", "mini.yaml", "--weights", str(run), "--trainer.callbacks+=run_signals.Moment"]
        assert exit_code(measure, "validate") == 128 + number
        assert [each.name for each in run.parent.iterdir()] == ["version_0"]


def exit_code(arguments: list[str], verb: str = "fit") -> int:
    try:
        return main.main([verb, *arguments])
    except SystemExit as end:
        return int(end.code)


# Several processes


def test_a_rank_that_fails_in_the_first_epoch_leaves_no_other_waiting(place: Path):
    command = ["--recipe", "mini.yaml", "--trainer.callbacks+=run_signals.SignalAtStep"]
    told = Ranks(*command, world=2, AT_STEP=1, SIGNAL="raise", OF_RANK=0).end(70, 2)
    assert "rank failed" in told


def test_a_rank_that_is_killed_is_told_with_the_way_on(place: Path):
    command = ["--recipe", "mini.yaml", "--trainer.max_epochs=3", "--trainer.callbacks+=run_signals.SignalAtStep"]
    at = {"AT_STEP": STEPS // 2 + 1, "SIGNAL": int(signal.SIGKILL), "OF_RANK": 1}
    told = Ranks(*command, world=2, **at).end(2, -signal.SIGKILL)
    assert "zoo: error: another process of the run ended\nresume with: zoo fit --resume runs/mini/version_0\n" in told


def test_a_signal_to_the_process_that_started_another_ends_both_with_a_checkpoint(
    place: Path, capsys: pytest.CaptureFixture[str]
):
    """The other one, which Lightning starts, ends by itself; nobody is told that it failed."""
    ddp = ["--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.callbacks+=run_signals.SignalAtStep"]
    process = started("--recipe", "mini.yaml", *ddp, AT_STEP=0, SIGNAL=int(signal.SIGTERM), OF_RANK=0)
    code, told = ended(process)
    assert code == 143, told
    assert told.count("Interrupted. Resume with") == 1
    run = place / "runs" / "mini" / "version_0"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 1
    capsys.readouterr()
    fit("--resume", run, "--trainer.devices=1", "--trainer.strategy=auto")  # which makes twice as many steps
    assert "The run was on 2 devices and is now on 1: learning rates keep their curve" in capsys.readouterr().out


# SLURM

JOB = {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "x", "SLURM_JOB_ID": "17", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}


def test_what_lightning_left_of_another_job_is_not_loaded(place: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in JOB.items():
        monkeypatch.setenv(name, value)
    fit("--recipe", "mini.yaml", "--trainer.logger.name=clean")
    (place / "hpc_ckpt_1.ckpt").write_bytes((place / "runs/clean/version_0/checkpoints/last.ckpt").read_bytes())
    fit("--recipe", "mini.yaml", "--trainer.logger.name=second", "--seed_everything=2")
    assert torch.load(place / "runs/second/version_0/checkpoints/last.ckpt", weights_only=True)["global_step"] == 8
    model = place / "runs" / "second" / "version_0" / "model"
    for logger in ([], ["--trainer.logger=false"]):
        assert main.main(["validate", "--recipe", "mini.yaml", "--weights", str(model), *logger]) == 0


def test_a_job_that_is_started_again_goes_on_with_its_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    fit("--recipe", "mini.yaml", "--trainer.logger.name=whole")
    scheduler = place / "bin" / "scontrol"
    scheduler.parent.mkdir()
    scheduler.write_text('#!/bin/sh\necho "$@" >> asked\n')
    scheduler.chmod(0o755)
    for name, value in {**JOB, "PATH": f"{scheduler.parent}{os.pathsep}{os.environ['PATH']}"}.items():
        monkeypatch.setenv(name, value)
    import run_signals

    command = ["--recipe", "mini.yaml", "--trainer.callbacks+=run_signals.Moment"]
    run_signals.Moment.at = 1, "on_before_optimizer_step", slurm.SIGNAL
    assert exit_code(command) == 128 + slurm.SIGNAL
    assert (place / "asked").read_text() == "requeue 17\n"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    fit(*command, "--seed_everything=5")  # another training of the same job
    fit(*command)
    runs = sorted((place / "runs" / "mini").iterdir())
    assert [run.name for run in runs] == ["version_0", "version_1"]
    assert_same_weights(runs[0], place / "runs" / "whole" / "version_0")


def test_a_scheduler_that_refuses_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name, value in {**JOB, "PATH": str(place)}.items():
        monkeypatch.setenv(name, value)
    import run_signals

    run_signals.Moment.at = 0, "on_before_optimizer_step", slurm.SIGNAL
    fails(
        capsys,
        ["--recipe", "mini.yaml", "--trainer.callbacks+=run_signals.Moment"],
        "SLURM does not start job 17 again",
    )
