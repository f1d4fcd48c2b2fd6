"""``zoo doctor RECIPE``: steps of the network, memory, time and disk, for a recipe of each architecture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from zoo.base.registry import architectures
from zoo.commands import main
from zoo.data import StreetScenes
from zoo.doctor import steps, trying
from zoo.doctor.findings import Report
from zoo.doctor.recipe import Examined
from zoo.doctor.trying import Trial
from zoo.models.linknet.module import LinkNetModule
from zoo.training import recipes


def recipe_of(architecture: str) -> Path:
    """The first recipe that trains an architecture."""
    module = architectures()[architecture].module
    paths = map(recipes.find, recipes.names())
    return next(path for path in paths if yaml.safe_load(path.read_text())["model"]["class_path"] == module)


@pytest.mark.parametrize("architecture", architectures())
def test_takes_every_architecture(
    architecture: str, tiny: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    recipe = recipe_of(architecture)
    words = tiny(architecture).miniature(yaml.safe_load(recipe.read_text()), tmp_path / "data")
    code = main.main(["doctor", recipe.name, *words, "--trainer.accelerator=cpu", "--trainer.max_epochs=3", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (code, [each for each in report["findings"] if each["level"] == "error"]) == (0, [])
    facts = report["facts"]
    assert all(map(math.isfinite, facts["loss"]["losses"]))
    assert facts["loss"]["losses"][-1] < facts["loss"]["losses"][0]
    assert facts["time"]["step"] > 0
    assert datetime.fromisoformat(facts["time"]["end"]).tzinfo
    assert facts["disk"]["checkpoint"] > 0
    assert not [each for each in report["findings"] if each["check"].startswith("mask")]
    with Image.open(facts["sheet"]) as sheet:
        sheet.verify()
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"doctor"}  # no folder of a run


@pytest.fixture
def mini(mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini.yaml").write_text(
        mini_recipe.replace("train: 4", "train: 16").replace("batch_size: 2", "batch_size: 8")
    )
    return tmp_path / "mini.yaml"


@pytest.fixture
def trial(mini: Path) -> Trial:
    examined = Examined(["--config", str(mini)], "mini")
    examined.build()
    return Trial(examined, Report())


def test_memory_is_extrapolated_from_two_smaller_batches(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    taken = dict[int, int]()

    def peak(size: int, *_: Any) -> steps.Tried:
        taken[size] = len(trial.batch(size)[1][0])
        return steps.Tried(peak=1e9 + 1e8 * size)

    monkeypatch.setattr(trial, "steps", peak)
    assert list(trial.memory()) == []
    assert taken == {2: 2, 4: 4}
    assert trial.report.facts["memory"]["bytes"] == pytest.approx(1.8e9)


def test_too_little_memory_is_an_error_with_a_batch_that_fits(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trial, "steps", lambda size, *_: steps.Tried(peak=1e9 * size))
    monkeypatch.setattr(trying, "free_bytes", lambda device: 7e9)
    monkeypatch.setattr(trying, "resident", lambda: 0.0)
    (finding,) = trial.memory()
    assert (finding.level, "--data.batch_size 6 " in finding.do) == ("error", True)


@pytest.mark.skipif(not steps.RESET.exists(), reason="the largest memory of a process is known on Linux only")
def test_the_largest_memory_is_measured_from_anew():
    device = torch.device("cpu")
    kept = torch.ones(40_000_000)  # 160 MB
    del kept
    steps.start_peak(device)
    before = steps.peak(device)
    kept = torch.ones(20_000_000)
    grown = steps.peak(device) - before
    assert kept.nbytes == 80e6
    assert 70e6 < grown < 120e6, grown


def test_what_is_not_finite_is_found(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    loss = LinkNetModule.loss
    monkeypatch.setattr(LinkNetModule, "loss", lambda self, logits, masks: loss(self, logits, masks) * math.nan)
    (finding,) = list(trial.float32())
    assert (finding.check, finding.level) == ("finite", "error")
    assert "float32" in finding.what


def test_a_loss_that_does_not_fall_is_a_warning(trial: Trial):
    trial.model.optimizer = lambda parameters: torch.optim.SGD(parameters, lr=0.0)
    assert [(each.check, each.level) for each in trial.learns()] == [("overfit", "warning")]


def test_the_model_that_is_tried_is_not_changed(trial: Trial):
    before = {name: value.clone() for name, value in trial.model.state_dict().items()}
    list(trial.learns())
    assert all(torch.equal(value, before[name]) for name, value in trial.model.state_dict().items())


def test_the_end_of_the_run_follows_from_its_length(trial: Trial):
    list(trial.learns())
    list(trial.time())
    once = trial.report.facts["time"]
    assert once["batches"] == 2
    assert once["run"] == pytest.approx(1000 * once["epoch"])  # Lightning's number of epochs
    trial.options["max_steps"] = 10
    list(trial.time())
    assert trial.report.facts["time"]["epochs"] == 5


def test_several_devices_share_the_steps_of_an_epoch(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    trial.batch(8)
    assert trial._counts() == (2, 1)
    monkeypatch.setattr(type(trial.examined.trainer), "world_size", 2)
    assert trial._counts() == (1, 1)


def test_a_full_disk_is_an_error(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    trial.tried = steps.Tried(state=10**18)
    assert [(each.check, each.level) for each in trial.disk()] == [("disk", "error")]


def test_a_check_that_raises_does_not_stop_the_next_ones(mini: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    def raising(*_: Any):
        raise RuntimeError("surprise")

    monkeypatch.setattr(Trial, "memory", raising)
    assert main.main(["doctor", "mini.yaml", "--trainer.max_epochs=1", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [(each["check"], "surprise" in each["what"]) for each in report["findings"]] == [("memory", True)]
    assert {"loss", "time", "disk"} <= set(report["facts"])


def test_data_that_are_refused_leave_the_rest_unchecked_and_say_so(mini: Path, capsys: pytest.CaptureFixture):
    assert main.main(["doctor", "mini.yaml", "--data.size", "[8, 8]"]) == 1
    out = capsys.readouterr().out
    assert "data.size: height and width must be" in out
    assert "not checked" in out


def test_weights_and_model_that_are_refused_are_findings(mini: Path, capsys: pytest.CaptureFixture):
    for words in (["--weights", "nowhere"], ["--model.encoder", "no_such_net"], ["--model.jaccard=-1"]):
        assert main.main(["doctor", "mini.yaml", "--json", *words]) == 1
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert (finding["check"], finding["level"]) == ("model", "error")


def test_drawn_data_have_a_sheet_and_no_files(mini: Path):
    from zoo.doctor import sheet
    from zoo.doctor.listing import Files

    data = StreetScenes((64, 64), train=6, val=2)
    assert sheet.draw(data, Files(masked=True)).width > 1000
