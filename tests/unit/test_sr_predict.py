"""From any picture to a larger one, by networks that make much of their surroundings."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.exposure import match_histograms

from zoo.base.errors import ZooError
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.models.perceptual_sr.predict import BUDGET, MIN_TILE, Upscaler

MODES = {
    "1": "L", "L": "L", "I;16": "L", "LA": "LA", "RGB": "RGB", "P": "RGB", "CMYK": "RGB", "RGBA": "RGBA", "PA": "RGBA",
}  # fmt: skip


def loud(network: str, scale: int = 4) -> PerceptualSR:
    """Untrained, with an answer that is far from the nearest pixels and from grey."""
    torch.manual_seed(0)
    net = PerceptualSR(network, scale, channels=8, blocks=2).eval()
    for parameter in net.parameters():
        parameter.data.mul_(1.5)
    last = net.body.last if network == "paper" else net.body[-1]
    last.weight.data.copy_(torch.randn_like(last.weight) / 12)
    return net


@pytest.fixture(scope="module")
def net() -> PerceptualSR:
    return loud("compact")


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    """An odd size."""
    return data.chelsea()[100:145, 120:187]


@pytest.mark.parametrize("network", ["compact", "paper"])
def test_parts_make_the_same_picture_as_the_whole(network: str, cat: np.ndarray):
    net = loud(network)
    whole = np.asarray(net.predict(cat, tile=None)).astype(int)
    assert whole.std() > 20
    assert whole.shape == (180, 268, 3)
    for tile in (5, 16, 33, 45, 66):  # the first is smaller than what it sees around it
        assert abs(np.asarray(net.predict(cat, tile=tile)) - whole).max() <= 1, tile
    with torch.inference_mode():
        x = torch.from_numpy(cat.copy()).permute(2, 0, 1)[None] / 255
        assert abs(255 * net(x)[0].clamp(0, 1).permute(1, 2, 0).numpy() - whole).max() <= 0.51


def test_less_around_the_parts_would_show(cat: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    """That the test above can fail."""
    net = loud("compact")
    whole = np.asarray(net.predict(cat, tile=None)).astype(int)
    monkeypatch.setattr(PerceptualSR, "reach", 0)
    assert abs(np.asarray(net.predict(cat, tile=16)) - whole).max() > 1


def test_progress_counts_the_parts(net: PerceptualSR, cat: np.ndarray):
    """Parts at the border reach to it: four of 45 rows, six of 67 columns, each with 6 pixels around it."""
    assert net.reach == 4
    calls: list[tuple[int, int]] = []
    net.predict(cat, tile=10, progress=lambda *call: calls.append(call))
    assert calls == [(done, 24) for done in range(1, 25)]
    calls.clear()
    net.predict(cat, progress=lambda *call: calls.append(call))
    assert calls == [(1, 1)]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_grey_pictures_stored_in_colour_stay_grey(net: PerceptualSR, cat: np.ndarray, mode: str):
    grey = Image.fromarray(cat).convert("L")
    result = net.predict(grey.convert(mode), tile=40).picture
    assert result.mode == mode
    red, green, blue = np.moveaxis(np.asarray(result)[..., :3], -1, 0)
    assert np.array_equal(red, green)
    assert np.array_equal(red, blue)
    assert np.array_equal(red, np.asarray(net.predict(grey, tile=40).picture))
    one = np.asarray(grey.convert("RGB")).copy()
    one[3, 4, 0] ^= 1  # a colour, however faint
    assert np.ptp(np.asarray(net.predict(one)), axis=2).max() > 1


@pytest.mark.parametrize("mode", MODES)
def test_grey_and_transparency_are_kept(net: PerceptualSR, cat: np.ndarray, mode: str):
    rgba = Image.fromarray(np.dstack([cat, cat[..., 0]]))
    if mode == "I;16":
        given = Image.fromarray(np.asarray(rgba.convert("L")).astype(np.uint16) * 257)
    elif mode == "PA":
        given = Image.fromarray(cat).convert("P").convert("PA")
    else:
        given = (rgba if mode.endswith("A") else Image.fromarray(cat)).convert(mode)
    result = net.predict(given, tile=20)
    assert result.mode == result.source.mode == result.bicubic().mode == MODES[mode]
    assert result.size == result.bicubic().size == (268, 180)
    colors = net.predict(result.source.convert("RGB"), tile=20).picture
    if MODES[mode].startswith("L"):
        colors = colors.convert("L")
    for channel in colors.getbands():
        assert np.array_equal(result.picture.getchannel(channel), colors.getchannel(channel)), channel
    if MODES[mode].endswith("A"):
        alpha = result.source.getchannel("A").resize(result.size, Image.Resampling.BICUBIC)
        assert np.array_equal(result.picture.getchannel("A"), alpha)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_not_seen_leaves_no_rims(net: PerceptualSR, mode: str):
    """A white shape on black that is wholly transparent is as white as a white picture."""
    picture = Image.new(mode, (61, 47))
    picture.paste("white", (20, 15, 37, 30))
    result = np.asarray(net.predict(picture))
    seen = result[..., -1] > 60
    assert 17 * 15 * 16 <= seen.sum() < 19 * 17 * 16
    assert np.array_equal(result[..., :-1], np.asarray(net.predict(Image.new(mode, (61, 47), "white")))[..., :-1])
    net = PerceptualSR(channels=8, blocks=1).eval()
    net.body[-1].weight.data.zero_()  # nearest neighbour
    net.body[-1].bias.data.zero_()
    for match_histogram in (False, True):
        assert np.asarray(net.predict(picture, match_histogram=match_histogram))[seen][:, :-1].min() >= 254


def test_colours_that_are_seen_are_as_without_transparency(net: PerceptualSR, cat: np.ndarray):
    """The gaps lie farther away than the network sees."""
    alpha = np.full(cat.shape[:2], 255, np.uint8)
    alpha[:, 40:] = 0
    result, opaque = (np.asarray(net.predict(picture)) for picture in (np.dstack([cat, alpha]), cat))
    clear = 4 * (40 - net.reach)
    assert np.array_equal(result[:, :clear, :3], opaque[:, :clear])
    assert not np.array_equal(result[..., :3], opaque)


@pytest.mark.parametrize("hidden", [0, 255])
def test_parts_agree_on_what_is_not_seen(net: PerceptualSR, cat: np.ndarray, hidden: int):
    """And what is stored there does not matter."""
    alpha = np.where(cat[..., 0] > 110, 200, 0).astype(np.uint8)
    assert 0.2 < (alpha > 0).mean() < 0.8
    whole = np.asarray(net.predict(np.dstack([cat, alpha]), tile=None)).astype(int)
    given = np.dstack([np.where(alpha[..., None] > 0, cat, hidden).astype(np.uint8), alpha])
    for tile in (5, 16, 33):
        assert abs(np.asarray(net.predict(given, tile=tile)) - whole).max() <= 1


def test_histograms_are_of_what_is_seen(net: PerceptualSR, cat: np.ndarray):
    alpha = np.zeros(cat.shape[:2], np.uint8)
    alpha[8:32, 8:50] = 255
    given = np.dstack([np.where(alpha[..., None] > 0, cat, 0).astype(np.uint8), alpha])
    plain, matched = (np.asarray(net.predict(given, match_histogram=match)) for match in (False, True))
    seen = plain[..., 3] > 0
    expected = match_histograms(plain[seen][None, :, :3], cat[8:32, 8:50].reshape(1, -1, 3), channel_axis=-1)
    assert np.array_equal(matched[seen][:, :3], expected[0])
    nothing = np.dstack([cat, 0 * alpha])
    assert np.array_equal(net.predict(nothing, match_histogram=True), net.predict(nothing))


def test_everything_people_have_gives_the_same(net: PerceptualSR, cat: np.ndarray, tmp_path: Path):
    Image.fromarray(cat).save(tmp_path / "a.png")
    expected = np.asarray(net.predict(cat))
    tensor = torch.from_numpy(cat.copy()).permute(2, 0, 1)
    for picture in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(cat), tensor, tensor / 255):
        assert np.array_equal(net.predict(picture), expected)
    assert net.predict(cat[..., 0]).mode == "L"
    assert [result.size for result in net.predict([cat, cat[:2, :3]])] == [(268, 180), (12, 8)]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 40)])
@pytest.mark.parametrize("network", ["compact", "paper"])
def test_tiny_pictures(network: str, size: tuple[int, int], tmp_path: Path):
    result = loud(network).predict(Image.new("LA", size, (100, 50)), match_histogram=True)
    assert result.size == (4 * size[0], 4 * size[1])
    assert np.asarray(result).max(axis=(0, 1)).tolist() == [100, 50]
    assert len(result.save(tmp_path / "a")) == 2


def test_a_picture_without_pixels_is_refused(net: PerceptualSR):
    for picture in (np.zeros((0, 5, 3), np.uint8), np.zeros((5, 0), np.uint8), torch.zeros(3, 0, 5)):
        height, width = [side for side in picture.shape if side != 3][:2]
        with pytest.raises(ZooError, match=rf"^the picture is empty \({width}x{height}\)$"):
            net.predict(picture)
    for shape in ((), (5,)):
        with pytest.raises(ZooError, match=r"an array picture must be uint8, \(H, W\) or"):
            net.predict(np.zeros(shape, np.uint8))


def test_histograms_are_those_of_scikit_image(net: PerceptualSR, cat: np.ndarray):
    rgba = np.dstack([cat, cat[..., 0]])
    for given in (cat, cat[..., :1], rgba, rgba[:2, :2]):
        picture = given[..., 0] if given.shape[2] == 1 else given
        plain = np.asarray(net.predict(picture)).reshape(4 * given.shape[0], 4 * given.shape[1], -1)
        matched = np.asarray(net.predict(picture, match_histogram=True)).reshape(plain.shape)
        expected = match_histograms(plain, given, channel_axis=-1)
        expected[..., 3:] = plain[..., 3:]
        assert np.array_equal(matched, expected)
        assert not np.array_equal(plain, expected)


def test_histograms_of_more_rows_than_a_strip(net: PerceptualSR):
    picture = data.chelsea()[:, :9]
    matched = net.predict(picture, match_histogram=True)
    assert matched.size[1] > 1000
    assert np.array_equal(matched, match_histograms(np.asarray(net.predict(picture)), picture, channel_axis=-1))


def test_what_was_lost_is_said(net: PerceptualSR, cat: np.ndarray, tmp_path: Path):
    first, second = Image.fromarray(cat), Image.fromarray(cat[::-1])
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second], lossless=True)
    result = net.predict(tmp_path / "a.webp")
    assert result.notes == ("2 frames: only the first was taken",)
    assert np.array_equal(np.asarray(result)[..., :3], net.predict(cat))
    assert net.predict(cat).notes == ()


def test_colour_profiles_and_the_upright_position_are_kept(net: PerceptualSR, cat: np.ndarray, tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(cat).save(tmp_path / "a.png", exif=exif, icc_profile=b"colours")
    result = net.predict(tmp_path / "a.png")
    assert result.size == (180, 268)
    written = result.save(tmp_path / "b")[0]
    with Image.open(written) as picture:
        assert picture.info["icc_profile"] == b"colours"
        assert np.array_equal(picture, result)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_of_other_precision(cat: np.ndarray, dtype: torch.dtype):
    expected = np.asarray(loud("compact").predict(cat)).astype(int)
    assert abs(np.asarray(loud("compact").to(dtype).predict(cat)) - expected).mean() < 2


@pytest.mark.parametrize("tile", [0, -3, 1.5, "all", True, np.int64(0)])
def test_what_is_no_tile(net: PerceptualSR, cat: np.ndarray, tile: object):
    message = f'tile must be a number of pixels from 1 on, "auto" or None, not {tile!r}'
    with pytest.raises(ZooError, match=f"{re.escape(message)}$"):
        net.predict(cat, tile=tile)


def upscaler(net: PerceptualSR, device: str) -> Upscaler:
    return Upscaler(SimpleNamespace(device=device), **net.facts())


def test_parts_are_as_large_as_memory_allows(net: PerceptualSR, cat: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    picture, own = Image.fromarray(cat).resize((3000, 2000)), upscaler(net, "cpu")
    sides = []
    for free in (math.inf, 400e6, 600e6):
        monkeypatch.setattr("zoo.base.memory.free_bytes", lambda _, free=free: free)
        side = own.tile_side(picture, "auto")
        room = min(BUDGET, (free - 3000 * 2000 * 64) / 2)
        need = (side + 2 * own.halo) ** 2 * net.bytes_a_pixel
        assert need <= room < 1.1 * need or side == MIN_TILE
        sides.append(side)
    assert sides[0] > sides[2] > sides[1]
    assert own.tile_side(Image.fromarray(cat), "auto") == 67
    for tile in (100, np.int64(100), np.uint8(100)):
        assert own.tile_side(picture, tile) == 100


def test_a_gpu_has_its_own_memory(net: PerceptualSR, monkeypatch: pytest.MonkeyPatch):
    """The result, of 16 times the pixels, is in that of the CPU."""
    picture, free = Image.new("RGB", (3000, 2000)), {"cpu": 400e6, "cuda:0": 100e6}
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda device: free[str(device)])
    own = upscaler(net, "cuda:0")
    side = own.tile_side(picture, "auto")
    need = (side + 2 * own.halo) ** 2 * net.bytes_a_pixel
    assert need <= 50e6 < 1.1 * need
    free["cpu"] = 300e6
    with pytest.raises(ZooError, match=r"needs 0\.4 GB of memory and 0\.3 GB are free; cut the picture into parts$"):
        own.tile_side(picture, "auto")
    free.update({"cpu": 400e6, "cuda:0": 10e3})
    with pytest.raises(ZooError, match="cut the picture into parts"):
        own.tile_side(picture, "auto")


@pytest.mark.parametrize("tile", [5, 16, 40])
def test_no_part_is_larger_than_was_reckoned_with(cat: np.ndarray, tile: int):
    """Neither in the middle nor at the border."""
    shapes: list[tuple[int, ...]] = []

    def engine(x: np.ndarray) -> tuple[np.ndarray, ...]:
        shapes.append(x.shape)
        return (x.repeat(4, 2).repeat(4, 3),)

    engine.device = "cpu"
    own = Upscaler(engine, reach=3, bytes_a_pixel=192)
    assert np.array_equal(own.predict(cat, tile=tile), cat.repeat(4, 0).repeat(4, 1))
    most = own.part_bytes((67, 45), tile) // 192
    assert max(height * width for _, _, height, width in shapes) == most


def test_what_does_not_fit_is_refused_at_once(net: PerceptualSR, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.base.memory.free_bytes", lambda _: 0.4e9)
    Image.new("RGB", (4000, 2000)).save(tmp_path / "a.png")
    with pytest.raises(ZooError, match=r"a\.png: 4000x2000 pixels x4: needs 0\.5 GB of memory and 0\.4 GB are free"):
        net.predict(tmp_path / "a.png")
    for tile in (None, 500):
        with pytest.raises(ZooError, match=r"and 0\.4 GB are free; give smaller tiles, by --tile \d+ or") as error:
            net.predict(Image.new("RGB", (2000, 1000)), tile=tile)
        assert len(str(error.value).splitlines()) == 1


def out_of_memory(*args: object, **kwargs: object) -> None:
    raise MemoryError


class Greedy:
    """An engine that asks for more memory than there is."""

    device = "cpu"

    def __init__(self, error: Exception | None = None):
        self.error = error

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        if self.error is not None:
            raise self.error
        return (torch.empty(2**60, dtype=torch.uint8).numpy(),)


@pytest.mark.parametrize(
    "error",
    [None, MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("could not create a memory")],
)
def test_memory_that_runs_out_is_said(error: Exception | None, tmp_path: Path):
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    engine = Greedy(error)
    upscaler = Upscaler(engine, reach=1, bytes_a_pixel=1)
    with pytest.raises(ZooError, match=r"a\.png: memory ran out with tiles of 80 pixels; .* --tile 40 or tile=40$"):
        upscaler.predict(tmp_path / "a.png")
    with pytest.raises(ZooError, match=r"memory ran out with tiles of 1 pixels; free some memory$"):
        upscaler.predict(tmp_path / "a.png", tile=1)
    engine.error = RuntimeError("of another kind")
    with pytest.raises(RuntimeError, match="of another kind"):
        upscaler.predict(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((Image, "fromarray"), "^memory ran out when the picture was converted; cut it into parts$"),
        ((Image, "new"), "^memory ran out for a result of 268x180 pixels; cut the picture into parts$"),
        ((Image.Image, "putalpha"), "^memory ran out for a result of 268x180 pixels; cut the picture into parts$"),
        ((Image.Image, "histogram"), "^memory ran out for a result of 268x180 pixels; cut the picture into parts$"),
    ],
)
def test_smaller_parts_are_advised_where_they_help(
    net: PerceptualSR, cat: np.ndarray, monkeypatch: pytest.MonkeyPatch, place: tuple[object, str], message: str
):
    array = np.dstack([cat, cat[..., 0]])
    given = array if place[1] == "fromarray" else Image.fromarray(array)
    monkeypatch.setattr(*place, out_of_memory)
    with pytest.raises(ZooError, match=message):
        net.predict(given, match_histogram=True)


@pytest.mark.parametrize("name", ["a", "a.png"])
@pytest.mark.parametrize("place", [(Image.Image, "save"), (Image.Image, "crop")])
def test_memory_that_runs_out_by_saving_is_said(
    net: PerceptualSR, cat: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: tuple
):
    result = net.predict(cat)
    monkeypatch.setattr(*place, out_of_memory)
    if (name, place[1]) != ("a.png", "crop"):  # files of the comparison
        with pytest.raises(ZooError, match=f"{name}: memory ran out while saving it$"):
            result.save(tmp_path / name)
        assert not list(tmp_path.iterdir())


PEAKS = """
import numpy as np, torch
from zoo.models.perceptual_sr.net import PerceptualSR
torch.set_num_threads(1)
net = PerceptualSR(channels=8, blocks=1).eval()
picture = np.zeros((512, 512, 3), np.uint8)
for given, tile in ((picture[:8, :8], None), (picture, 64), (picture, None)):
    net.predict(given, tile=tile)
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_parts_take_less_memory():
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    start, tiled, whole = (1024 * int(line) for line in done.stdout.split())
    estimate = 512**2 * PerceptualSR(channels=8, blocks=1).bytes_a_pixel
    assert tiled - start < 0.4 * (whole - start)
    assert 0.2 * estimate < whole - start < 1.2 * estimate


def test_a_result_is_a_picture(net: PerceptualSR, cat: np.ndarray):
    result = net.predict(cat)
    assert (result.size, result.mode) == ((268, 180), "RGB")
    assert np.array_equal(result, np.asarray(result.picture))
    assert np.asarray(result, dtype=np.float32).dtype == np.float32
    assert np.array_equal(result.source, cat)
    assert np.array_equal(result.bicubic(), Image.fromarray(cat).resize((268, 180), Image.Resampling.BICUBIC))


def test_a_comparison_shows_pixels(net: PerceptualSR):
    result = net.predict(data.chelsea())
    sheet = np.asarray(result.compare())
    left, top = (4 * 451 - 480) // 2, (4 * 300 - 360) // 2
    bicubic, own = (np.asarray(p)[top : top + 360, left : left + 480] for p in (result.bicubic(), result.picture))
    assert np.array_equal(sheet[18 : 18 + 360, 4 + 480 + 4 :][:, :480], own)
    assert abs(sheet[18 : 18 + 360, 4 : 4 + 480].astype(float) - bicubic).mean() < 0.1
    clear = net.predict(Image.new("RGBA", (30, 20))).compare()  # on white
    assert clear.size == (2 * (480 + 4) + 4, 18 + 320 + 4)
    assert clear.getpixel((200, 200)) == (255, 255, 255)


def test_saves_two_files_or_the_one_that_is_named(net: PerceptualSR, cat: np.ndarray, tmp_path: Path):
    result = net.predict(cat)
    assert [path.name for path in result.save(tmp_path / "new" / "v1.2")] == ["v1.2_x4.png", "v1.2_compare.png"]
    for name, kind in (("a.png", "PNG"), ("b.JPG", "JPEG"), ("c.webp", "WEBP"), ("d.tif", "TIFF")):
        assert result.save(tmp_path / name) == [tmp_path / name]
        with Image.open(tmp_path / name) as picture:
            assert (picture.format, picture.size) == (kind, result.size)
    with pytest.raises(ZooError, match="is not a file name"):
        result.save(".")


def test_what_a_format_cannot_hold_leaves_nothing(net: PerceptualSR, cat: np.ndarray, tmp_path: Path):
    with pytest.raises(ZooError, match=r"a\.jpg: cannot write mode RGBA as JPEG; save it as \.png"):
        net.predict(np.dstack([cat, cat[..., 0]])).save(tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("network", ["compact", "paper"])
@pytest.mark.parametrize("scale", [2, 4])
def test_networks_of_other_scales(network: str, scale: int, cat: np.ndarray):
    net = loud(network, scale)
    whole = np.asarray(net.predict(cat, tile=None)).astype(int)
    assert whole.shape == (45 * scale, 67 * scale, 3)
    assert abs(np.asarray(net.predict(cat, tile=16)) - whole).max() <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_smaller_scale_reduces_the_result(net: PerceptualSR, cat: np.ndarray, scale: int):
    """As Pillow reduces the whole, whatever the parts; grey and transparency are kept."""
    whole = net.predict(cat).picture.resize((67 * scale, 45 * scale), Image.Resampling.BICUBIC)
    for tile in (5, 16, None):
        result = net.predict(cat, scale=scale, tile=tile)
        assert result.factor == scale
        assert abs(np.asarray(result).astype(int) - np.asarray(whole)).max() <= 1, tile
    rgba = net.predict(np.dstack([cat, cat[..., 0]]), scale=scale, tile=20)
    assert (rgba.mode, rgba.size) == ("RGBA", (67 * scale, 45 * scale))
    assert net.predict(cat[..., 0], scale=scale).mode == "L"


def test_a_longest_side_is_kept(net: PerceptualSR, cat: np.ndarray, tmp_path: Path):
    """By the smallest scale that reaches it, then by Pillow; a longer one than the scale gives changes nothing."""
    for side, size in ((250, (250, 168)), (134, (134, 90)), (68, (68, 46)), (268, (268, 180)), (5000, (268, 180))):
        assert net.predict(cat, max_side=side).size == size
    assert net.predict(cat, scale=2, max_side=200).size == (134, 90)
    double = net.predict(cat, scale=2).picture.resize((100, 67), Image.Resampling.BICUBIC)
    assert np.array_equal(net.predict(cat, max_side=100), double)
    assert [path.name for path in net.predict(cat, max_side=100).save(tmp_path / "a")] == [
        "a_x1.49.png",
        "a_compare.png",
    ]
    with pytest.raises(ZooError, match="the picture is 67x45 already; max_side must be more than 67"):
        net.predict(cat, max_side=67)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scale": 1}, "scale must be 2 to 4, the factor of these weights, not 1"),
        ({"scale": 5}, "scale must be 2 to 4, the factor of these weights, not 5"),
        ({"scale": 2.5}, "not 2.5"),
        ({"max_side": 0}, "max_side must be a number of pixels from 1 on, not 0"),
    ],
)
def test_what_is_no_scale(net: PerceptualSR, cat: np.ndarray, options: dict, said: str):
    with pytest.raises(ZooError, match=re.escape(said)):
        net.predict(cat, **options)
    with pytest.raises(ZooError, match="scale must be 2 here, not 3"):
        loud("compact", 2).predict(cat, scale=3)


def test_the_mean_over_eight_symmetries(net: PerceptualSR, cat: np.ndarray):
    """It turns with the picture, which the network's own result does not, and tiles do not show."""
    square = np.ascontiguousarray(cat[:40, :44])
    result = np.asarray(net.predict(square, self_ensemble=True)).astype(int)
    turned = np.asarray(net.predict(np.ascontiguousarray(np.rot90(square)), self_ensemble=True)).astype(int)
    assert abs(np.rot90(turned, -1) - result).max() <= 1
    plain = np.asarray(net.predict(np.ascontiguousarray(np.rot90(square)))).astype(int)
    assert abs(np.rot90(plain, -1) - np.asarray(net.predict(square))).max() > 5
    assert abs(np.asarray(net.predict(square, self_ensemble=True, tile=16)) - result).max() <= 1
    answers = []
    with torch.inference_mode():
        x = torch.from_numpy(square.copy()).permute(2, 0, 1)[None] / 255
        for turns in range(4):
            for mirrored in (False, True):
                view = torch.rot90(x, turns, (2, 3))
                y = net(view.flip(3)).flip(3) if mirrored else net(view)
                answers.append(torch.rot90(y, -turns, (2, 3)))
    by_hand = torch.stack(answers).mean(0)[0].clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    assert abs(by_hand - result).max() <= 0.51


def test_fifty_megapixels_are_asked_about(net: PerceptualSR, cat: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.models.perceptual_sr.predict.LARGE", 45 * 67)
    said = r"67x45 pixels become 134x90, in about \d+ min and 0\.0 GB of memory; confirm with --yes or yes=True"
    with pytest.raises(ZooError, match=said):
        net.predict(cat, scale=2)
    assert net.predict(cat, yes=True).size == (268, 180)
    assert net.predict(cat[1:]).size == (268, 176)


def test_a_notebook_shows_before_and_after(net: PerceptualSR, cat: np.ndarray):
    shown = net.predict(cat)._repr_html_()
    assert shown.count("data:image/png;base64,") == 2
    assert "resize:horizontal" in shown
    assert "<script" not in shown
    assert "67x45 to 268x180" in shown
