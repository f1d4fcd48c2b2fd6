from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.data.style import draw_pattern
from zoo.data.style_pair import StylePair
from zoo.models.neural_style import objective
from zoo.models.neural_style.module import NeuralStyleModule
from zoo.models.neural_style.net import NeuralStyle
from zoo.models.neural_style.predict import optimize
from zoo.pictures.tensors import to_tensor

STEPS = 9  # six at half the size, three at the whole
OPTIONS = [
    "--model.content_layers={relu2_1: 1.0}",
    "--model.style_layers={relu1_1: 1.0, relu2_1: 1.0}",
    "--model.size=80",
    "--model.vgg=null",
    "--data.preview_every=3",
    f"--trainer.max_steps={STEPS}",
    "--trainer.accelerator=cpu",
    "--trainer.precision=32-true",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with pictures, where a picture of 80 pixels has two stages."""
    monkeypatch.setattr(objective, "COARSEST", 50)
    monkeypatch.setattr(objective, "MIN_HALVED", 50)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.chelsea()[50:130, 100:200]).save("cat.png")
    Image.fromarray(draw_pattern(48, 64)).save("style.png")
    return tmp_path


def fit(*options: str) -> int:
    pictures = ["--data.content=cat.png", "--data.style=style.png"]
    return main.main(["fit", "--recipe", "neural_style", *pictures, *OPTIONS, *options])


def losses(run: Path) -> list[dict[str, str]]:
    with (run / "loss.csv").open() as file:
        return list(csv.DictReader(file))


def picture(run: Path) -> torch.Tensor:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]["picture"]


def test_a_run_leaves_the_picture_the_way_to_it_and_the_losses(here: Path, capsys: pytest.CaptureFixture):
    assert fit() == 0
    run = here / "runs" / "neural_style" / "version_0"
    assert Image.open(run / "picture.png").size == (80, 64)
    assert [path.name for path in sorted((run / "pictures").glob("epoch_*"))] == [f"epoch_00{n}.png" for n in range(3)]
    strip = Image.open(run / "strip.png")
    assert strip.width > 4 * 240
    found = losses(run)
    assert [int(row["iteration"]) for row in found] == list(range(1, STEPS + 1))
    assert float(found[-1]["loss"]) < float(found[0]["loss"])
    said = capsys.readouterr().out
    assert "80x64 pixels: about 0.2 GB of memory" in said
    assert "Picture: runs/neural_style/version_0/picture.png" in said
    assert list(torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]) == ["picture"]


@pytest.mark.parametrize(
    ("method", "at"), [("training_step", 7), ("on_after_backward", 2)]
)  # before the loss of a step is noted, and after it
def test_an_interrupted_run_continues_to_the_bit(
    here: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch, method: str, at: int
):
    assert fit() == 0
    step = getattr(NeuralStyleModule, method)

    def stop(self: NeuralStyleModule, *args: object) -> object:
        if self.global_step == at:
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(NeuralStyleModule, method, stop)
    assert fit() == 130
    monkeypatch.setattr(NeuralStyleModule, method, step)
    whole, parts = (here / "runs" / "neural_style" / f"version_{n}" for n in (0, 1))
    assert not (parts / "picture.png").exists()
    assert main.main(["fit", "--resume", str(parts)]) == 0
    assert torch.equal(picture(whole), picture(parts))
    assert losses(whole) == losses(parts)
    assert (whole / "picture.png").read_bytes() == (parts / "picture.png").read_bytes()


def test_finds_what_predict_finds(here: Path, one_thread: None):
    """The same steps, by Lightning and without it."""
    assert fit() == 0
    run = here / "runs" / "neural_style" / "version_0"
    layers = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0, "relu2_1": 1.0}}
    torch.manual_seed(1)  # the recipe's, by which VGG is random
    made = NeuralStyleModule(**layers, vgg=None)
    content = Image.open("cat.png").resize((80, 64), Image.Resampling.BICUBIC, reducing_gap=3.0)
    loss = objective.Objective(NeuralStyle(**layers), made.features, to_tensor(content)[None], ["style.png"])
    *_, last = optimize(loss, STEPS, "content", seed=0, bfloat16=False, best_last=False)
    difference = (last.picture - picture(run).clamp(0, 1)).abs()
    assert difference.max() < 1e-3


def test_several_styles_and_preserved_colours(here: Path):
    Image.fromarray(data.coffee()[:100, :100]).save("other.png")
    options = ["--data.style=[style.png, other.png]", "--data.blend=[1, 3]", "--model.preserve_color=true"]
    assert fit(*options, "--model.start=noise", "--model.optimizer=adam") == 0
    made, cat = (np.asarray(Image.open(path).resize((80, 64)), float) for path in (
        "runs/neural_style/version_0/picture.png", "cat.png"
    ))  # fmt: skip
    change = made - cat
    assert np.abs(change - change.mean(2, keepdims=True)).mean() < 0.2 * np.abs(change).mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data.blend=[1, 2]"], "data.blend needs a weight for each style, 1 in all"),
        (["--data.preview_every=0"], "data.preview_every must be 1 or more"),
        (["--data.content=missing.png"], "missing.png: no such file"),
        (["--data.style=missing.png"], "missing.png: no such file"),
        (["--model.vgg=missing.safetensors"], "--model.vgg FILE.safetensors"),
        (["--model.size=20"], "too few for neural style"),
        (["--trainer.max_steps=-1"], "--trainer.max_steps 300"),
    ],
)
def test_what_is_refused_leaves_no_run(here: Path, capsys: pytest.CaptureFixture, options: list[str], message: str):
    assert fit(*options) == 2
    assert message in capsys.readouterr().err
    assert not Path("runs").exists()


def test_learns_from_a_pair_only():
    module = NeuralStyleModule(vgg=None)
    module._trainer = SimpleNamespace(datamodule=object())
    with pytest.raises(ZooError, match=r"learns from zoo\.data\.StylePair, not object"):
        module.setup("fit")


@pytest.mark.parametrize(
    ("steps", "preview_every", "expected"),
    [(300, 25, 25), (50, 20, 25), (97, 20, 97), (2, 25, 2), (634, 25, 317), (-1, 25, 25)],
)
def test_the_last_iteration_ends_an_epoch(steps: int, preview_every: int, expected: int):
    pair = StylePair(preview_every=preview_every)
    pair.trainer = SimpleNamespace(max_steps=steps)
    assert len(pair.train_dataloader()) == expected
