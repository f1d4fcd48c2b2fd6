"""What style transfer takes and returns."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.color import rgb2yiq

from zoo.base.errors import ZooError
from zoo.pictures import stylized
from zoo.pictures.images import to_floats
from zoo.pictures.stylized import Stylized, as_content, finish, mix


@pytest.fixture(scope="module")
def cat() -> Image.Image:
    return Image.fromarray(data.chelsea()[100:145, 120:187])


@pytest.fixture(scope="module")
def painting() -> np.ndarray:
    return np.random.default_rng(0).random((3, 45, 67), np.float32)


def difference(a: object, b: object) -> int:
    return int(abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).max())


def test_grey_becomes_rgb_and_transparency_is_kept_apart(cat: Image.Image):
    colors, alpha, notes = as_content(cat.convert("L"))
    assert (colors.mode, alpha, notes) == ("RGB", None, ())
    assert difference(colors, cat.convert("L").convert("RGB")) == 0
    given = cat.copy()
    mask = Image.new("L", cat.size, 128)
    mask.paste(0, (0, 0, 20, 45))
    given.putalpha(mask)
    colors, alpha, _ = as_content(given)
    assert colors.mode == "RGB"
    assert difference(alpha, mask) == 0
    pixels = np.asarray(colors)
    assert (pixels[:, :20] == 255).all()  # nothing is seen there
    assert difference(pixels[:, 20:], np.asarray(cat)[:, 20:]) == 0


def test_what_a_picture_lost_is_a_note_and_a_profile_of_grey_does_not_stay(cat: Image.Image):
    deep = Image.fromarray(np.asarray(cat.convert("L")).astype(np.uint16) * 257)
    assert as_content(deep)[2] == ("16 bits a channel became 8",)
    for mode, kept in (("L", False), ("RGB", True)):
        given = cat.convert(mode)
        given.info["icc_profile"] = b"profile"
        assert ("icc_profile" in as_content(given)[0].info) == kept
    with pytest.raises(ZooError, match=r"^the picture is empty \(0x5\)$"):
        as_content(Image.new("RGB", (0, 5)))


def test_strength_goes_from_the_content_to_the_result(cat: Image.Image, painting: np.ndarray):
    whole = finish(painting, cat)
    assert difference(whole, np.rint(255 * painting).transpose(1, 2, 0)) == 0
    assert difference(finish(painting, cat, strength=0), cat) == 0
    half = (np.asarray(whole).astype(float) + np.asarray(cat)) / 2
    assert abs(np.asarray(finish(painting, cat, strength=0.5)) - half).max() <= 0.5
    assert difference(whole.content, cat) == 0


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan"), "1", None, True])
def test_a_strength_that_is_none(cat: Image.Image, painting: np.ndarray, strength: object):
    with pytest.raises(ZooError, match=r"strength must be between 0 \(original\) and 1 \(fully styled\), not "):
        finish(painting, cat, strength=strength)


def test_preserve_color_takes_luminance_from_the_result_and_colours_from_the_content(cat: Image.Image):
    content = to_floats(cat)
    waves = np.float32(0.1) * np.sin(np.arange(67, dtype=np.float32) / 5)
    result = (content + waves).clip(0, 1)[::-1]  # far in colour, near in luminance
    mixed = mix(result, content, preserve_color=True)
    inside = ((mixed > 0) & (mixed < 1)).all(0)
    assert inside.mean() > 0.8
    assert mixed.dtype == np.float32
    own, style, original = (rgb2yiq(x.transpose(1, 2, 0).astype(float))[inside] for x in (mixed, result, content))
    assert abs(own[:, 0] - style[:, 0]).max() < 2e-3  # the weights of Y are rounded
    assert abs(own[:, 1:] - original[:, 1:]).max() < 2e-3
    assert abs(own[:, 1:] - style[:, 1:]).max() > 0.05


def test_strips_are_seamless(cat: Image.Image, painting: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    whole = finish(painting, cat, strength=0.3, preserve_color=True)
    monkeypatch.setattr(stylized, "STRIP", 7)
    assert difference(finish(painting, cat, strength=0.3, preserve_color=True), whole) == 0


def test_a_result_of_another_size_and_transparency(cat: Image.Image, painting: np.ndarray):
    alpha = Image.new("L", cat.size, 90)
    result = finish(painting[:, :30, :40], cat, alpha, strength=0.5, notes=("a note",))
    assert result.size == result.content.size == (40, 30)
    assert result.mode == result.content.mode == "RGBA"
    assert set(np.asarray(result)[..., 3].flat) == {90}
    assert result.notes == ("a note",)
    assert cat.mode == "RGB"  # what was given stays


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 16), (1, 2000), (1500, 900)])
def test_compare_has_a_bounded_size(size: tuple[int, int]):
    result = finish(Image.new("RGB", size), Image.new("RGB", size, "white"))
    sheet = result.compare()
    assert sheet.height <= 640 + 22
    assert sheet.width <= 2 * 644 + 4
    assert np.asarray(sheet)[-6:-4].min() == 0


def test_save(cat: Image.Image, painting: np.ndarray, tmp_path: Path):
    cat = cat.copy()
    cat.info["icc_profile"] = b"profile"
    result = finish(painting, cat)
    paths = result.save(tmp_path / "new" / "cat")
    assert [path.name for path in paths] == ["cat_styled.png", "cat_compare.png"]
    with Image.open(paths[0]) as saved:
        assert saved.info["icc_profile"] == b"profile"
        assert difference(saved, result) == 0
    assert [path.name for path in result.save(tmp_path / "one.jpg")] == ["one.jpg"]
    transparent = finish(painting, cat, Image.new("L", cat.size, 9))
    with pytest.raises(ZooError, match=r"two\.jpg: cannot write mode RGBA as JPEG; save it as \.png"):
        transparent.save(tmp_path / "two.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "one.jpg"]


def test_a_full_disk_leaves_nothing(cat: Image.Image, painting: np.ndarray, tmp_path: Path, monkeypatch):
    def full(self: Image.Image, path: Path, *args: object, **kwargs: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    for name in ("cat", "cat.png"):
        with pytest.raises(OSError, match="No space left"):
            finish(painting, cat).save(tmp_path / name)
        assert not list(tmp_path.iterdir())


def test_is_an_array(cat: Image.Image, painting: np.ndarray):
    result = finish(painting, cat)
    assert np.array(result).shape == (45, 67, 3)
    assert isinstance(result, Stylized)
    with pytest.raises(ValueError, match="can only be copied"):
        result.__array__(copy=False)
