from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin

from zoo.base.errors import ZooError
from zoo.pictures.images import FORMATS, SUFFIXES, on_white, one_or_many, open_rgb, to_floats, to_picture, to_pixels
from zoo.pictures.results import save_as, save_png
from zoo.pictures.sheets import colorize, contact_sheet, distinct_colors
from zoo.pictures.tensors import to_array, to_tensor


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_everything_people_have_is_the_same_picture(array: np.ndarray, tmp_path: Path):
    Image.fromarray(array).save(tmp_path / "a.png")
    expected = torch.from_numpy(array).permute(2, 0, 1).float() / 255
    for picture in (
        tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(array), array, array[:, ::-1][:, ::-1],
        torch.from_numpy(array).permute(2, 0, 1), expected, expected.double(),
    ):  # fmt: skip
        tensor = to_tensor(picture)
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, expected)


def test_back_and_forth(array: np.ndarray):
    assert np.array_equal(to_array(to_tensor(array)), array)
    assert np.array_equal(to_pixels(to_floats(array)), array)


def test_floats_are_those_of_torch(array: np.ndarray):
    """To the bit, so that a network sees the same whoever reads the picture."""
    expected = (torch.from_numpy(array).permute(2, 0, 1).float() / 255).numpy()
    for picture in (array, Image.fromarray(array), torch.from_numpy(array).permute(2, 0, 1)):
        floats = to_floats(picture)
        assert type(floats) is np.ndarray
        assert floats.dtype == np.float32
        assert np.array_equal(floats, expected)
    assert to_floats(array).transpose(1, 2, 0).flags.c_contiguous  # channels last, as networks take it


def test_what_leaves_the_range_is_clipped():
    floats = np.array([-0.2, 0.0, 0.4999, 0.5, 1.0, 1.05, np.nan, np.inf, -np.inf], np.float32)
    with np.errstate(invalid="raise"):  # what NaN is cast to is the machine's affair
        pixels = to_pixels(np.broadcast_to(floats, (3, 1, 9)))
    assert pixels.dtype == np.uint8
    assert pixels[0].tolist() == [3 * [level] for level in (0, 0, 127, 128, 255, 255, 0, 255, 0)]
    assert pixels.flags.c_contiguous
    assert floats[0] < 0  # what was given stays


def test_one_picture_gives_one_and_many_give_a_list(array: np.ndarray):
    def shapes(pictures: list) -> list[tuple[int, ...]]:
        return [np.shape(picture) for picture in pictures]

    tensor = torch.zeros(2, 3, 4, 5)
    assert one_or_many(array, shapes) == (20, 30, 3)
    assert one_or_many(tensor[0], shapes) == (3, 4, 5)
    assert one_or_many("a.png", shapes) == ()
    assert one_or_many([array], shapes) == [(20, 30, 3)]
    assert one_or_many((array, array), shapes) == [(20, 30, 3)] * 2
    assert one_or_many(tensor, shapes) == [(3, 4, 5)] * 2
    assert one_or_many([], shapes) == []


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_any_mode_becomes_rgb(mode: str, tmp_path: Path):
    Image.new(mode, (8, 6)).save(tmp_path / "a.tif")
    assert to_tensor(tmp_path / "a.tif").shape == (3, 6, 8)


def test_grey_arrays_become_rgb(array: np.ndarray):
    tensor = to_tensor(array[..., 0])
    assert tensor.shape == (3, 20, 30)
    assert torch.equal(tensor[0], tensor[2])


def test_a_picture_stands_upright(tmp_path: Path):
    """As a phone stores a portrait: lying, with a note."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)
    assert open_rgb(tmp_path / "a.jpg").size == (30, 40)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.zeros(4, 8, 8), r"\(3, H, W\), not torch\.float32 \(4, 8, 8\)"),
        (torch.zeros(8, 8), r"\(8, 8\)"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), r"uint8 or float.*torch\.int64"),
        (np.zeros((8, 8, 3)), "uint8.*float64"),
        (np.zeros((8, 8, 4), np.uint8), r"\(8, 8, 4\)"),
    ],
)
def test_what_is_no_picture_is_refused(picture: object, message: str):
    with pytest.raises(ZooError, match=message):
        to_tensor(picture)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("fraction", [0.3, 0.7])
def test_a_truncated_picture_names_itself(array: np.ndarray, tmp_path: Path, suffix: str, fraction: float):
    path = tmp_path / f"street{suffix}"
    Image.fromarray(array.repeat(8, 0).repeat(8, 1)).save(path)
    path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
    with pytest.raises(ZooError, match=rf"street\{suffix}: damaged picture"):
        open_rgb(path)


def test_what_cannot_be_read_names_itself(tmp_path: Path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    for message in (r"text\.png: not a picture \(JPEG", r"empty\.png: an empty file", r"none\.png: no such file"):
        with pytest.raises(ZooError, match=message):
            open_rgb(tmp_path / message.partition(":")[0].replace("\\", ""))


@pytest.mark.parametrize("kind", ["eps", "pdf", "wmf"])
@pytest.mark.parametrize("read", [open_rgb, to_picture, to_floats])
def test_what_is_called_a_picture_reaches_no_other_program(
    read: Callable, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Pillow hands PostScript to Ghostscript, and a name is no proof."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("it was opened")

    Image.init()  # or Pillow would register the plugins over what is patched
    for plugin in ("EPS", "WMF"):
        monkeypatch.setitem(Image.OPEN, plugin, (reached, lambda _: True))
    path = tmp_path / "cat.jpg"
    if kind == "wmf":
        path.write_bytes(b"\xd7\xcd\xc6\x9a\x00\x00" + bytes(60))
    else:
        Image.new("RGB", (8, 8)).save(path, kind)
    with pytest.raises(ZooError, match=r"cat\.jpg: not a picture \(JPEG, PNG, [A-Z0-9, ]*\)$"):
        read(path)


def test_formats_that_this_pillow_has_not_are_left_out(array: np.ndarray, tmp_path: Path, monkeypatch):
    """AVIF came with Pillow 11.3."""
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF")
    Image.fromarray(array).save(tmp_path / "a.tga")
    assert np.array_equal(open_rgb(tmp_path / "a.tga"), array)
    (tmp_path / "text.avif").write_text("no picture")
    with pytest.raises(ZooError, match=r"text\.avif: not a picture"):
        open_rgb(tmp_path / "text.avif")


def test_suffixes_are_those_of_the_formats():
    """But for depth maps, which lie beside pictures and are none, and names of graphics cards."""
    suffixes = {end for end, kind in Image.registered_extensions().items() if kind in (*FORMATS, "MPO")}
    assert suffixes - SUFFIXES == {".pfm", ".icb", ".vda", ".vst"}
    assert SUFFIXES - suffixes <= {".avif", ".avifs"}  # which came with Pillow 11.3


@pytest.mark.parametrize("suffix", sorted(SUFFIXES & set(Image.registered_extensions())))
def test_every_suffix_can_be_read(suffix: str, array: np.ndarray, tmp_path: Path):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(array).convert("1" if suffix == ".pbm" else "L" if suffix == ".pgm" else "RGB").save(path)
    assert open_rgb(path).size == (30, 20)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(ZooError, match=r"a\.png: Permission denied$"):
        open_rgb(tmp_path / "a.png")


@pytest.mark.parametrize("error", [struct.error, KeyError, ZeroDivisionError, AttributeError, AssertionError])
def test_whatever_a_plugin_raises_is_a_damaged_picture(error: type[Exception], tmp_path: Path, monkeypatch):
    def fail(self: Image.Image) -> None:
        raise error("bytes")

    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(ZooError, match=r"a\.png: damaged picture \('?bytes'?\)$"):
        open_rgb(tmp_path / "a.png")


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG with a header and little else."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("read", [open_rgb, to_picture, to_tensor])
def test_a_decompression_bomb_is_refused_with_its_size(tmp_path: Path, read: Callable):
    (tmp_path / "bomb.png").write_bytes(png_that_claims(30000, 30000))
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ZooError, match=r"bomb\.png: 30000x30000 pixels \(900 megapixels\).*resize it, or raise"):
        read(tmp_path / "bomb.png")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_png_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_png(Image.new("L", (4, 4)), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def fail(self: Image.Image, path: Path, *args: object, **kwargs: object) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="no space"):
        save_png(Image.new("L", (9, 9)), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


def test_ids_beyond_the_palette_are_black():
    colored = colorize(np.array([[0, 1, 255]], np.uint8), [(1, 2, 3), (4, 5, 6)])
    assert colored.tolist() == [[[1, 2, 3], [4, 5, 6], [0, 0, 0]]]


def test_contact_sheet_lays_out_a_table():
    red, blue = np.full((30, 40, 3), (255, 0, 0), np.uint8), np.full((60, 40, 3), (0, 0, 255), np.uint8)
    sheet = contact_sheet([[red, blue], [blue, red]], ("one", "two"), width=80)
    assert sheet.width == 2 * 80 + 3 * 4
    assert sheet.getpixel((20, 50)) == (255, 0, 0)
    assert sheet.getpixel((20 + 84, 50)) == (0, 0, 255)
    assert sheet.getpixel((20, sheet.height - 20)) == (0, 0, 255)


def test_colours_are_distinct():
    colors = distinct_colors(40)
    assert len(set(colors)) == 40
    assert all(0 <= channel <= 255 for color in colors for channel in color)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits_are_scaled(array: np.ndarray, tmp_path: Path, suffix: str):
    """Not clipped, which would make nearly all of them white."""
    deep = array[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / f"deep{suffix}")
    for picture in (tmp_path / f"deep{suffix}", Image.open(tmp_path / f"deep{suffix}")):
        assert torch.equal(to_tensor(picture), to_tensor(array[..., 0]))


@pytest.mark.parametrize("values", [255.0, -1.0, float("nan"), float("inf")])
def test_floats_outside_their_range_are_refused(values: float):
    with pytest.raises(ZooError, match=r"values of a float picture must be 0\.\.1, not"):
        to_tensor(torch.full((3, 4, 4), values))


@pytest.mark.parametrize("thing", [None, 3, b"abc", [1, 2]])
def test_what_is_no_picture_is_named(thing: object):
    with pytest.raises(ZooError, match=f"not {type(thing).__name__}$"):
        to_tensor(thing)  # type: ignore[arg-type]


def test_a_picture_of_floats_and_a_folder_are_refused(tmp_path: Path):
    Image.new("F", (4, 4), 0.5).save(tmp_path / "f.tif")
    with pytest.raises(ZooError, match="no known range"):
        open_rgb(tmp_path / "f.tif")
    with pytest.raises(ZooError, match="a folder, not a picture"):
        open_rgb(tmp_path)


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        ("1", "L"), ("L", "L"), ("I;16", "L"), ("I", "L"), ("LA", "LA"), ("La", "LA"), ("RGB", "RGB"), ("P", "RGB"),
        ("CMYK", "RGB"), ("YCbCr", "RGB"), ("RGBA", "RGBA"), ("RGBa", "RGBA"), ("PA", "RGBA"),
    ],
)  # fmt: skip
def test_grey_and_transparency_are_kept(mode: str, kept: str):
    picture, _ = to_picture(Image.new(mode, (5, 3)))
    assert picture.mode == kept
    assert picture.size == (5, 3)


@pytest.mark.parametrize(("mode", "kept"), [("P", "RGBA"), ("L", "LA"), ("RGB", "RGBA")])
def test_a_transparent_colour_becomes_alpha(mode: str, kept: str, tmp_path: Path):
    """GIF and PNG name one instead of a channel."""
    Image.new(mode, (5, 3)).save(tmp_path / "a.png", transparency=(0, 0, 0) if mode == "RGB" else 0)
    picture, _ = to_picture(tmp_path / "a.png")
    assert picture.mode == kept
    assert picture.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_seen_on_white(mode: str, tmp_path: Path):
    """As viewers and browsers show it; the colours stored there are often black."""
    picture = Image.new(mode, (5, 3))
    picture.save(tmp_path / "a.png", **({"transparency": 0} if mode == "P" else {}))
    assert np.asarray(open_rgb(tmp_path / "a.png")).min() == 255
    assert to_floats(tmp_path / "a.png").min() == 1
    if mode != "P":
        assert to_floats(picture).min() == 1
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert 126 <= to_floats(half).min() * 255 <= 128


def test_arrays_and_tensors_become_pictures(array: np.ndarray):
    for given in (array, array[..., 0], np.dstack([array, array[..., 0]])):
        assert np.array_equal(to_picture(given)[0], given)
    assert np.array_equal(to_picture(torch.from_numpy(array).permute(2, 0, 1).double() / 255)[0], array)
    for wrong in (array / 255, array[0, 0], array[0, 0, 0:1].reshape(())):
        with pytest.raises(ZooError, match=r"an array picture must be uint8, \(H, W\) or"):
            to_picture(wrong)


def test_a_transparent_value_of_sixteen_bits_becomes_alpha(tmp_path: Path):
    """That one and none of those that round to the same 8 bits."""
    picture = Image.fromarray(np.array([[1000, 1001, 65535]], np.uint16))
    picture.save(tmp_path / "a.png", transparency=1000)
    kept, _ = to_picture(tmp_path / "a.png")
    assert kept.mode == "LA"
    assert np.asarray(kept).tolist() == [[[4, 0], [4, 255], [255, 255]]]


@pytest.mark.parametrize("read", [open_rgb, to_picture])
def test_memory_that_runs_out_by_decoding_is_said(
    array: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable
):
    Image.fromarray(array).save(tmp_path / "a.png")

    def fail(self: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(ZooError, match=r"a\.png: memory ran out while decoding it$"):
        read(tmp_path / "a.png")


def test_what_a_picture_loses_is_said(tmp_path: Path):
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "green", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.mpo", save_all=True, append_images=frames[1:])
    frames[0].convert("CMYK").save(tmp_path / "a.jpg", icc_profile=b"inks")
    Image.fromarray(np.full((4, 4), 257, np.uint16)).save(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "a.tif"), np.full((4, 4, 3), 257, np.uint16))
    lost = {path.suffix: to_picture(path)[1] for path in tmp_path.iterdir()}
    deep = ("16 bits a channel became 8",)
    gif = ("3 frames: only the first was taken",)
    assert lost == {".gif": gif, ".mpo": (), ".jpg": ("CMYK became RGB",), ".png": deep, ".tif": deep}
    assert to_picture(tmp_path / "a.gif")[0].getpixel((0, 0)) == (255, 0, 0)
    assert "icc_profile" not in to_picture(tmp_path / "a.jpg")[0].info


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_torn_animation_is_a_damaged_picture(tmp_path: Path):
    """Counting its frames fails in other ways than decoding."""
    frames = [Image.effect_noise((40, 40), 50) for _ in range(3)]
    for suffix in (".gif", ".tif", ".webp"):
        path = tmp_path / f"a{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        content = path.read_bytes()
        for part in range(1, 20):
            path.write_bytes(content[: part * len(content) // 20])
            with suppress(ZooError):  # and nothing else
                to_picture(path)


@pytest.mark.parametrize(("name", "format_"), [("a.PNG", "PNG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP")])
def test_one_file_in_the_format_of_its_suffix(array: np.ndarray, tmp_path: Path, name: str, format_: str):
    assert save_as(Image.fromarray(array), tmp_path / "new" / name) == [tmp_path / "new" / name]
    with Image.open(tmp_path / "new" / name) as saved:
        assert saved.format == format_
    with pytest.raises(ZooError, match=r"b\.jpg: .*RGBA.*; save it as \.png"):
        save_as(Image.new("RGBA", (4, 4)), tmp_path / "b.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_on_white(array: np.ndarray):
    picture = Image.fromarray(array)
    assert np.array_equal(on_white(picture), array)
    picture.putalpha(Image.fromarray(np.repeat(np.uint8([[0, 255]]), 10, 0)).resize((30, 20), Image.Resampling.NEAREST))
    pixels = np.asarray(on_white(picture))
    assert (pixels[:, :15] == 255).all()
    assert np.array_equal(pixels[:, 15:], array[:, 15:])


def test_inks_become_colours_by_their_profile(tmp_path: Path):
    """Where it is none, as Pillow reckons; in either case the result has no profile of inks."""
    picture = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    picture.save(tmp_path / "plain.tif")
    picture.save(tmp_path / "broken.tif", icc_profile=b"no profile")
    screen = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(tmp_path / "other.tif", icc_profile=screen)  # a sound one, of no inks
    for name in ("plain", "broken", "other"):
        found, lost = to_picture(tmp_path / f"{name}.tif")
        assert (found.mode, found.getpixel((0, 0)), lost) == ("RGB", (255, 0, 0), ("CMYK became RGB",))
        assert "icc_profile" not in found.info


def test_the_profile_of_inks_is_used(monkeypatch: pytest.MonkeyPatch):
    """No profile of inks may be passed on here: what LittleCMS would give stands in for it."""
    asked = []

    def convert(picture: Image.Image, inks: object, screen: object, outputMode: str) -> Image.Image:  # noqa: N803
        asked.append((picture.mode, outputMode))
        return Image.new(outputMode, picture.size, (200, 30, 40))

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", lambda file: file.read())
    monkeypatch.setattr(ImageCms, "profileToProfile", convert)
    picture = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    picture.info["icc_profile"] = b"inks"
    found, _ = to_picture(picture)
    assert asked == [("CMYK", "RGB")]
    assert found.getpixel((0, 0)) == (200, 30, 40)
    assert np.asarray(to_floats(picture))[:, 0, 0] == pytest.approx(np.array([200, 30, 40]) / 255)


def test_pictures_of_one_bit_say_that_they_became_grey(tmp_path: Path):
    Image.new("1", (4, 4), 1).save(tmp_path / "scan.png")
    found, lost = to_picture(tmp_path / "scan.png")
    assert (found.mode, lost) == ("L", ("1 bit a pixel became grey",))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pngs_of_any_size_hold_their_pixels(tmp_path: Path, mode: str):
    """OpenCV writes those that are neither small nor huge."""
    for side in (64, 300):
        picture = Image.effect_noise((side, side), 60).convert(mode)
        picture.putpixel((1, 2), (255, 0, 9)[0] if mode == "L" else (255, 0, 9))
        save_png(picture, tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as read:
            assert (read.format, read.mode, read.size) == ("PNG", mode, picture.size)
            assert read.tobytes() == picture.tobytes()


def test_a_png_keeps_the_profile_of_its_colours(tmp_path: Path):
    picture = Image.new("RGB", (300, 300))
    picture.info["icc_profile"] = profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save_png(picture, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as read:
        assert read.info["icc_profile"] == profile
