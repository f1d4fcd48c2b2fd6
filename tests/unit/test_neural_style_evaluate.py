from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.cards.forms import check
from zoo.data.style_pair import StylePair
from zoo.models.evaluation import Context, Results
from zoo.models.neural_style import evaluate as protocol
from zoo.models.neural_style import objective
from zoo.models.neural_style.evaluate import (
    DEFAULT,
    FLOAT32,
    MOVED,
    ONE_SIZE,
    SAME_TIME,
    Made,
    claims,
    comparison,
    evaluate,
    pictures,
)
from zoo.models.neural_style.net import NeuralStyle
from zoo.nn.vgg import VGGFeatures

LAYERS = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0, "relu2_1": 1.0}}


@pytest.fixture
def pair(tmp_path: Path) -> StylePair:
    Image.fromarray(data.coffee()[100:180, 200:300]).save(tmp_path / "coffee.png")
    return StylePair(content=tmp_path / "coffee.png")


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights instead of timm's, and coarse to fine at small sizes."""
    torch.manual_seed(0)
    features = VGGFeatures(["relu1_1", "relu2_1"], weights=None, pooling="average", padding="replicate")
    monkeypatch.setattr(NeuralStyle, "loss_network", lambda *_: features)
    monkeypatch.setattr(objective, "COARSEST", 60)
    monkeypatch.setattr(objective, "MIN_HALVED", 20)


def test_results_are_what_a_card_holds(pair: StylePair, seeded: None):
    net = NeuralStyle(**LAYERS, size=96)
    measured = evaluate(net, pair, Context(), iterations=6)
    assert check(Results, json.loads(measured.to_json()), "measured") == measured
    assert net.coarse_to_fine
    assert {figure.where for figure in measured.figures} == {"96x77 pixels, 6 iterations"}
    assert {figure.protocol for figure in measured.figures} == {"96x77 pixels, 6 iterations"}
    [table] = measured.tables
    rows = {row[0]: row[1:] for row in table.rows}
    assert set(rows) == {DEFAULT, FLOAT32, MOVED, ONE_SIZE, SAME_TIME}
    assert [rows[name][5] for name in (DEFAULT, FLOAT32, MOVED, ONE_SIZE)] == [6, 6, 6, 6]
    assert any(figure.metric.startswith("PSNR of float32, content moved") for figure in measured.figures)
    for row in rows.values():
        assert row[0] == pytest.approx(sum(row[1:5]), abs=3e-4)
    assert list(measured.data_digest) == ["content", "style", "weights of VGG-16"]
    assert measured.macs["96x77"] > 1e6


def test_the_same_picture_twice(pair: StylePair, seeded: None, one_thread: None):
    first, again = (evaluate(NeuralStyle(**LAYERS, size=96), pair, Context(), iterations=3) for _ in range(2))
    assert first.figures == again.figures
    assert first.data_digest == again.data_digest


@pytest.mark.parametrize(("seconds", "iterations"), [(0.5, 4), (1.0, 4), (1.5, 2), (9.0, 1)])
def test_one_size_is_stopped_when_coarse_to_fine_was_ready(
    monkeypatch: pytest.MonkeyPatch, seconds: float, iterations: int
):
    """After its first iteration at the earliest."""

    def run(objective: objective.Objective, iterations: int, bfloat16: bool) -> Iterator[Made]:
        each = 1.0 if objective.net.coarse_to_fine else seconds
        return (Made(objective.content, number, number * each) for number in range(1, iterations + 1))

    monkeypatch.setattr(protocol, "run", run)
    features = VGGFeatures(["relu1_1", "relu2_1"], weights=None, pooling="average", padding="replicate")
    made = pictures(objective.Objective(NeuralStyle(**LAYERS), features, torch.zeros(1, 3, 40, 40), [None]), 4, False)
    assert {name: one.iterations for name, one in made.items()} == {
        DEFAULT: 4, FLOAT32: 4, MOVED: 4, ONE_SIZE: 4, SAME_TIME: iterations,
    }  # fmt: skip


def test_what_is_claimed():
    grey = torch.full((1, 3, 4, 4), 0.5)
    made = {DEFAULT: Made(grey, 9, 1.0), FLOAT32: Made(grey + 0.1, 9, 2.0), ONE_SIZE: Made(grey, 9, 3.0)}
    made[MOVED] = Made(grey + 0.11, 9, 2.0)
    scores = {DEFAULT: {"loss": 1.0}, FLOAT32: {"loss": 0.8}, ONE_SIZE: {"loss": 2.0}}
    found = {figure.metric: figure.value for figure in claims(made, scores, "pair")}
    moved = "PSNR of float32, content moved by 1e-4"
    assert found.pop(moved) == pytest.approx(40, abs=1e-3)
    assert found == {"loss / one size's": 0.5, "loss / float32's": 1.25, "PSNR to float32": 20.0}
    made[FLOAT32] = made[DEFAULT]
    assert "PSNR to float32" not in {figure.metric for figure in claims(made, scores, "pair")}


def test_a_row_says_what_each_took():
    scores = {"one": {"loss": 6.5, "content": 1.0, "style": 2.0, "color": 0.5, "tv": 3.0}}
    [row] = comparison({"one": Made(torch.zeros(1), 7, 1.26)}, scores).rows
    assert row == ["one", 6.5, 1, 2, 0.5, 3, 7, 1.3]


def test_missing_weights_say_how_to_give_them(pair: StylePair):
    with pytest.raises(ZooError, match=r"nowhere\.safetensors: no such file.*\n.* other commands as --vgg FILE"):
        evaluate(NeuralStyle(), pair, Context(), vgg="nowhere.safetensors")
