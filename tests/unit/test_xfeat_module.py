"""What XFeat's module does beside the steps that the conformance suite takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch import Tensor

from zoo.data.views import CELL, NONE, Batch, Range, Views, views_batch
from zoo.models.xfeat.module import (
    CLOSE,
    TEMPERATURE,
    XFeatModule,
    at_points,
    dual_softmax,
    matches_sheet,
    mutual,
    similarities,
)

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")  # there is no trainer here


@pytest.fixture(scope="module")
def batch(tiny: Callable[[str], ModuleType]) -> Batch:
    return tiny("xfeat").batch()


def random_points(count: int, side: int = 256) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(4, side - 5, (2, count, 4)).astype(np.float32))


def repeated(batch: Batch, count: int, times: int) -> Batch:
    """With the first points of each pair only, which are repeated."""
    points = batch.points[:, :count].repeat(1, times, 1)
    return batch._replace(points=points, counts=torch.full_like(batch.counts, count))


def test_a_map_says_at_a_point_what_its_cell_says():
    """In the middle of a cell, between two of them, and at the border, where the last goes on."""
    maps = torch.arange(2 * 3 * 4.0).view(2, 1, 3, 4)  # a is 0..11, b 12..23, of pictures of 24x32
    places = [(3.5, 3.5), (11.5, 3.5), (7.5, 3.5), (3.5, 11.5), (0, 0), (31, 23)]
    points = torch.tensor([[(*place, *place) for place in places]])
    found = at_points(maps, points)
    assert found.shape == (2, 1, 6, 1)
    torch.testing.assert_close(found[0, 0, :, 0], torch.tensor([0.0, 1, 0.5, 4, 0, 11]))
    torch.testing.assert_close(found[1], found[0] + 12)


def test_each_pair_has_its_own_points():
    maps = torch.rand(4, 5, 4, 4)  # two pairs: a, a, b, b
    points = random_points(3, 32)
    found = at_points(maps, points)
    for pair in range(2):
        alone = at_points(maps[[pair, pair + 2]], points[pair : pair + 1])
        torch.testing.assert_close(found[:, pair : pair + 1], alone)


def test_similarities_are_cosines_but_of_points_that_lie_near():
    torch.manual_seed(0)
    maps, points = torch.randn(4, 6, 32, 32), random_points(30)
    points[0, 1] = points[0, 0] + torch.tensor([6.0, 6, 100, 0])  # near in a only: 8.5 pixels
    points[0, 3] = points[0, 2] + torch.tensor([90.0, 0, 0, 9])  # near in b only
    points[1, 1] = points[1, 0] + torch.tensor([8.0, 8, 100, 0])  # 11.3 pixels
    found, at = similarities(maps, points), at_points(maps, points)
    for pair, i, j in [(0, 0, 0), (0, 0, 1), (0, 3, 2), (1, 0, 1), (0, 5, 9), (1, 29, 3), (1, 7, 7)]:
        apart = min(math.dist(points[pair, i, k : k + 2], points[pair, j, k : k + 2]) for k in (0, 2))
        cosine = torch.cosine_similarity(at[0, pair, i], at[1, pair, j], dim=0)
        torch.testing.assert_close(found[pair, i, j], torch.tensor(-1.0) if i != j and apart < CLOSE else cosine)
    assert found[0, 0, 1] == found[0, 1, 0] == found[0, 2, 3] == -1
    assert found[1, 0, 1] > -1


def test_the_loss_is_that_of_plain_python():
    torch.manual_seed(0)
    agreement, counts = torch.rand(2, 5, 5) * 2 - 1, [5, 3]
    loss, sure = dual_softmax(agreement, torch.tensor(counts))
    losses, right = [], []
    for table, count in zip(agreement.tolist(), counts, strict=True):
        for i in range(count):
            row = sum(math.exp(TEMPERATURE * table[i][j]) for j in range(count))
            column = sum(math.exp(TEMPERATURE * table[j][i]) for j in range(count))
            own = math.exp(TEMPERATURE * table[i][i])
            losses.append(-(math.log(own / row) + math.log(own / column)) / 2)
            right.append(math.exp(-losses[-1]))
    assert loss.item() == pytest.approx(sum(losses) / 8, rel=1e-4)
    torch.testing.assert_close(sure, torch.tensor(right), rtol=1e-3, atol=1e-6)


def test_sure_of_what_is_right_and_of_nothing_else():
    apart = torch.eye(4)[None].repeat(2, 1, 1) * 2 - 1
    loss, sure = dual_softmax(apart, torch.tensor([4, 2]))
    assert loss < 1e-6
    assert sure.shape == (6,)
    assert (sure > 0.999).all()
    loss, sure = dual_softmax(torch.full((1, 4, 4), 0.3), torch.tensor([4]))
    assert loss.item() == pytest.approx(math.log(4), rel=1e-5)
    torch.testing.assert_close(sure, torch.full((4,), 0.25))


@pytest.mark.parametrize("times", [2, 3])
def test_repeated_points_do_not_count(batch: Batch, times: int):
    """Neither as right answers nor as wrong ones, for no part of the loss."""
    torch.manual_seed(0)
    module = XFeatModule(width=0.25)
    module.net(batch.views)  # statistics of batch norm by which points differ
    module.net.reliability[-1].weight.data.mul_(100)
    module.eval()
    with torch.inference_mode():
        once, more = (module.training_step(repeated(batch, 13, n), 0) for n in (1, times))
        torch.testing.assert_close(more, once, rtol=1e-5, atol=1e-6)
        assert module.training_step(repeated(batch, 14, 1), 0) != once


def test_mutual_nearest():
    agreement = torch.tensor([[0.9, 0.1, 0.2], [0.3, 0.5, 0.6], [0.2, 0.1, 0.7]])
    assert mutual(agreement[None]).tolist() == [[True, False, True]]
    assert mutual(agreement.T[None]).tolist() == [[True, False, True]]
    assert mutual(torch.eye(3)[None]).all()


def test_learns_keypoints_of_the_right_pixels(batch: Batch):
    """Perfect logits cost nothing, and any permutation of the pixels does."""

    class Perfect(torch.nn.Module):
        def __init__(self, order: Tensor) -> None:
            super().__init__()
            self.order, self.some = order, torch.nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            logits = torch.nn.functional.one_hot(self.order[batch.keypoints], NONE + 1).movedim(-1, 1) * 50.0
            return torch.ones(len(x), 64, 8, 8), logits, torch.zeros(len(x), 1, 8, 8)

    module = XFeatModule(width=0.25, reliability_weight=0.0)
    same = torch.arange(NONE + 1)
    losses = []
    for order in (same, same.roll(1)):
        module.net = Perfect(order)
        losses.append(module.training_step(batch, 0))
    assert (losses[1] - losses[0]).item() == pytest.approx(0.5 * 50, rel=0.01)


def test_weights_of_the_parts(batch: Batch, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    module, parts = XFeatModule(width=0.25).eval(), {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: parts.__setitem__(name, value.item()))
    with torch.inference_mode():
        matching = (module.training_step(batch, 0), parts["train/matching"])[1]
        module.keypoint_weight = module.reliability_weight = 0.0
        assert module.training_step(batch, 0).item() == pytest.approx(matching)
        module.keypoint_weight = 2.0
        corners = torch.nn.functional.cross_entropy(module(batch.views)[1], batch.keypoints).item()
        assert module.training_step(batch, 0).item() == pytest.approx(matching + 2 * corners, rel=1e-5)


def test_reliability_learns_only_if_it_counts(batch: Batch):
    gradients = []
    for weight in (0.0, 5.0):
        torch.manual_seed(0)
        module = XFeatModule(width=0.25, reliability_weight=weight)
        module.training_step(batch, 0).backward()
        gradients.append(module.net.reliability[-1].weight.grad)
    assert gradients[0] is None
    assert gradients[1].abs().max() > 0


def test_training_lowers_every_part(batch: Batch, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    module, told = XFeatModule(width=0.25), []
    monkeypatch.setattr(module, "log", lambda name, value, **_: told.append(value.item()) if "match" in name else None)
    optimizer = torch.optim.AdamW(module.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert told[-1] < 0.5 * told[0]


def trainer(**options: object) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(**{"max_epochs": 1, "accelerator": "cpu", "logger": False, **quiet, **options})


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Views:
    monkeypatch.setattr(Views, "streets", {"train": 2, "val": 1, "test": 1})
    return Views(
        side=64, points=60, largest=160, pairs_per_epoch=4, val_pairs=3, test_pairs=2, batch_size=2, num_workers=0
    )


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_leaves_figures_and_a_sheet(data: Views, precision: str, tmp_path: Path):
    module = XFeatModule(width=0.25)
    run = trainer(logger=TensorBoardLogger(tmp_path), precision=precision, log_every_n_steps=1)
    run.fit(module, data)
    figures = run.callback_metrics
    assert {"train/loss", "train/matching", "val/matched", "val/corners"} <= set(figures)
    assert all(value.isfinite() for value in figures.values())
    assert 0 <= figures["val/matched"] <= 1
    assert [path.name for path in tmp_path.glob("**/pictures/*.png")] == ["epoch_000.png"]
    assert module.shown == []


def test_figures_are_fractions_of_points_and_of_cells(data: Views, capsys: pytest.CaptureFixture[str]):
    """Counted here pair by pair, of a network that is not trained."""
    torch.manual_seed(0)
    module = XFeatModule(width=0.25)
    module.net.train()(torch.rand(4, 1, 64, 64))
    (figures,) = trainer().validate(module, data, verbose=False)
    matched, corners = [], []
    for sample in data.val_dataloader():
        batch = data.on_after_batch_transfer(sample, 0)
        with torch.inference_mode():
            descriptors, keypoints, _ = module.eval()(batch.views)
            one = batch._replace(points=batch.points[:, : batch.counts[0]])
            matched += mutual(similarities(descriptors, one.points))[0].tolist()
        for i, row, column in np.ndindex(2, 8, 8):
            if (label := batch.keypoints[i, row, column]) != NONE:
                corners.append(int(keypoints[i, :NONE, row, column].argmax()) == label)
    assert figures["val/matched"] == pytest.approx(np.mean(matched), rel=1e-5)
    assert figures["val/corners"] == pytest.approx(np.mean(corners), rel=1e-5)
    assert f"val: {np.mean(matched):.1%} of the correspondences matched" in capsys.readouterr().out


def test_pairs_without_keypoints_make_no_figure_nan(tiny: Callable[[str], ModuleType]):
    blank = Views().keep(Image.new("RGB", (200, 200)), "", "train")
    arrays = views_batch(np.random.default_rng(0), [blank], 1, Range(side=64, points=30, photometric=0.0))
    batch = Batch(torch.from_numpy(arrays[0]) / 255, *map(torch.from_numpy, arrays[1:]))
    module = XFeatModule(width=0.25)
    assert module.training_step(batch, 0).isfinite()
    module._trainer, module.log = SimpleNamespace(testing=False), lambda *_, **__: None
    good = tiny("xfeat").batch()
    for each in (batch, good):
        module.validation_step(each, 9)
    assert math.isfinite(module.found()["corners"])
    assert math.isfinite(module.found()["matched"])


def test_a_sheet_has_a_row_a_pair_and_lines_where_points_are():
    points = torch.tensor([[10.0, 20, 50, 20], [10, 50, 50, 50]])
    rows = [(torch.zeros(2, 1, 64, 64), points, torch.tensor([True, False]))]
    sheets = [np.asarray(matches_sheet(rows * n)) for n in (1, 4)]
    assert sheets[1].shape[0] > 3 * sheets[0].shape[0] - 100
    green = (sheets[0][..., 1] > 150) & (sheets[0][..., 0] < 100)
    red = (sheets[0][..., 0] > 150) & (sheets[0][..., 1] < 100)
    assert green.sum() >= 90  # from x = 10 in a to 50 in b, 104 pixels
    assert red.sum() >= 90
    (top, left), (bottom, right) = [np.argwhere(lines).mean(0) for lines in (green, red)]
    assert bottom - top > 29  # in pixels of the views, which are enlarged
    assert left == pytest.approx(right, abs=2)


def test_cells_are_those_of_the_data():
    from zoo.models.xfeat import features

    assert CELL == features.CELL
