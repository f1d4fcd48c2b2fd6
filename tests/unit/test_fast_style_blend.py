"""Which style a picture gets, and at which size it is painted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.cards import weights
from zoo.commands import main
from zoo.models.fast_style.blend import weights_of
from zoo.models.fast_style.net import FastStyle
from zoo.models.fast_style.predict import SIDE, Stylizer, at_side

NAMES = ("starry_night", "great_wave", "scream")
CAT = data.chelsea()[100:191, 120:187]


@pytest.fixture
def net(style_net: FastStyle) -> FastStyle:
    return style_net


def levels(a: object, b: object) -> np.ndarray:
    return abs(np.asarray(a).astype(int) - np.asarray(b).astype(int))


# Weights


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (None, [1, 0, 0]),
        ("scream", [0, 0, 1]),
        (["great_wave"], [0, 1, 0]),
        (["scream", "starry_night"], [0.5, 0, 0.5]),
        (("scream", "scream"), [0, 0, 1]),
        ({"scream": 1}, [0, 0, 1]),
        ({"starry_night": 0.7, "scream": 0.3}, [0.7, 0, 0.3]),
        ({"starry_night": 70, "scream": 30}, [0.7, 0, 0.3]),
        ({"starry_night": 0.007, "great_wave": 0, "scream": 0.003}, [0.7, 0, 0.3]),
        ({"starry_night": np.float32(2), "great_wave": np.int64(2)}, [0.5, 0.5, 0]),
        (dict.fromkeys(NAMES, 1e308), [1 / 3, 1 / 3, 1 / 3]),  # whose sum is infinite
        (dict.fromkeys(NAMES, 5e-324), [1 / 3, 1 / 3, 1 / 3]),
    ],
    ids=str,
)
def test_weights_add_up_to_one(style: object, expected: list[float]):
    found = weights_of(style, NAMES)
    assert (found.shape, found.dtype) == ((3,), np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("style", ["sream", ["starry_night", "sream"], {"sream": 1}])
def test_an_unknown_style_names_the_nearest(style: object):
    with pytest.raises(ZooError, match=r"^no style 'sream'; did you mean scream\?\nthere are: great_wave, scream"):
        weights_of(style, NAMES)


@pytest.mark.parametrize("weight", [-0.1, -math.inf, math.inf, math.nan, np.float64("nan"), True, "1", None, [1]])
def test_weights_that_are_none(weight: object):
    with pytest.raises(ZooError, match=r"^the weight of the style scream must be 0 or more, not "):
        weights_of({"starry_night": 1, "scream": weight}, NAMES)


@pytest.mark.parametrize("style", [[], {}, {"scream": 0}, {"scream": 0.0, "great_wave": -0.0}])
def test_a_blend_of_nothing(style: object):
    with pytest.raises(ZooError, match=r"^a blend of styles needs a weight above 0, such as \{starry_night: 1\}$"):
        weights_of(style, NAMES)


# Results


def test_a_blend_of_one_style_equals_the_style(net: FastStyle):
    for name in net.styles:
        result = net.predict(CAT, style=name)
        for same in ([name], {name: 0.3}, {name: 5, "one": 0 if name != "one" else 5}):
            assert levels(net.predict(CAT, style=same), result).max() == 0
    assert levels(net.predict(CAT), net.predict(CAT, style="one")).max() == 0


def test_styles_and_blends_differ(net: FastStyle):
    results = [net.predict(CAT, style=style) for style in (*net.styles, ["one", "two"], {"one": 3, "two": 1})]
    assert all(levels(a, b).mean() > 2 for i, a in enumerate(results) for b in results[:i])
    one, two, half, quarter = results[0], results[1], results[3], results[4]
    assert levels(quarter, one).mean() < levels(half, one).mean() < levels(two, one).mean()


def test_pictures_are_painted_by_the_weights(net: FastStyle):
    x = torch.from_numpy(CAT.copy()).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        expected = 255 * net(x, torch.tensor([[0.25, 0.0, 0.75]]))[0].clamp(0, 1).permute(1, 2, 0)
    found = net.predict(CAT, style={"one": 1, "three": 3}, size="original")
    assert levels(expected.round(), found).max() <= 1


def test_an_unknown_style_is_refused_before_the_work(net: FastStyle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(FastStyle, "forward", lambda *_: 1 / 0)
    for call in (net.predict, net.predict_frame):
        with pytest.raises(ZooError, match=r"no style 'thre'; did you mean three\?"):
            call(CAT, style="thre")


@dataclass
class Asked:
    """An engine that keeps what it is asked, and answers with negatives."""

    given: list[tuple[tuple[int, ...], list[float]]] = field(default_factory=list)
    device: str = "cpu"

    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        assert weights is not None
        assert weights.dtype == np.float32
        self.given.append((x.shape, weights.tolist()))
        return (1 - x,)


def test_an_engine_gets_the_weights_of_each_picture():
    engine = Asked()
    stylizer = Stylizer(engine, NAMES, channels=1)
    stylizer.predict([CAT, CAT[:50]], style=["scream", "great_wave"], size="original")
    stylizer.predict_frame(CAT, size="original")
    assert engine.given == [
        ((1, 3, 91, 67), [[0, 0.5, 0.5]]), ((1, 3, 50, 67), [[0, 0.5, 0.5]]), ((1, 3, 91, 67), [[1, 0, 0]]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "style"),
    [
        ("", None),
        ("--style two", "two"),
        ("--style two three", ["two", "three"]),
        ("--style {two: 2, one: 0.5}", {"two": 2, "one": 0.5}),
        ("--style=[one,three]", ["one", "three"]),
    ],
)
def test_the_option_of_the_command(net: FastStyle, tmp_path: Path, words: str, style: object):
    arguments = {"styles": list(net.styles), "channels": 6, "blocks": 2}
    weights.save(net, tmp_path / "model", "fast_style", arguments, dtype="float32")
    Image.fromarray(CAT).save(tmp_path / "cat.png")
    given = [words] if "=" in words else [*words.split(" ", 1)[:1], *parts(words)] if words else []
    assert main.main(["predict", str(tmp_path / "model"), str(tmp_path / "cat.png"), "-o", str(tmp_path), *given]) == 0
    assert levels(Image.open(tmp_path / "cat_styled.png"), net.predict(CAT, style=style)).max() == 0


def parts(words: str) -> list[str]:
    rest = words.split(" ", 1)[1]
    return [rest] if rest.startswith("{") else rest.split()


def test_an_unknown_style_is_one_error_of_the_command(
    net: FastStyle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = {"styles": list(net.styles), "channels": 6, "blocks": 2}
    weights.save(net, tmp_path / "model", "fast_style", arguments, dtype="float32")
    Image.fromarray(CAT).save(tmp_path / "cat.png")
    command = ["predict", str(tmp_path / "model"), str(tmp_path / "cat.png"), "-o", str(tmp_path / "out"), "--style"]
    for words, message in (
        ("thre", "no style 'thre'; did you mean three?"),
        ("{one: -1}", "must be 0 or more, not -1"),
    ):
        assert main.main([*command, words]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert 1 <= len(error.splitlines()) <= 3
        assert "bug" not in error


# Sizes


@pytest.mark.parametrize(
    ("size", "side", "painted"),
    [
        ((3000, 2000), 800, (800, 533)),
        ((2000, 3000), 800, (533, 800)),
        ((800, 600), 800, (800, 600)),
        ((500, 400), 800, (800, 640)),
        ((100, 50), 800, (200, 100)),  # a small picture is enlarged twofold at most
        ((1, 1), 800, (2, 2)),
        ((20_000, 1), 800, (800, 1)),
        ((3000, 2000), 1, (1, 1)),
        ((3000, 2000), None, (3000, 2000)),
        ((100, 50), None, (100, 50)),
    ],
)
def test_the_size_at_which_a_picture_is_painted(size: tuple[int, int], side: int | None, painted: tuple[int, int]):
    assert at_side(Image.new("RGB", size), side).size == painted


@pytest.mark.parametrize("size", [30, 67, 91, 100, 800, 10**12, "original"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_the_result_has_the_picture_s_own_size(size: object, mode: str):
    engine = Asked()
    picture = Image.fromarray(CAT).convert(mode)
    result = Stylizer(engine, NAMES, channels=1).predict(picture, size=size)
    assert result.size == result.content.size == (67, 91)
    longer = 91 if size == "original" else min(size, 2 * 91)
    assert max(engine.given[0][0][2:]) == longer
    difference = levels(255 - np.asarray(picture.convert("RGB")), np.asarray(result.picture)[..., :3])
    assert difference.mean() < (14 if longer < 91 else 2)  # it is what the engine made, where nothing was lost


def test_the_picture_s_own_longer_side_changes_nothing(net: FastStyle):
    assert levels(net.predict(CAT, size=91), net.predict(CAT, size="original")).max() == 0
    assert levels(net.predict(CAT), net.predict(CAT, size=SIDE)).max() == 0


def test_strokes_are_as_large_relative_to_a_picture_of_any_resolution(net: FastStyle):
    """The same photograph of twice the resolution becomes the same painting; of its own size, another."""
    small = Image.fromarray(data.coffee()[:160, :200])
    large = small.resize((400, 320), Image.Resampling.BICUBIC)

    def apart(size: object) -> float:
        one, other = (net.predict(picture, size=size).picture.resize((100, 80)) for picture in (small, large))
        return float(levels(one, other).mean())

    assert apart(200) < 0.5 * apart("original")


def test_a_smaller_size_gives_larger_strokes(net: FastStyle):
    """The painting has fewer details, whatever its number of pixels."""

    def detail(size: object) -> float:
        made = np.asarray(net.predict(data.coffee()[:160, :200], size=size).picture, float)
        return float(np.abs(np.diff(made, axis=1)).mean())

    assert detail(50) < 0.7 * detail(200)


@pytest.mark.parametrize("size", [0, -5, 1.5, "big", "800", None, True, math.inf, [800]])
def test_sizes_that_are_none(net: FastStyle, size: object, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(FastStyle, "forward", lambda *_: 1 / 0)
    calls: tuple[Callable, ...] = (net.predict, net.predict_frame)
    for call in calls:
        with pytest.raises(ZooError, match=r'^size must be a number of pixels from 1 on, or "original"'):
            call(CAT, size=size)


def test_a_profile_of_colours_stays_whatever_the_size(net: FastStyle):
    picture = Image.fromarray(CAT)
    picture.info["icc_profile"] = b"profile"
    assert net.predict(picture, size=40).picture.info["icc_profile"] == b"profile"
