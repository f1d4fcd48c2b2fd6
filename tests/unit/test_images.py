from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.errors import ZooError
from zoo.images import colorize, contact_sheet, distinct_colors, open_rgb, save_png, to_array, to_tensor


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
        (torch.zeros(4, 8, 8), r"\(3, H, W\), this one torch\.float32 \(4, 8, 8\)"),
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
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_truncated_picture_names_itself(array: np.ndarray, tmp_path: Path, suffix: str, share: float):
    path = tmp_path / f"street{suffix}"
    Image.fromarray(array.repeat(8, 0).repeat(8, 1)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ZooError, match=rf"street\{suffix}: damaged picture"):
        open_rgb(path)


def test_what_cannot_be_read_names_itself(tmp_path: Path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    for message in (r"text\.png: not a picture", r"empty\.png: not a picture", r"none\.png: no such file"):
        with pytest.raises(ZooError, match=message):
            open_rgb(tmp_path / message.partition(":")[0].replace("\\", ""))


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.new("L", (100, 100)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ZooError, match=r"bomb\.png"):
        open_rgb(tmp_path / "bomb.png")


def test_a_png_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_png(Image.new("L", (4, 4)), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def fail(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", fail)
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
    with pytest.raises(ZooError, match=r"values of a float picture are 0\.\.1, these are"):
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
