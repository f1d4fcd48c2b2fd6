"""Two processes train and measure as one does that accumulates the gradients of two batches, in every architecture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from forked import Ranks
from miniatures import MINIATURES, write_pictures
from zoo.commands import main

STEPS = 3
SAME = "--data.batch_size=1 --data.num_workers=0 --trainer.accelerator=cpu --trainer.precision=32-true "
SAME += "--trainer.max_epochs=1 --trainer.num_sanity_val_steps=0"
MORE = {"fast_style_streets": "--model.styles_per_picture=9"}  # all: each process draws its own
STATISTICS = re.compile(r"running_mean|running_var|num_batches_tracked|^current_model|^averaging")
TOLERANCE = 1e-5  # of the largest weight of a layer: sums of floats in another order


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a few small pictures."""
    write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def command(recipe: str) -> list[str]:
    miniature = MINIATURES[recipe].format(2 * STEPS).replace("val=2", "val=3").replace("val_pairs=4", "val_pairs=3")
    return ["--recipe", recipe, *miniature.split(), *SAME.split(), *MORE.get(recipe, "").split()]


def measured(told: str) -> list[str]:
    """What is printed after the training: the figures of the best weights."""
    return [line for line in told.partition("epoch 1/1")[2].splitlines()[1:] if not re.match(r"\w+: +runs/", line)]


@pytest.mark.parametrize("recipe", MINIATURES)
def test_no_network_is_split_over_devices(place: Path, capsys: pytest.CaptureFixture[str], recipe: str):
    assert main.main(["fit", *command(recipe), "--trainer.strategy=fsdp"]) == 2
    said = (
        "--trainer.strategy fsdp splits the weights over devices, for which the zoo's networks are too small: use ddp"
    )
    assert capsys.readouterr().err == f"zoo: error: {said}\n"
    assert not (place / "runs").exists()


@pytest.mark.parametrize("recipe", MINIATURES)
def test_two_processes_learn_and_measure_what_one_does(place: Path, recipe: str):
    """Batch norm's statistics are those of the first process's batches; gradients, weights and figures are of all."""
    told = Ranks(*command(recipe), "--trainer.logger.name=two", world=2).end(0, 0)
    whole = ["--trainer.accumulate_grad_batches=2", "--trainer.logger.name=one"]
    alone = Ranks(*command(recipe), *whole).end(0)
    two, one = (place / "runs" / name / "version_0" for name in ("two", "one"))
    ours, theirs = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (two, one))
    assert ours["global_step"] == theirs["global_step"] == STEPS
    statistics = False
    for name, weight in theirs["state_dict"].items():
        if STATISTICS.search(name):
            statistics = True
        else:
            torch.testing.assert_close(
                ours["state_dict"][name], weight, rtol=0, atol=TOLERANCE * float(weight.abs().max())
            )
    assert measured(told)
    if statistics:  # so the figures are those of the same weights, measured by one process
        alone = Ranks("--resume", two, "--trainer.devices=1", "--trainer.strategy=auto").end(0)
    assert "\n".join(measured(told)) in alone
