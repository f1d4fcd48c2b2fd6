"""Trainings that would go wrong in silence, and arguments of modules that Lightning leaves to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from PIL import Image

from zoo.commands import main
from zoo.data.labels import LabelMap
from zoo.models.fast_style.module import FastStyleModule
from zoo.models.linknet.module import LinkNetModule
from zoo.models.perceptual_sr.module import PerceptualSRModule

LABELS = LabelMap(("a", "b"), ((0, 0, 0), (9, 9, 9)))
OWN = """\
from zoo.models.linknet.module import LinkNetModule


class Bare(LinkNetModule):
    def __init__(self, labels=None):
        super().__init__(labels, "test_resnet", None)
        del self.arguments


class Other(LinkNetModule):
    def __init__(self, labels=None):
        super().__init__(labels, "test_resnet", None)
        self.net = self.net.encoder


class Unsavable(LinkNetModule):
    def __init__(self, labels=None):
        super().__init__(labels, "test_resnet", None)
        self.arguments["encoder"] = "hf-hub:user/repo"
"""


@pytest.fixture
def place(mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mini.yaml").write_text(f"{mini_recipe}  max_epochs: 2\n  log_every_n_steps: 1\n")
    (tmp_path / "own_modules.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


# Losses and figures


@pytest.mark.parametrize("jaccard", [0.0, 1.0])
@pytest.mark.parametrize("weighting", [None, torch.tensor([0.5, 2.0])])
def test_a_batch_of_nothing_but_void_changes_no_weight(jaccard: float, weighting: torch.Tensor | None):
    module = LinkNetModule(LABELS, "test_resnet", None, jaccard=jaccard)
    module.class_weights = weighting
    logits = torch.randn(2, 2, 8, 8, requires_grad=True)
    loss = module.loss(logits, torch.full((2, 8, 8), 255))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert not logits.grad.any()


def test_with_some_void_the_loss_is_the_mean_over_the_rest():
    module = LinkNetModule(LABELS, "test_resnet", None)
    logits, masks = torch.randn(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)
    masks[0, :, 2:] = 255
    expected = F.cross_entropy(logits[..., :2], masks[..., :2])
    torch.testing.assert_close(module.loss(logits, masks), expected)


def test_class_weights_stay_where_they_were_first_needed():
    """No copy a step."""
    module = LinkNetModule(LABELS, "test_resnet", None)
    module.class_weights = torch.ones(2)
    module.loss(torch.randn(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long))
    before = module.class_weights
    module.loss(torch.randn(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long))
    assert module.class_weights is before
    module.class_weights = torch.ones(2, device="meta")
    module.loss(torch.empty(1, 2, 4, 4, device="meta"), torch.empty(1, 4, 4, dtype=torch.long, device="meta"))
    assert module.class_weights.device.type == "meta"


def test_a_blank_picture_does_not_make_the_mean_psnr_infinite():
    """Or the first checkpoint would be the best for ever."""
    picture = torch.full((1, 3, 32, 32), 0.5)
    assert PerceptualSRModule.psnr(picture, picture).tolist() == [100.0]
    assert PerceptualSRModule.psnr(picture, picture + 0.1).item() == pytest.approx(20, abs=2)


def test_steps_that_are_left_out_are_counted_and_told(capsys: pytest.CaptureFixture[str]):
    module = FastStyleModule(channels=8, vgg=None, style_size=64)
    parameters = list(module.net.parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    module.on_before_optimizer_step(None)
    assert all(parameter.grad is not None for parameter in parameters)
    parameters[-1].grad.view(-1)[0] = torch.inf
    module.on_before_optimizer_step(None)
    assert all(parameter.grad is None for parameter in parameters)
    module.on_train_end()
    assert capsys.readouterr().out == "1 of 2 steps were skipped: their gradient was not finite\n"


# What a run needs


def fails(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """In a line or three, with no folder left."""
    capsys.readouterr()
    assert main.main(["fit", "--recipe", "mini.yaml", *arguments]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert len(error.splitlines()) <= 3
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("Bare", r"Bare of linknet needs the attributes net \(LinkNet\) and arguments"),
        ("Other", r"Other of linknet needs the attributes net \(LinkNet\) and arguments"),
        ("Unsavable", r"Unsavable: arguments\.encoder may not be"),
    ],
)
def test_what_could_not_be_saved_is_refused_before_the_first_step(
    place: Path, capsys: pytest.CaptureFixture[str], module: str, message: str
):
    fails(capsys, [f"--model=own_modules.{module}"], message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=zoo.models.homographynet.module.HomographyNetModule"], "learns from HomographyPairs, not from Str"),
        (["--model=zoo.models.perceptual_sr.module.PerceptualSRModule"], "learns from SuperResolutionPairs, not from"),
        (["--data=zoo.data.PictureCrops"], "LinkNetModule learns from data with labels"),
        (["--model.lr_scheduler=zoo.nn.schedule.WarmupPolyLR", "--trainer.max_epochs=-1"], "WarmupPolyLR decays over"),
        (["--trainer.max_time=00:00:00:00"], "no step was trained"),
        (["--trainer.limit_train_batches=0"], "limit_train_batches must be more than 0"),
    ],
)
def test_what_does_not_go_together_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    fails(capsys, arguments, message)


@pytest.mark.parametrize(
    ("scheduler", "given"),
    [
        ("torch.optim.lr_scheduler.ReduceLROnPlateau", ["--model.lr_scheduler.patience=0"]),
        ("lightning.pytorch.cli.ReduceLROnPlateau", ["--model.lr_scheduler.monitor=val/mIoU"]),
        ("lightning.pytorch.cli.ReduceLROnPlateau", ["--model.lr_scheduler.monitor=train/loss"]),
    ],
)
def test_a_schedule_may_wait_for_a_figure(place: Path, scheduler: str, given: list[str]):
    assert main.main(["fit", "--recipe", "mini.yaml", f"--model.lr_scheduler={scheduler}", *given, "--debug"]) == 0
    checkpoint = torch.load("runs/mini/version_0/checkpoints/last.ckpt", weights_only=True)
    (state,) = checkpoint["lr_schedulers"]
    assert state["last_epoch"] == 1  # the checkpoint of an epoch comes before the schedule's step
    assert state["mode"] == ("min" if "train/loss" in given[0] else "max")


@pytest.mark.parametrize(
    "by", ["--weights=runs/mini/version_0", "--ckpt_path=runs/mini/version_0/checkpoints/last.ckpt"]
)
def test_weights_of_other_classes_are_not_measured(place: Path, capsys: pytest.CaptureFixture[str], by: str):
    """In another order each figure would bear a wrong name."""
    for folder, value in (("pictures", 90), ("masks", 1)):
        (place / folder).mkdir()
        for number in range(16):
            picture = Image.new("L", (64, 64), 0)
            picture.paste(value, (0, 0, 32, 64))
            picture.save(place / folder / f"{number}.png")
    recipe = yaml.safe_load((place / "mini.yaml").read_text())
    recipe["data"] = {
        "class_path": "zoo.data.SegmentationFolder",
        "init_args": {"pictures": "pictures", "masks": "masks", "classes": ["sky", "road"], "val_fraction": 0.3},
    }
    recipe["data"]["init_args"]["batch_size"] = 2
    (place / "mini.yaml").write_text(yaml.safe_dump(recipe))
    assert main.main(["fit", "--recipe", "mini.yaml", "--trainer.max_epochs=1", "--debug"]) == 0
    assert main.main(["validate", "--recipe", "mini.yaml", by, "--debug"]) == 0
    capsys.readouterr()
    assert main.main(["validate", "--recipe", "mini.yaml", by, "--data.classes=[road, sky]"]) == 2
    assert "was trained for the classes sky, road, but the data have road, sky" in capsys.readouterr().err
    start = ["fit", "--recipe", "mini.yaml", "--weights=runs/mini/version_0", "--data.classes=[road, sky]"]
    assert main.main([*start, "--trainer.max_epochs=1"]) == 0
    assert "the data have road, sky; the classifier starts from the trained weights" in capsys.readouterr().out


def test_weights_of_other_networks_are_not_listed_by_the_thousand(place: Path, capsys: pytest.CaptureFixture[str]):
    assert main.main(["fit", "--recipe", "mini.yaml", "--trainer.max_epochs=1", "--debug"]) == 0
    capsys.readouterr()
    command = ["validate", "--recipe", "mini.yaml", "--weights", "runs/mini/version_0", "--model.encoder=resnet18"]
    assert main.main(command) == 2
    said = capsys.readouterr()
    assert len(said.out + said.err) < 500
    assert "cannot validate: " in said.err
