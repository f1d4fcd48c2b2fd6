"""Runs that are killed or interrupted, on one process and on two, end with the weights of whole runs."""

from __future__ import annotations

import random
import re
import signal
from pathlib import Path

import pytest
import torch

from forked import Ranks
from miniatures import MINIATURES, write_pictures

STEPS = 5  # of an epoch
EPOCHS = 2
EPOCH = re.compile(r"^(epoch .*)  \d+ s$", re.MULTILINE)
SIGNALS = """\
import os
import signal
import numpy as np
from lightning.pytorch import Callback


class Moment(Callback):
    def __init__(self):
        rank = os.environ["OWN_RANK"]
        self.at = (os.environ.get(f"AT_{rank}") or "0 never 0").split()

    def reached(self, hook, step=0):
        if self.at[:2] == [str(step), hook]:
            os.kill(os.getpid(), int(self.at[2]))

    def setup(self, *_, **__):
        self.reached("setup")

    def on_train_start(self, trainer, *_):
        sample = trainer.datamodule.kept("train")[0]
        array = sample if hasattr(sample, "shape") else sample[0]
        shared = isinstance(array, np.memmap)
        assert shared == (trainer.world_size > 1), "samples that processes do not share"

    def on_train_batch_start(self, trainer, *_):
        self.reached("before", trainer.global_step)

    def on_before_optimizer_step(self, trainer, *_):
        self.reached("within", trainer.global_step)

    def on_train_batch_end(self, trainer, *_):
        self.reached("after", trainer.global_step - 1)

    def on_validation_start(self, trainer, *_):
        if trainer.sanity_checking or trainer.state.fn != "fit":
            self.reached("sanity" if trainer.sanity_checking else "measurement")
"""
COMMON = (
    f"--trainer.max_epochs={EPOCHS} --trainer.limit_val_batches=1 --trainer.accelerator=cpu --data.batch_size=2 "
    "--trainer.check_val_every_n_epoch=1 --trainer.callbacks+=run_signals.Moment --data.num_workers=0 "
    "--trainer.num_sanity_val_steps=0 --trainer.precision=32-true"
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a few small pictures."""
    (tmp_path / "run_signals.py").write_text(SIGNALS)
    write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def command(recipe: str, world: int) -> list[str]:
    """A recipe in miniature, whose epochs have the same number of steps on any number of processes."""
    return ["--recipe", recipe, *MINIATURES[recipe].format(2 * STEPS * world).split(), *COMMON.split()]


def state_of(run: Path) -> dict[str, object]:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    averages = {key: value for key, value in checkpoint.items() if "averag" in key or "current_model" in key}
    return {key: checkpoint[key] for key in ("state_dict", "optimizer_states", "lr_schedulers")} | averages


def assert_equal(ours: object, theirs: object, at: str = "") -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), at
        for key, value in ours.items():
            assert_equal(value, theirs[key], f"{at}.{key}")
    elif isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs), at
        for number, value in enumerate(ours):
            assert_equal(value, theirs[number], f"{at}.{number}")
    elif isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs), at
    else:
        assert ours == theirs, at


CASES = [(recipe, world, "") for recipe in MINIATURES for world in (1, 2)]
CASES.append(("linknet_streets", 1, "--trainer.max_steps=10 --trainer.max_epochs=-1 --data.num_workers=2"))
CASES.append(("linknet_streets", 2, "--trainer.accumulate_grad_batches=2 --data.train=40"))


@pytest.mark.parametrize(("recipe", "world", "more"), CASES)
def test_killed_and_interrupted_at_any_step_a_run_ends_with_the_weights_of_the_whole_run(
    place: Path, recipe: str, world: int, more: str
):
    """With a checkpoint at every step; a kill takes one process, a signal comes to some, each at its own moment."""
    arguments = [*command(recipe, world), *more.split()]
    lines = Ranks(*arguments, "--trainer.logger.name=whole", world=world).end(*[0] * world)
    whole, run = (place / "runs" / name / "version_0" for name in ("whole", "cut"))
    dice, said = random.Random(f"{recipe} {world} {more}"), []
    kinds = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, dice.choice([signal.SIGUSR1, signal.SIGINT])]
    for number, step in zip(kinds, sorted(dice.sample(range(1, STEPS * EPOCHS), len(kinds))), strict=True):
        killed = number == signal.SIGKILL
        ranks = dice.sample(range(world), 1 if killed else dice.randint(1, world))
        at = {f"AT_{rank}": f"{step} {dice.choice(['before', 'within', 'after'])} {int(number)}" for rank in ranks}
        codes = [-number if rank in ranks else 2 for rank in range(world)] if killed else [128 + number] * world
        words = ["--resume", run] if run.exists() else [*arguments, "--trainer.logger.name=cut"]
        told = Ranks(*words, "--every=0s", world=world, **at).end(*codes)
        said += EPOCH.findall(told)
        done = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
        assert done == (step if killed else step + 1)
        assert killed or told.count("Interrupted. Resume with: zoo fit --resume runs/cut/version_0") == 1
    said += EPOCH.findall(Ranks("--resume", run, world=world).end(*[0] * world))
    assert said == EPOCH.findall(lines)  # the loss is the mean over the whole epoch
    assert list(place.glob("zoo_*")) == []  # shared samples
    assert_equal(state_of(run), state_of(whole))
    assert (run / "model/model.safetensors").read_bytes() == (whole / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("moment", ["setup", "sanity", "measurement"])
def test_a_signal_before_or_after_the_steps_ends_the_run_at_once(place: Path, moment: str, world: int):
    """Where Lightning would start a collective operation in the handler, in the middle of others."""
    arguments = [*command("linknet_streets", world), "--trainer.max_epochs=1", "--trainer.num_sanity_val_steps=1"]
    number = int(signal.SIGTERM)
    at = {f"AT_{rank}": f"0 {moment} {number}" for rank in range(world)}
    told = Ranks(*arguments, "--trainer.logger.name=cut", world=world, **at).end(*[128 + number] * world)
    assert "gloo" not in told
    run = place / "runs" / "cut" / "version_0"
    resumed = "Interrupted. Resume with: zoo fit --resume runs/cut/version_0" in told
    assert run.exists() is resumed is (moment == "measurement")
    if resumed:
        Ranks("--resume", run, world=world).end(*[0] * world)
        assert (run / "model").exists()
