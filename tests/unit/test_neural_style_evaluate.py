from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.cards import results
from zoo.data.style_pair import StylePair
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
    features = VGGFeatures(["relu1_1", "relu2_1"], weights=None, pooling="average")
    monkeypatch.setattr(NeuralStyle, "loss_network", lambda *_: features)
    monkeypatch.setattr(objective, "COARSEST", 60)
    monkeypatch.setattr(objective, "LEAST", 20)


def test_results_are_what_a_card_holds(pair: StylePair, seeded: None):
    net = NeuralStyle(**LAYERS, size=96)
    measured = evaluate(net, pair, iterations=6)
    json.dumps(measured, allow_nan=False)
    assert net.coarse_to_fine
    assert all(set(figure) == set(results.Figure.model_fields) for figure in measured["figures"])
    assert {figure["data"] for figure in measured["figures"]} == {"96x77 pixels, 6 iterations"}
    [table] = measured["tables"]
    assert set(table) == set(results.Table.model_fields)
    rows = {row[0]: row[1:] for row in table["rows"]}
    assert set(rows) == {DEFAULT, FLOAT32, MOVED, ONE_SIZE, SAME_TIME}
    assert [rows[name][4] for name in (DEFAULT, FLOAT32, MOVED, ONE_SIZE)] == [6, 6, 6, 6]
    assert any(figure["metric"].startswith("PSNR of float32, content moved") for figure in measured["figures"])
    assert rows[SAME_TIME][5] <= max(rows[DEFAULT][5], rows[SAME_TIME][5] if rows[SAME_TIME][4] == 1 else 0) + 0.05
    for row in rows.values():
        assert row[0] == pytest.approx(sum(row[1:4]), abs=2e-4)
    assert list(measured["data_digest"]) == ["content", "style", "weights of VGG-16"]
    assert measured["macs"]["96x77"] > 1e6


def test_the_same_picture_twice(pair: StylePair, seeded: None, one_thread: None):
    first, again = (evaluate(NeuralStyle(**LAYERS, size=96), pair, iterations=3) for _ in range(2))
    assert first["figures"] == again["figures"]
    assert first["data_digest"] == again["data_digest"]


def test_what_is_claimed():
    grey = torch.full((1, 3, 4, 4), 0.5)
    made = {DEFAULT: Made(grey, 9, 1.0), FLOAT32: Made(grey + 0.1, 9, 2.0), ONE_SIZE: Made(grey, 9, 3.0)}
    made[MOVED] = Made(grey + 0.11, 9, 2.0)
    scores = {DEFAULT: {"loss": 1.0}, FLOAT32: {"loss": 0.8}, ONE_SIZE: {"loss": 2.0}}
    found = {figure["metric"]: figure["value"] for figure in claims(made, scores, "pair")}
    moved = "PSNR of float32, content moved by 1e-4"
    assert found.pop(moved) == pytest.approx(40, abs=1e-3)
    assert found == {"loss / one size's": 0.5, "loss / float32's": 1.25, "PSNR to float32": 20.0}
    made[FLOAT32] = made[DEFAULT]
    assert "PSNR to float32" not in {figure["metric"] for figure in claims(made, scores, "pair")}


def test_a_row_says_what_each_took():
    scores = {"one": {"loss": 6.0, "content": 1.0, "style": 2.0, "tv": 3.0}}
    [row] = comparison({"one": Made(torch.zeros(1), 7, 1.26)}, scores)["rows"]
    assert row == ["one", 6, 1, 2, 3, 7, 1.3]


def test_missing_weights_say_how_to_give_them(pair: StylePair):
    with pytest.raises(ZooError, match=r"nowhere\.safetensors: no such file.*\nzoo evaluate takes .* --vgg FILE"):
        evaluate(NeuralStyle(), pair, vgg="nowhere.safetensors")
    assert protocol.psnr(torch.zeros(2), torch.zeros(2)) is None
