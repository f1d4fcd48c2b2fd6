"""``zoo fit`` of a LightningModule that belongs to no architecture."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
import torch

from zoo.commands import main

MODULE = """\
import os
import signal
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule
from torch.utils.data import DataLoader


class Line(LightningModule):
    def __init__(self, width: int = 2):
        super().__init__()
        self.layer = torch.nn.Linear(width, 1)

    def training_step(self, batch, index):
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Points(LightningDataModule):
    def train_dataloader(self):
        return DataLoader(torch.arange(16.0).reshape(8, 2) / 16, batch_size=2)


class Early(Line):
    def configure_optimizers(self):
        self.trainer.estimated_stepping_batches  # for which Lightning makes the loader now
        return super().configure_optimizers()


class Streets(Early):
    def training_step(self, batch, index):
        return super().training_step(batch[0].mean((2, 3))[:, :2], index)


class Positioned:
    def __init__(self):
        self.next = 0

    def __len__(self):
        return 4

    def __iter__(self):
        start, self.next = self.next, 0
        for number in range(start, len(self)):
            self.next = (number + 1) % len(self)
            yield torch.tensor([[number / 4, 1.0]])

    def state_dict(self):
        return {"next": self.next}

    def load_state_dict(self, state):
        self.next = state["next"]


class Position(LightningDataModule):
    def train_dataloader(self):
        return Positioned()


class Interrupt(Callback):
    at = None

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == Interrupt.at:
            Interrupt.at = None
            os.kill(os.getpid(), signal.SIGTERM)


class Measured(Line):
    monitor = ("figure", "min")

    def validation_step(self, batch, index):
        self.log("figure", self.layer(batch).abs().mean())


class Split(Points):
    val_dataloader = Points.train_dataloader
"""
RECIPE = """\
seed_everything: 1
model: {class_path: foreign_module.Line, init_args: {width: 2}}
data: {class_path: foreign_module.Points}
trainer: {max_epochs: 2, accelerator: cpu, log_every_n_steps: 1}
"""
PUBLISH = [
    "--publish", "me/line", "--license", "mit", "--data-license", "mine", "--datasets", "points", "--description",
    "A line.", "--limits", "Curves.",
]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the first run will be; the working directory has the recipe and its classes."""
    (tmp_path / "foreign_module.py").write_text(MODULE)
    (tmp_path / "foreign.yaml").write_text(RECIPE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "foreign" / "version_0"


def fit(*arguments: str) -> list[str]:
    """The lines that a run prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main.main(["fit", *arguments, "--debug"]) == 0
    return output.getvalue().splitlines()


def test_trains_resumes_and_says_that_there_will_be_no_card(place: Path):
    start, first, second, *end = fit("--recipe", "foreign.yaml")
    assert start == "Line belongs to no architecture: it is trained, but no card can be made of the run"
    assert first.startswith("epoch 1/2  train/loss ")
    assert second.startswith("epoch 2/2  train/loss ")
    assert end == ["Checkpoints: runs/foreign/version_0/checkpoints", "Run:         runs/foreign/version_0"]
    assert [path.name for path in (place / "checkpoints").iterdir()] == ["last.ckpt"]
    assert not (place / "model").exists()
    _, third, *_ = fit("--resume", str(place), "--trainer.max_epochs=3")
    assert third.startswith("epoch 3/3  ")
    assert torch.load(place / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 12


def test_the_best_by_its_own_figure_is_kept(place: Path):
    classes = ["--model", "foreign_module.Measured", "--data", "foreign_module.Split"]
    _, line, *_ = fit("--recipe", "foreign.yaml", *classes)
    assert "  figure " in line
    assert sorted(path.name for path in (place / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_data_without_a_validation_need_none(place: Path):
    _, line, *_ = fit("--recipe", "foreign.yaml", "--model", "foreign_module.Measured", "--trainer.max_epochs=1")
    assert line.startswith("epoch 1/1  train/loss ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "linknet"], "--weights: Line has no attribute net"),
        (PUBLISH, "--publish: Line belongs to no architecture"),
    ],
)
def test_what_needs_an_architecture_is_refused_before_the_training(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    from zoo.commands import repository

    monkeypatch.setattr(repository, "preflight", lambda *arguments: None)
    assert main.main(["fit", "--recipe", "foreign.yaml", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not place.exists()


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("Line", ["foreign_module.Position"]),
        ("Early", ["foreign_module.Position"]),
        ("Streets", ["zoo.data.StreetScenes", "--data.size=[64,64]", "--data.train=8", "--data.batch_size=2"]),
    ],
)
@pytest.mark.parametrize("step", [1, 4])
def test_a_loader_that_knows_its_place_resumes_from_any_step(place: Path, model: str, data: list[str], step: int):
    import foreign_module

    callback = "--trainer.callbacks+=foreign_module.Interrupt"
    command = ["--recipe", "foreign.yaml", "--model", f"foreign_module.{model}", "--data", *data, callback]
    fit(*command)
    whole = torch.load(place / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    foreign_module.Interrupt.at, run = step, place.with_name("version_1")
    with pytest.raises(SystemExit) as ended:
        main.main(["fit", *command])
    assert ended.value.code == 143
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == step + 1
    fit("--resume", str(run))
    found = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(tensor, found[name]) for name, tensor in whole.items())


def test_with_any_other_loader_an_interrupted_epoch_starts_again(place: Path, capsys: pytest.CaptureFixture[str]):
    """Rather than go on with its first batches, and leave its last ones out."""
    import foreign_module

    command = ["--recipe", "foreign.yaml", "--trainer.callbacks+=foreign_module.Interrupt"]
    for step, steps in ((1, None), (5, 4)):
        foreign_module.Interrupt.at = step
        with pytest.raises(SystemExit):
            main.main(["fit", *command] if steps is None else ["fit", "--resume", str(place)])
        last = place / "checkpoints" / "last.ckpt"
        assert last.exists() is (steps is not None)
        assert steps is None or torch.load(last, weights_only=True)["global_step"] == steps
