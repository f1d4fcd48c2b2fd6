"""Neural style in miniature for the conformance suite, and the checks of its paper."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo import load
from zoo.base.errors import ZooError
from zoo.cards import weights
from zoo.data.style import draw_pattern
from zoo.models.neural_style.module import NeuralStyleModule
from zoo.models.neural_style.net import NeuralStyle
from zoo.nn.vgg import VGGFeatures

ARGUMENTS = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0, "relu2_1": 1.0}, "size": 48}
PREDICT = {"vgg": None, "iterations": 2, "size": 48}
OPTIONS = {"blend": [["1"]], "content_weight": [["0.1"]], "stroke": [["0.5"]], "preview_every": [["1"]]}
CONTENT = data.chelsea()[50:130, 100:200]


def module() -> NeuralStyleModule:
    return NeuralStyleModule(**ARGUMENTS, vgg=None)


def miniature(recipe: dict, folder: Path) -> list[str]:
    """Arguments that make two steps of a recipe a matter of seconds, on data of their own in ``folder``."""
    folder.mkdir(parents=True)
    Image.fromarray(CONTENT).save(folder / "content.png")
    Image.fromarray(draw_pattern(48, 64)).save(folder / "style.png")
    given = [f"--data.content={folder / 'content.png'}", f"--data.style={folder / 'style.png'}"]
    return [*given, "--data.preview_every=1", "--model.size=40", "--model.vgg=null"]


def test_holds_the_papers_settings():
    net = NeuralStyle()
    assert net.content_layers == {"relu4_2": 1}
    assert net.style_layers == {f"relu{i}_1": 1 for i in range(1, 6)}
    assert (net.pooling, net.optimizer) == ("average", "lbfgs")
    assert NeuralStyle(start="noise", depth=19, coarse_to_fine=False).loss_network(None).depth == 19


@pytest.mark.parametrize(
    "changes",
    [
        {"content_weight": 50.0},
        {"pooling": "max"},
        {"optimizer": "adam"},
        {"start": "noise"},
        {"size": 44},
        {"stroke": 2.0},
    ],
)
def test_predict_takes_other_settings(changes: dict, one_thread: None):
    """With the result of a model that was made with them, and without changing the one that it is asked of."""
    net, style, predict = NeuralStyle(**ARGUMENTS), draw_pattern(48, 64), {"vgg": None, "iterations": 3}
    before = np.asarray(net.predict(CONTENT, style, **predict))
    other = NeuralStyle(**{**ARGUMENTS, **changes}).predict(CONTENT, style, **predict)
    changed = net.predict(CONTENT, style, **predict, **changes)
    assert np.array_equal(changed, other)
    assert changed.losses == other.losses
    assert changed.losses != net.predict(CONTENT, style, **predict).losses
    assert np.array_equal(net.predict(CONTENT, style, **predict), before)


def test_an_optimiser_comes_with_its_own_rate():
    assert NeuralStyle(lr=0.7).changed(optimizer="adam").lr is None
    assert NeuralStyle(lr=0.7).changed(optimizer="lbfgs", size=40).lr == 0.7


def test_has_nothing_to_save():
    assert not list(NeuralStyle().parameters())
    assert not NeuralStyle().state_dict()


def test_what_is_saved_is_loaded(tmp_path: Path):
    weights.save(NeuralStyle(**ARGUMENTS), tmp_path, "neural_style", ARGUMENTS)
    net = load(tmp_path)
    assert net.content_layers == ARGUMENTS["content_layers"]
    assert net.size == ARGUMENTS["size"]


def test_the_module_says_how_it_is_set(tmp_path: Path):
    made = NeuralStyleModule(**ARGUMENTS, start="noise", content_weight=0.5, vgg=None)
    weights.save(made.net, tmp_path, "neural_style", made.arguments)
    net = load(tmp_path)
    assert all(getattr(net, key) == getattr(made.net, key) for key in made.arguments)
    assert (net.start, net.content_weight) == ("noise", 0.5)


def test_vgg_runs_no_further_than_needed():
    assert NeuralStyle(**ARGUMENTS).loss_network(None).computed[-1] == "relu2_1"
    assert NeuralStyle().loss_network(None).computed[-1] == "relu5_1"


def test_only_the_picture_is_a_parameter_and_in_checkpoints():
    made = module()
    assert [name for name, _ in made.named_parameters()] == ["picture"]
    assert list(made.state_dict()) == ["picture"]


def test_the_picture_takes_the_style_and_keeps_the_content(one_thread: None):
    """Its Gram matrices come close to those of the style, and its coarse shapes stay nearer to the content's."""
    style = draw_pattern(80, 100)
    net = NeuralStyle(**{**ARGUMENTS, "size": 100, "content_weight": 1e-3, "tv_weight": 0.1})
    made = net.predict(CONTENT, style, vgg=None, iterations=40)
    assert made.losses[-1] < 0.1 * made.losses[0]
    result, near = (np.asarray(each, float) for each in (made, made.content))
    assert np.abs(result.mean((0, 1)) - style.mean((0, 1))).max() < np.abs(near.mean((0, 1)) - style.mean((0, 1))).max()
    assert np.corrcoef(result.mean(2).ravel(), near.mean(2).ravel())[0, 1] > 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": "black"}, "content, noise or style, not 'black'"),
        ({"optimizer": "sgd"}, '"lbfgs" or "adam"'),
        ({"iterations": 0}, "iterations must be a whole number from 1 on"),
        ({"size": -1}, "size must be a whole number from 1 on"),
        ({"pooling": "mean"}, 'pooling "max" or "average"'),
        ({"content_weight": -1.0}, "0 or more"),
        ({"content_weight": math.nan}, "0 or more"),
        ({"stroke": 0.1}, "stroke must be from 0.25 to 2, not 0.1"),
        ({"stroke": math.nan}, "stroke must be from 0.25 to 2, not nan"),
    ],
)
def test_refuses_what_it_cannot_be(arguments: dict, message: str):
    with pytest.raises(ZooError, match=message):
        NeuralStyle().predict(CONTENT, CONTENT, **{**PREDICT, **arguments})
    with pytest.raises(ZooError, match=message):
        NeuralStyle(**{"size": 48, **arguments}).predict(CONTENT, CONTENT, vgg=None)


def test_layers_that_vgg_has_not():
    with pytest.raises(ZooError, match="VGG-16 has no layer 'conv4_9'; did you mean conv4_") as raised:
        NeuralStyle(content_layers={"conv4_9": 1.0}).loss_network(None)
    assert "--vgg" not in str(raised.value)  # no file would help
    with pytest.raises(ZooError, match="has no layer"):
        NeuralStyleModule(style_layers={"conv6_1": 1.0}, vgg=None)


def test_colours_come_from_the_colour_term(one_thread: None):
    """Without it they depend on the shallow layers of VGG alone."""
    style, options = Image.new("RGB", (64, 64), (200, 40, 30)), {"vgg": None, "iterations": 15}
    arguments = {**ARGUMENTS, "style_layers": {"relu2_1": 0.01}, "content_weight": 0.01}
    with_term, without = (NeuralStyle(**arguments, color_weight=weight) for weight in (100.0, 0.0))
    off = [np.abs(np.asarray(net.predict(CONTENT, style, **options), float).mean((0, 1)) - (200, 40, 30)).mean()
           for net in (with_term, without)]  # fmt: skip
    assert off[0] < 0.5 * off[1]


def test_the_loss_network_pads_by_its_border():
    """Or the border of the picture would darken."""
    assert NeuralStyle().loss_network(None).padding == "replicate"


def test_averages_where_the_paper_does():
    layers, x = ["pool1"], torch.rand(1, 3, 32, 32)
    torch.manual_seed(0)
    average = VGGFeatures(layers, weights=None, pooling=NeuralStyle().pooling)(x)["pool1"]
    torch.manual_seed(0)
    assert (average < VGGFeatures(layers, weights=None)(x)["pool1"]).any()
