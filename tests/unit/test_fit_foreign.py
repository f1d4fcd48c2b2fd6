"""``zoo fit`` of a LightningModule that belongs to no architecture."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
import torch

from zoo.commands import main

MODULE = """\
import torch
from lightning.pytorch import LightningDataModule, LightningModule
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
