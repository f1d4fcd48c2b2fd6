from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.data.style import draw_pattern, read_style
from zoo.models.neural_style import objective, predict
from zoo.models.neural_style.net import NeuralStyle
from zoo.models.neural_style.objective import Objective, at_size, plan
from zoo.models.neural_style.predict import shrink
from zoo.nn import pretrained
from zoo.nn.losses.style_transfer import StyleTransferLoss
from zoo.pictures.tensors import to_tensor

SMALL = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0, "relu2_1": 1.0}}
CONTENT = data.chelsea()[50:130, 100:200]
STYLE = draw_pattern(80, 100)


@pytest.fixture
def net() -> NeuralStyle:
    return NeuralStyle(**SMALL, size=64)


def painted(net: NeuralStyle, content=CONTENT, style=STYLE, **options):
    return net.predict(content, style, **{"vgg": None, "iterations": 3, **options})


@pytest.mark.parametrize(
    ("size", "iterations", "expected"),
    [
        ((200, 300), 90, [((200, 300), 90)]),
        ((300, 301), 90, [((150, 151), 60), ((300, 301), 30)]),
        ((900, 1200), 90, [((225, 300), 40), ((450, 600), 20), ((900, 1200), 30)]),
        ((63, 1000), 90, [((63, 1000), 90)]),
        ((200, 400), 2, [((100, 200), 1), ((200, 400), 1)]),
        ((200, 400), 1, [((200, 400), 1)]),
    ],
)
def test_the_last_size_gets_a_third(size, iterations, expected):
    stages = plan(*size, iterations, coarse_to_fine=True)
    assert [(stage.size, stage.end - stage.first) for stage in stages] == expected
    assert [stage.first for stage in stages] == [0, *(stage.end for stage in stages[:-1])]
    assert [stage.size for stage in plan(*size, iterations, coarse_to_fine=False)] == [size]


def test_a_coarse_stage_changes_only_what_is_coarse(net):
    content = to_tensor(CONTENT)[None]
    loss = Objective(net, net.loss_network(None), content, [STYLE])
    picture = content.clone().requires_grad_()
    loss(picture, (40, 50)).backward()
    gradient = picture.grad
    fine = gradient - torch.nn.functional.interpolate(at_size(gradient, (40, 50)), (80, 100), mode="bilinear")
    assert fine.square().mean() < 0.1 * gradient.square().mean()


@pytest.mark.parametrize(("stroke", "sides"), [(0.25, [32, 32]), (1.0, [40, 80]), (2.0, [80, 160])])
def test_the_stroke_is_the_size_of_the_style(stroke, sides, monkeypatch):
    """Relative to the picture at each size, and never too small to show a style."""
    asked = []
    monkeypatch.setattr(objective, "read_style", lambda style, size: asked.append(size) or read_style(style, size))
    net = NeuralStyle(**SMALL, stroke=stroke)
    loss = Objective(net, net.loss_network(None), to_tensor(CONTENT)[None], [STYLE])
    for size in ((40, 50), (80, 100)):
        loss.at(size)
    assert asked == sides


def test_style_targets_are_made_once_for_each_size(net, monkeypatch):
    made = []

    class Counted(StyleTransferLoss):
        def __init__(self, *args, **keywords):
            made.append(1)
            super().__init__(*args, **keywords)

    monkeypatch.setattr(objective, "StyleTransferLoss", Counted)
    monkeypatch.setattr(objective, "COARSEST", 60)
    monkeypatch.setattr(objective, "MIN_HALVED", 50)
    painted(net, iterations=7, size=80)
    assert len(made) == 2


def test_the_same_seed_gives_the_same_picture(net, one_thread):
    first, again, other = (np.asarray(painted(net, start="noise", seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_prediction_leaves_the_random_numbers_alone(net):
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    painted(net, start="noise")
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("start", ["content", "noise", "style"])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_every_start_descends(start, optimizer):
    result = painted(NeuralStyle(**SMALL, size=64, optimizer=optimizer), start=start, iterations=12)
    assert result.losses[-1] < result.losses[0]
    assert len(result.losses) == 12
    assert result.size == (64, 51)


def test_previews_and_progress(net, tmp_path):
    shown, done = [], []
    result = painted(
        net,
        iterations=7,
        preview_every=3,
        preview=lambda number, picture: shown.append((number, picture.size)),
        progress=lambda *counts: done.append(counts),
    )
    assert list(result.previews) == [3, 6]
    assert shown == [(3, (64, 51)), (6, (64, 51))]
    assert done == [(number, 7) for number in range(1, 8)]
    written = result.save(tmp_path / "cat")
    assert [path.name for path in written] == ["cat_styled.png", "cat_compare.png", "cat_strip.png"]
    assert all(path.is_file() for path in written)
    assert result.save(tmp_path / "cat.jpg") == [tmp_path / "cat.jpg"]
    assert [path.name for path in painted(net).save(tmp_path / "dog")] == ["dog_styled.png", "dog_compare.png"]


def test_a_strip_shows_six_pictures_at_most(net):
    strip = painted(net, iterations=20, preview_every=1).strip()
    assert (6 - 1) * 240 < strip.width < 7 * 240


def test_lists_give_lists_and_previews_stay_apart(net):
    results = painted(net, [CONTENT, CONTENT[:60]], preview_every=3)
    assert [result.size for result in results] == [(64, 51), (64, 38)]
    assert [result.previews[3].size for result in results] == [(64, 51), (64, 38)]
    assert len(painted(net, torch.rand(2, 3, 40, 40))) == 2


def test_styles_are_blended(net, one_thread):
    other = data.coffee()[:100, :100]
    first, second, both, mostly = (
        np.asarray(painted(net, style=style, blend=blend, iterations=8))
        for style, blend in [
            (STYLE, None), (other, None), ([STYLE, other], None), ([STYLE, other], [1, 0]),
        ]
    )  # fmt: skip
    assert np.array_equal(mostly, first)
    assert not np.array_equal(both, first)
    assert not np.array_equal(both, second)


def test_blends_on_any_scale(net):
    styles, content = [STYLE, data.coffee()[:100, :100]], to_tensor(CONTENT)[None]
    for blend, expected in (
        (None, [0.5, 0.5]),
        ([3, 1], [0.75, 0.25]),
        ([0.003, 0.001], [0.75, 0.25]),
        ([0, 7], [0, 1]),
    ):
        loss = Objective(net, net.loss_network(None), content, styles, blend)
        torch.testing.assert_close(loss.mix, torch.tensor([expected], dtype=torch.float32))
    criterion, _ = loss.at((40, 50))
    assert criterion.colors.shape[0] == 2


@pytest.mark.parametrize(
    "blend", [[1.0], [1.0, 2.0, 3.0], [-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]]
)
def test_shares_that_do_not_fit_the_styles(net, blend):
    with pytest.raises(ZooError, match="one weight for each of the 2 styles"):
        painted(net, style=[STYLE, STYLE], blend=blend)


def test_colours_are_preserved(net):
    result = painted(net, preserve_color=True, iterations=10)
    changed = np.asarray(result, float) - np.asarray(result.content, float)
    grey = changed.mean(2, keepdims=True)
    inside = (np.asarray(result) > 3).all(2) & (np.asarray(result) < 252).all(2)
    assert np.abs(changed - grey)[inside].max() <= 2
    assert np.abs(changed).mean() > 1
    none = painted(net, strength=0)
    assert np.array_equal(none.picture, none.content)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK"])
def test_any_kind_of_picture(net, mode):
    picture = Image.fromarray(CONTENT).convert("RGB" if mode != "LA" else "L")
    picture = picture.convert(mode) if mode != "P" else picture.quantize(8)
    if mode.endswith("A"):
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    result = painted(net, picture, style=picture)
    assert result.mode == ("RGBA" if mode.endswith("A") else "RGB")
    assert np.isfinite(result.losses).all()


@pytest.mark.parametrize("size", [(400, 300), (33, 32), (32, 200)])
def test_styles_of_any_size(net, size):
    """It is brought to the content's, so that its own hardly matters, and its look does."""
    style = Image.fromarray(STYLE).resize(size)
    result = np.asarray(painted(net, style=style), float)
    assert result.shape == (51, 64, 3)
    red = np.asarray(painted(net, style=Image.new("RGB", size, "red")), float)
    assert (red - result)[..., 0].mean() > (red - result)[..., 2].mean()
    assert np.abs(red - result).mean() > 1


@pytest.mark.parametrize("what", ["content", "style"])
@pytest.mark.parametrize("value", [0, 255])
def test_blank_pictures(net, what, value):
    blank = np.full((48, 64, 3), value, np.uint8)
    result = painted(net, **{what: blank}, iterations=8)
    assert np.isfinite(result.losses).all()
    assert result.losses[-1] <= result.losses[0]
    both = painted(net, blank, blank, iterations=4)
    assert np.isfinite(both.losses).all()


def test_too_small_pictures(net, tmp_path):
    Image.fromarray(CONTENT[:16, :16]).save(tmp_path / "tiny.png")
    with pytest.raises(ZooError, match=r"tiny\.png: 16x16 pixels, too few for neural style; it needs 32 a side"):
        painted(net, tmp_path / "tiny.png")
    with pytest.raises(ZooError, match=r"tiny\.png: 16x16 pixels show no style"):
        painted(net, style=tmp_path / "tiny.png")
    with pytest.raises(ZooError, match="64x6 pixels, too few"):
        painted(net, np.zeros((100, 1000, 3), np.uint8))


def test_large_pictures_are_told_of(net):
    assert painted(net).notes == ("made at 64x51 pixels; the option size makes it larger",)
    assert painted(net, size=200).notes == ()
    assert painted(net, size=200).size == (100, 80)
    assert shrink(Image.fromarray(CONTENT), 100).size == (100, 80)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": 0}, "iterations must be a whole number from 1 on, not 0"),
        ({"size": 0}, "size must be a whole number from 1 on"),
        ({"preview_every": 0}, "preview_every must be a whole number from 1 on"),
        ({"seed": -1}, r"seed must be a number from 0 to 2\*\*63 - 1, not -1"),
        ({"seed": 10**30}, r"seed must be a number from 0 to 2\*\*63 - 1"),
        ({"start": "grey"}, "content, noise or style, not 'grey'"),
        ({"strength": 2}, r"strength must be between 0 \(original\) and 1 \(fully styled\), not 2$"),
        ({"content": "missing.jpg"}, "missing.jpg: no such file"),
        ({"style": "missing.jpg"}, "missing.jpg: no such file"),
        ({"vgg": "missing.safetensors"}, r"missing.safetensors: no such file[^\n]*\n.*--vgg FILE.*vgg=FILE"),
        ({"style": []}, "each of the 0 styles"),
        ({"style": np.zeros((40, 400, 3), np.uint8)}, "the style: 400x40 pixels; a style is at most 8 times as long"),
    ],
)
def test_what_is_refused(net, options, message):
    with pytest.raises(ZooError, match=message):
        painted(net, **options)


@pytest.mark.parametrize(
    ("options", "message"), [({"pooling": "avg"}, "not 16 and 'avg'$"), ({"style_layers": {"relu9_1": 1}}, "no layer")]
)
def test_the_way_to_weights_is_told_of_weights_only(options, message):
    with pytest.raises(ZooError, match=message) as error:
        NeuralStyle(**options).loss_network("missing.safetensors")
    assert "--vgg" not in str(error.value)


def test_without_vgg_both_ways_to_get_it_are_told(net, monkeypatch):
    def offline(*args):
        raise OSError("no network")

    monkeypatch.setattr(pretrained, "getproxies", dict)
    monkeypatch.setattr(pretrained.socket, "getaddrinfo", offline)
    monkeypatch.setattr(pretrained.huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(ZooError) as raised:
        painted(net, vgg="timm")
    assert "vgg16.tv_in1k" in str(raised.value)
    assert "--vgg FILE.safetensors" in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 3


def test_memory_is_told_of_before_it_starts(net, monkeypatch, tmp_path):
    Image.fromarray(data.chelsea()).save(tmp_path / "cat.png")
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: 300e6)
    with pytest.raises(ZooError, match=r"cat\.png: 451x300 pixels: neural style needs 0\.\d GB of memory") as raised:
        painted(net, tmp_path / "cat.png", size=512)
    fitting = int(str(raised.value).rsplit("=", 1)[1])
    assert f"--size {fitting}" in str(raised.value)
    assert painted(net, tmp_path / "cat.png", size=fitting, iterations=1).size[0] == fitting
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: 1e6)
    with pytest.raises(ZooError, match=r"0\.0 GB are free; free some memory$"):  # no size would do
        painted(net, tmp_path / "cat.png", size=512)


def test_running_out_of_memory_is_one_line(net, monkeypatch):
    def full(*args, **kw):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 123 bytes")

    monkeypatch.setattr(predict, "optimize", full)
    with pytest.raises(ZooError, match="memory ran out at 64x51 pixels; give a smaller size"):
        painted(net)


def test_paints_with_real_weights(real_data):
    vgg = real_data / "weights" / "vgg16_features.safetensors"
    result = NeuralStyle(size=80).predict(
        data.chelsea(), real_data / "styles" / "starry_night_crop.jpg", vgg=vgg, iterations=25
    )
    assert result.losses[-1] < 0.3 * result.losses[0]
    luma = [np.asarray(each.convert("L"), float).ravel() for each in (result.picture, result.content)]
    assert np.corrcoef(*luma)[0, 1] > 0.4


def test_the_result_is_the_best_of_the_last_size(net):
    """An optimiser may end on a step that nobody has judged yet."""
    loss = Objective(net, net.loss_network(None), to_tensor(CONTENT)[None], [STYLE])
    size = (CONTENT.shape[0], CONTENT.shape[1])
    for count in range(1, 7):
        *_, raw = predict.optimize(loss, count, "noise", 0, bfloat16=False, best_last=False)
        *_, best = predict.optimize(loss, count, "noise", 0, bfloat16=False)
        with torch.no_grad():
            assert float(loss(best.picture, size)) <= float(loss(raw.picture, size)) + 1e-6
