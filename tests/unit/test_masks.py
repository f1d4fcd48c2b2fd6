"""Masks: which part of a picture is styled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from skimage import data

from zoo.base.errors import ZooError
from zoo.models.fast_style.net import FastStyle
from zoo.pictures.masked import FEATHER, read_mask
from zoo.pictures.stylized import finish

SIZE = (120, 80)  # width and height
PICTURE = data.coffee()[:80, :120]


def half(size: tuple[int, int] = SIZE) -> np.ndarray:
    """The right half is white."""
    mask = np.zeros(size[::-1], np.uint8)
    mask[:, size[0] // 2 :] = 255
    return mask


def levels(a: object, b: object) -> np.ndarray:
    return abs(np.asarray(a).astype(int) - np.asarray(b).astype(int))


@pytest.mark.parametrize("value", [0, 255])
def test_a_mask_of_one_value_stays_that(value: int):
    found = read_mask(np.full((80, 120), value, np.uint8), SIZE)
    assert (found.mode, found.size) == ("L", SIZE)
    assert set(np.asarray(found).flat) == {value}


def test_everything_people_have_gives_the_same(tmp_path: Path):
    mask = half()
    Image.fromarray(mask).save(tmp_path / "mask.png")
    kinds = [
        mask, mask > 0, torch.from_numpy(mask > 0), Image.fromarray(mask), tmp_path / "mask.png",
        np.repeat(mask[..., None], 3, 2), Image.fromarray(mask).convert("1"), Image.fromarray(mask).convert("RGB"),
        torch.from_numpy(mask / np.float32(255)).expand(3, -1, -1),
    ]  # fmt: skip
    first = read_mask(mask, SIZE)
    assert np.asarray(first).std() > 100
    for kind in kinds:
        assert levels(read_mask(kind, SIZE), first).max() <= 1


@pytest.mark.parametrize("size", [(60, 40), (240, 160), (241, 160), (30, 20), (12, 8)])
def test_a_mask_of_another_size_is_resized(size: tuple[int, int]):
    found = read_mask(half(size), SIZE)
    assert found.size == SIZE
    values = np.asarray(found)
    assert values[:, :40].max() < 20
    assert values[:, 80:].min() > 235


@pytest.mark.parametrize("size", [(80, 120), (100, 100), (120, 84), (1, 1)])
def test_a_mask_of_another_shape_is_refused(size: tuple[int, int]):
    message = f"^the mask is {size[0]}x{size[1]} pixels, the picture 120x80: their shapes must be the same$"
    for mask in (half(size), half(size) > 0):
        with pytest.raises(ZooError, match=message):
            read_mask(mask, SIZE)


@pytest.mark.parametrize("mask", [np.zeros((0, 5), bool), np.zeros((8, 12, 3), bool), np.zeros(12, bool)])
def test_truth_values_of_another_form(mask: np.ndarray):
    for given in (mask, torch.from_numpy(mask)):
        with pytest.raises(ZooError, match=r"^a mask of truth values must be \(H, W\), not "):
            read_mask(given, SIZE)


def test_bad_masks(tmp_path: Path):
    (tmp_path / "text.png").write_text("no picture")
    for name, message in (("text.png", "not a picture"), ("none.png", "no such file")):
        with pytest.raises(ZooError, match=f"{name}: {message}"):
            read_mask(tmp_path / name, SIZE)
    with pytest.raises(ZooError, match="empty"):
        read_mask(Image.new("L", (0, 0)), SIZE)


def test_the_edge_is_soft_and_grows_with_the_picture():
    for factor in (1, 10):
        size = (120 * factor, 80 * factor)
        row = np.asarray(read_mask(half(size), size))[size[1] // 2].astype(int)
        assert (np.diff(row) >= 0).all()
        assert (row[0], row[-1]) == (0, 255)
        soft = ((row > 5) & (row < 250)).sum()
        assert soft == pytest.approx(4 * FEATHER * max(size), abs=3)


# Results


def test_finish_takes_the_result_where_the_mask_is_white():
    result, content = Image.new("RGB", SIZE, "red"), Image.fromarray(PICTURE)
    content.info["icc_profile"] = b"profile"
    mask = Image.fromarray(half())
    made = finish(result, content, mask=mask)
    assert levels(np.asarray(made)[:, :60], PICTURE[:, :60]).max() == 0
    assert levels(np.asarray(made)[:, 60:], [255, 0, 0]).max() == 0
    assert made.picture.info["icc_profile"] == b"profile"
    assert levels(made.content, PICTURE).max() == 0
    weak = finish(result, content, mask=mask, strength=0.5)  # the mask limits what strength leaves
    assert levels(np.asarray(weak)[:, :60], PICTURE[:, :60]).max() == 0
    assert levels(np.asarray(weak)[:, 60:], np.asarray(finish(result, content, strength=0.5))[:, 60:]).max() == 0
    alpha = Image.new("L", SIZE, 90)
    clear = finish(result, content, alpha, mask=mask)
    assert clear.mode == "RGBA"
    assert set(np.asarray(clear)[..., 3].flat) == {90}


def test_a_black_mask_leaves_the_picture_as_it_was(style_net: FastStyle):
    black, white = (np.full((80, 120), value, np.uint8) for value in (0, 255))
    assert levels(style_net.predict(PICTURE, mask=black), PICTURE).max() == 0
    styled = style_net.predict(PICTURE)
    assert levels(style_net.predict(PICTURE, mask=white), styled).max() == 0
    assert levels(styled, PICTURE).mean() > 10


def test_the_part_within_the_mask_equals_the_styled_picture(style_net: FastStyle):
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).ellipse((30, 20, 90, 60), fill="white")
    styled, made = np.asarray(style_net.predict(PICTURE)), np.asarray(style_net.predict(PICTURE, mask=mask))
    assert levels(made[30:50, 45:75], styled[30:50, 45:75]).max() == 0
    for corner in (np.s_[:15, :], np.s_[:, :25], np.s_[65:, :], np.s_[:, 95:]):
        assert levels(made[corner], PICTURE[corner]).max() == 0


def test_one_mask_serves_several_pictures_of_its_shape(style_net: FastStyle):
    half_size = np.asarray(Image.fromarray(PICTURE).resize((60, 40)))
    for result, picture in zip(style_net.predict([PICTURE, half_size], mask=half()), (PICTURE, half_size), strict=True):
        edge = picture.shape[1] // 2 - 4
        assert levels(np.asarray(result)[:, :edge], picture[:, :edge]).max() == 0
    with pytest.raises(ZooError, match="the mask is 120x80 pixels, the picture 80x80"):
        style_net.predict([PICTURE, PICTURE[:, :80]], mask=half())


def test_an_unfit_mask_is_refused_before_the_work(
    style_net: FastStyle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(FastStyle, "forward", lambda *_: 1 / 0)
    Image.fromarray(PICTURE).save(tmp_path / "cup.png")
    with pytest.raises(ZooError, match=r"cup\.png: the mask is 80x120 pixels, the picture 120x80"):
        style_net.predict(tmp_path / "cup.png", mask=half((80, 120)))
