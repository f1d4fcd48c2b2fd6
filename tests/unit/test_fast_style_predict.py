"""From any picture to one in a style, whole and by strips, by networks that make much of their surroundings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.files import bundled
from zoo.models.fast_style import memory, strips
from zoo.models.fast_style.net import FastStyle

BLEND = {"one": 1, "three": 3}


@pytest.fixture
def net(style_net: FastStyle) -> FastStyle:
    return style_net


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    """An odd size."""
    return data.chelsea()[100:191, 120:187]


def levels(a: object, b: object) -> np.ndarray:
    return abs(np.asarray(a).astype(int) - np.asarray(b).astype(int))


@pytest.mark.parametrize("style", [None, "two", BLEND], ids=str)
@pytest.mark.parametrize("rows", [1, 4, 13, 32, 500])
def test_strips_make_the_same_picture_as_the_whole(net: FastStyle, cat: np.ndarray, rows: int, style: object):
    """At most a level of 8 bits apart, where sums are rounded in another order."""
    options = {"style": style, "size": "original"}
    whole = net.predict(cat, tile=None, **options)
    assert np.asarray(whole).std() > 30
    assert levels(net.predict(cat, tile=rows, **options), whole).max() <= 1


def test_strips_of_an_enlarged_picture(net: FastStyle, cat: np.ndarray):
    whole = net.predict(cat, tile=None, style=BLEND)
    assert levels(net.predict(cat, tile=16, style=BLEND), whole).max() <= 1


def test_statistics_of_the_strip_alone_would_show(net: FastStyle, cat: np.ndarray):
    """That the test above can fail: a crop with all that its pixels see, but with norms of its own."""
    whole = np.asarray(net.predict(cat, tile=None, size="original"))
    assert levels(np.asarray(net.predict(cat[:64], tile=None, size="original"))[:20], whole[:20]).mean() > 3


def test_less_around_the_strips_would_show(net: FastStyle, cat: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    whole = net.predict(cat, tile=None, size="original")
    monkeypatch.setattr(strips, "HALO", 4)
    assert levels(net.predict(cat, tile=16, size="original"), whole).max() > 1


def test_strips_of_weights_that_are_published(cat: np.ndarray):
    if not (bundled("cards") / "fast_style").is_dir():
        pytest.skip("no card fast_style")
    net = load("fast_style")
    picture, options = data.astronaut()[:253, 100:371], {"style": list(net.styles[:2]), "size": "original"}
    assert levels(net.predict(picture, tile=64, **options), net.predict(picture, tile=None, **options)).max() <= 1


@pytest.mark.parametrize("side", ["original", 800, 1])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (5, 3), (16, 16), (1, 300)])
def test_small_pictures(net: FastStyle, size: tuple[int, int], side: object):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    whole = net.predict(picture, tile=None, size=side)
    assert whole.size == (size[1], size[0])
    assert levels(net.predict(picture, tile=4, size=side), whole).max() <= 1


def test_all_black_has_a_picture_without_noise(net: FastStyle):
    for tile in (None, 16):
        result = np.asarray(net.predict(np.zeros((70, 90, 3), np.uint8), tile=tile, size="original"))
        middle = result[24:48, 24:64]
        assert levels(middle, middle[0, 0]).max() <= 2


def test_everything_people_have_gives_the_same(net: FastStyle, cat: np.ndarray, tmp_path: Path):
    Image.fromarray(cat).save(tmp_path / "cat.png")
    tensor = torch.from_numpy(cat.copy()).permute(2, 0, 1)
    given = [cat, Image.fromarray(cat), tensor, tensor / 255, tmp_path / "cat.png", str(tmp_path / "cat.png")]
    results = net.predict(given, size="original")
    assert len(results) == 6
    assert all(levels(result, results[0]).max() == 0 for result in results)
    (batched,) = net.predict(tensor[None], size="original")
    assert levels(batched, results[0]).max() == 0
    with torch.inference_mode():
        expected = 255 * net(tensor[None] / 255)[0].clamp(0, 1).permute(1, 2, 0)
    assert levels(expected.round(), results[0]).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "RGBA", "I;16"])
def test_kinds_of_pictures(net: FastStyle, cat: np.ndarray, mode: str):
    picture = Image.fromarray(cat).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    result = net.predict(picture)
    assert result.mode == result.content.mode == ("RGBA" if mode.endswith("A") else "RGB")
    assert result.size == picture.size
    assert np.asarray(result)[..., :3].std() > 30


def test_options_reach_the_result(net: FastStyle, cat: np.ndarray):
    assert levels(net.predict(cat, strength=0), cat).max() == 0
    assert levels(net.predict(cat, strength=1), cat).mean() > 10
    colors = np.asarray(net.predict(cat, preserve_color=True))
    assert levels(colors, cat).mean() > 10
    assert levels(colors, net.predict(cat)).mean() > 10
    every = ({"strength": 0.4}, {"preserve_color": True}, {"style": BLEND}, {"size": 40}, {"size": "original"})
    results = [np.asarray(net.predict(cat)), *(np.asarray(net.predict(cat, **options)) for options in every)]
    assert min(levels(one, other).mean() for i, one in enumerate(results) for other in results[:i]) > 1
    for options, result in zip(({}, *every), results, strict=True):
        assert levels(net.predict_frame(cat, **options), result).max() == 0


def test_a_network_in_training_predicts_alike_and_goes_on(net: FastStyle, cat: np.ndarray):
    expected = net.predict(cat)
    net.train()
    assert levels(net.predict(cat), expected).max() == 0
    assert net.training
    net.eval()


def test_progress(net: FastStyle, cat: np.ndarray):
    calls: list[tuple[int, int]] = []
    net.predict(cat, tile=None, progress=lambda *call: calls.append(call))
    assert calls == [(1, 1)]
    calls.clear()
    net.predict(cat, tile=16, progress=lambda *call: calls.append(call))
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]
    assert len(calls) > 5


@pytest.mark.parametrize("tile", [0, -3, 2.5, "all", True])
def test_a_tile_that_is_none(net: FastStyle, cat: np.ndarray, tile: object):
    with pytest.raises(ZooError, match="tile must be a number of rows from 1 on"):
        net.predict(cat, tile=tile)


def test_large_pictures_go_by_strips_and_too_large_ones_are_refused(
    net: FastStyle, cat: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    size, rows_at_a_time = (6000, 4000), partial(memory.rows_at_a_time, "cpu", net.channels)
    assert rows_at_a_time((640, 480), "auto") is None
    whole = 6000 * 4000 * (memory.HOST + memory.bytes_a_pixel(net.channels))
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: 2 * whole + 1)
    assert rows_at_a_time(size, "auto") is None
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: 2 * whole - 1)
    rows = rows_at_a_time(size, "auto")
    assert rows == 2**17 // 6000
    strips_bytes = memory.strips_bytes(net.channels, size, rows)
    assert strips_bytes < 6000 * 4000 * memory.bytes_a_pixel(net.channels) / 5
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: 6000 * 4000 * memory.HOST + strips_bytes + 1)
    assert rows_at_a_time(size, "auto") == rows
    with pytest.raises(ZooError, match=r'6000x4000 pixels: needs .* GB of memory and .* GB are free; .*tile="auto"'):
        rows_at_a_time(size, None)
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: 1000)
    Image.fromarray(cat).save(tmp_path / "cat.png")
    with pytest.raises(ZooError, match=r"cat\.png: 67x91 pixels: needs .* make the picture smaller"):
        net.predict(tmp_path / "cat.png", size="original")


def test_strips_are_used(net: FastStyle, cat: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "FREE_FRACTION", 0)
    monkeypatch.setattr(FastStyle, "forward", lambda *_: 1 / 0)
    assert net.predict(cat).size == (67, 91)
    assert net.predict_frame(cat).shape == (91, 67, 3)


@pytest.mark.parametrize("strength", [2, -1, float("nan")])
def test_a_strength_that_is_none_is_refused_before_the_work(net: FastStyle, strength: float, monkeypatch):
    monkeypatch.setattr(FastStyle, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZooError, match=r"strength must be between 0 \(original\) and 1 \(fully styled\), not "):
        net.predict(np.zeros((9, 9, 3), np.uint8), strength=strength)


def test_an_empty_picture_is_refused(net: FastStyle, monkeypatch):
    monkeypatch.setattr(FastStyle, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZooError, match=r"^the picture is empty \(0x0\)$"):
        net.predict(np.zeros((0, 0, 3), np.uint8))


def test_bad_files(net: FastStyle, tmp_path: Path):
    (tmp_path / "text.png").write_text("no picture")
    for name, message in (("text.png", "not a picture"), ("none.png", "no such file")):
        with pytest.raises(ZooError, match=f"{name}: {message}"):
            net.predict(tmp_path / name)
