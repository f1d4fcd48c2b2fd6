"""What HomographyNet's module does beside the steps that the conformance suite takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from zoo.base.errors import ZooError
from zoo.data import HomographyPairs
from zoo.models.homographynet.module import MARGIN, HomographyNetModule, corner_sheet, draw_corners


@pytest.fixture
def folder(tiny: Callable[[str], ModuleType], tmp_path: Path) -> Path:
    """A dozen pictures."""
    (tmp_path / "photographs").mkdir()
    for seed in range(12):
        Image.fromarray(tiny("homographynet").photograph(seed)).save(tmp_path / "photographs" / f"{seed}.png")
    return tmp_path / "photographs"


@pytest.mark.parametrize(("channels", "grey"), [(1, False), (3, True)])
def test_network_and_data_must_agree_on_grey(channels: int, grey: bool):
    module = HomographyNetModule(channels=channels)
    module._trainer = SimpleNamespace(datamodule=SimpleNamespace(grey=grey))
    with pytest.raises(ZooError, match=rf"model.channels is {channels}, but data.grey {grey}"):
        module.setup("fit")


@pytest.mark.parametrize("head", ["regression", "classification", "field"])
def test_learns_in_colour_and_leaves_a_sheet(head: str, folder: Path, tmp_path: Path):
    module = HomographyNetModule(head=head, channels=3)
    data = HomographyPairs(
        folder, grey=False, batch_size=2, pairs_per_epoch=4, val_pairs=3, val_fraction=0.3, num_workers=0
    )
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=TensorBoardLogger(tmp_path), enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(module, data)
    assert trainer.callback_metrics["val/MACE"].isfinite()
    assert [path.name for path in tmp_path.glob("**/pictures/epoch*.png")] == ["epoch_000.png"]


def test_measures_what_it_logs(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The MACE of a network that answers "nothing moved" is the mean length of the true offsets."""
    module = HomographyNetModule()
    torch.nn.init.zeros_(module.net.layers[-1].weight)
    torch.nn.init.zeros_(module.net.layers[-1].bias)
    data = HomographyPairs(folder, val_pairs=5, val_fraction=0.3, num_workers=0)
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    (metrics,) = trainer.validate(module, data, verbose=False)
    _, offsets = data.held_out_pairs("val")
    assert metrics["val/MACE"] == pytest.approx(np.linalg.norm(offsets, axis=2).mean(), rel=1e-5)
    assert f"MACE on val: {metrics['val/MACE']:.3f} px" in capsys.readouterr().out


def test_each_pair_weighs_the_same_whatever_the_batches(monkeypatch: pytest.MonkeyPatch):
    module = HomographyNetModule()
    module._trainer = SimpleNamespace(testing=False)
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    for errors in ([1.0, 2.0, 3.0], [6.0]):
        module.log_means({"MACE": torch.tensor(errors, dtype=torch.float64)})
    assert module.found() == {"MACE": 3.0}


def test_draws_corners_where_they_lie():
    black = np.zeros((20, 20, 3), np.uint8)
    corners = np.array([[0.0, 0.0], [19.0, 0.0], [19.0, 19.0], [0.0, 19.0]])
    drawn = draw_corners(black, [(corners, (255, 0, 0))], scale=2)
    rows, columns = np.nonzero(drawn[..., 0] > 200)
    assert drawn.shape == (2 * (20 + 2 * MARGIN), 2 * (20 + 2 * MARGIN), 3)
    for found in (rows, columns):
        assert abs(found.min() - 2 * MARGIN) <= 2
        assert abs(found.max() - 2 * (MARGIN + 19.5)) <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_has_a_row_a_pair(channels: int):
    pairs = torch.rand(8, 2 * channels, 128, 128)
    one, six = (corner_sheet(pairs[:n], torch.zeros(n, 4, 2), torch.ones(n, 4, 2)) for n in (1, 8))
    assert isinstance(one, Image.Image)
    assert six.height > 5 * one.height
