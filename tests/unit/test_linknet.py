from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image

from zoo import load
from zoo.base.errors import ZooError
from zoo.data.labels import CAMVID
from zoo.models.linknet.module import segmentation_sheet
from zoo.models.linknet.net import LinkNet, create_encoder
from zoo.models.linknet.predict import Segmenter, likeliest, softmax


@pytest.fixture(scope="module")
def net(tiny_linknet: Path) -> LinkNet:
    return load(tiny_linknet)


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


KINDS = ("mask.png", "overlay.png", "probabilities.npy")


def largest_inputs(net: LinkNet) -> list[tuple[int, ...]]:
    """Shapes that the network is given from now on."""
    shapes: list[tuple[int, ...]] = []
    net.register_forward_pre_hook(lambda _module, inputs: shapes.append(tuple(inputs[0].shape)))
    return shapes


# Encoder weights


def test_encoder_weights_from_a_file_arrive(tmp_path: Path):
    torch.manual_seed(1)
    source = create_encoder("test_resnet", None).state_dict()
    safetensors.torch.save_file(source, tmp_path / "encoder.safetensors")
    torch.manual_seed(2)
    net = LinkNet(2, "test_resnet", str(tmp_path / "encoder.safetensors"))
    for name, tensor in net.encoder.state_dict().items():
        assert torch.equal(tensor, source[name]), name


@pytest.mark.parametrize(
    ("encoder", "weights", "message"),
    [
        ("test_resnet", "none.safetensors", r"none\.safetensors: no such file.*--model\.encoder_weights FILE"),
        ("test_resnet", "encoder.pth", r"encoder_weights must be \"timm\".*not 'encoder\.pth'"),
        ("test_resnet", "imagenet", r"encoder_weights must be \"timm\".*not 'imagenet'"),
        ("resnet81", None, r"no encoder 'resnet81'; did you mean resnet\d+"),
    ],
)
def test_encoders_that_cannot_be_had(encoder: str, weights: str | None, message: str):
    with pytest.raises(ZooError, match=message) as caught:
        LinkNet(2, encoder, weights)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("encoder", ["resnet18", "resnet81"])
def test_without_a_network_the_way_out_is_named(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def unreachable(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror("Temporary failure in name resolution")

    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ZooError, match=f"(?s){encoder}.*(encoder_weights FILE|did you mean resnet)") as caught:
        LinkNet(2, encoder, "timm")
    assert len(str(caught.value).splitlines()) <= 3


def test_a_file_that_is_no_weights_of_this_encoder(tmp_path: Path):
    safetensors.torch.save_file({"something": torch.zeros(3)}, tmp_path / "other.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"\x10" * 20)
    for name in ("other", "torn"):
        with pytest.raises(ZooError, match=rf"{name}\.safetensors") as caught:
            LinkNet(2, "test_resnet", str(tmp_path / f"{name}.safetensors"))
        assert len(str(caught.value).splitlines()) <= 3


def test_an_encoder_without_the_features_is_refused():
    with pytest.raises(ZooError, match="test_vit"):
        LinkNet(2, "test_vit")


def test_labels_and_colours_must_fit_the_classes():
    with pytest.raises(ZooError, match="3 classes, but 2 labels and 3 colours"):
        LinkNet(3, "test_resnet", labels=("road", "sky"))


# Predictions


def test_everything_people_have_gives_the_same_mask(net: LinkNet, array: np.ndarray, tmp_path: Path):
    Image.fromarray(array).save(tmp_path / "a.png")
    with torch.inference_mode():
        x = torch.from_numpy(array).permute(2, 0, 1).float() / 255
        expected = net(x[None]).argmax(1)[0].numpy()
    for picture in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(array), array, x, (x * 255).byte()):
        result = net.predict(picture)
        assert result.mask.dtype == np.uint8
        assert np.array_equal(result.mask, expected)
        assert np.array_equal(result.picture, array)
        assert result.labels == CAMVID.names
        assert result.palette == CAMVID.palette
        assert result.probabilities is None


def test_lists_and_batches_give_lists(net: LinkNet, array: np.ndarray):
    expected = net.predict(array).mask
    batch = torch.from_numpy(np.stack([array, array])).permute(0, 3, 1, 2)
    for pictures in ([array, array], (array, Image.fromarray(array)), batch):
        results = net.predict(pictures)
        assert isinstance(results, list)
        assert all((result.mask == expected).mean() > 0.99 for result in results)
    assert net.predict([]) == []


def test_a_list_keeps_its_order_and_sizes(net: LinkNet, array: np.ndarray):
    sizes = [(50, 70), (50, 70), (33, 47), (50, 70), (64, 64), (64, 64), (64, 64)]
    pictures = [array[:1, :1].repeat(h, 0).repeat(w, 1) // (i + 1) for i, (h, w) in enumerate(sizes)]
    shapes = largest_inputs(net)
    results = net.predict(pictures, batch_size=2)
    assert [result.mask.shape for result in results] == sizes
    assert all(np.array_equal(result.picture, picture) for result, picture in zip(results, pictures, strict=True))
    assert [shape[0] for shape in shapes] == [2, 1, 1, 2, 1]
    shapes.clear()
    net.predict(pictures)
    assert [shape[0] for shape in shapes] == 7 * [1]  # one by one, if nothing else is asked for


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (100, 101), (64, 64)])
def test_a_mask_has_the_size_of_its_picture(net: LinkNet, size: tuple[int, int]):
    assert net.predict(np.zeros((*size, 3), np.uint8)).mask.shape == size


def test_probabilities(net: LinkNet, array: np.ndarray):
    result = net.predict(array, probabilities=True)
    assert result.probabilities.shape == (11, 50, 70)
    assert result.probabilities.dtype == np.float16
    assert (result.probabilities >= 0).all()
    with torch.inference_mode():
        expected = net(torch.from_numpy(array).permute(2, 0, 1)[None] / 255).softmax(1)[0]
    np.testing.assert_allclose(result.probabilities, expected, atol=5e-4)
    chosen = np.take_along_axis(result.probabilities, result.mask[None].astype(int), 0)[0]
    assert np.array_equal(chosen, result.probabilities.max(0))  # float16 may tie


def test_probabilities_are_saved(net: LinkNet, array: np.ndarray, tmp_path: Path):
    result = net.predict(array, probabilities=True)
    written = result.save(tmp_path / "street")
    assert [path.name for path in written] == [f"street_{end}" for end in KINDS]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"street_{end}" for end in KINDS)
    saved = np.load(written[-1])
    assert saved.dtype == np.float16
    assert np.array_equal(saved, result.probabilities)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_likeliest_and_softmax_are_those_of_torch(scale: float):
    logits = np.random.default_rng(0).normal(0, scale, (2, 11, 13, 17)).astype(np.float32)
    logits[0, 3:5] = logits[0, 4:6].max() + 1  # a tie: the first counts
    expected = torch.from_numpy(logits)
    assert likeliest(logits).dtype == np.uint8
    assert np.array_equal(likeliest(logits), expected.argmax(1))
    np.testing.assert_allclose(softmax(logits), expected.softmax(1), atol=1e-6)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_nothing_is_refused(net: LinkNet, array: np.ndarray, size: int):
    with pytest.raises(ZooError, match=f'batch_size must be 1 or more, or "auto", not {size}'):
        net.predict([array, array], batch_size=size)


def test_what_is_no_picture_is_refused(net: LinkNet, tmp_path: Path):
    for picture in (tmp_path / "none.png", np.zeros((5, 5, 4), np.uint8), torch.zeros(1, 5, 5)):
        with pytest.raises(ZooError):
            net.predict(picture)


def test_palette_picture_holds_the_ids(net: LinkNet, array: np.ndarray, tmp_path: Path):
    result = net.predict(array)
    written = result.save(tmp_path / "deep" / "street")
    assert [path.name for path in written] == ["street_mask.png", "street_overlay.png"]
    mask, overlay = map(Image.open, written)
    assert mask.mode == "P"
    assert np.array_equal(np.array(mask), result.mask)
    palette = np.array(CAMVID.palette, np.uint8)
    assert np.array_equal(np.array(mask.convert("RGB")), palette[result.mask])
    half = (array.astype(int) + palette[result.mask]) / 2
    assert np.abs(np.array(overlay) - half).max() <= 1
    assert np.array_equal(np.array(result.overlay(0)), array)
    assert np.array_equal(np.array(result.overlay(1)), palette[result.mask])


def test_fractions_of_the_classes(net: LinkNet, array: np.ndarray):
    result = net.predict(array)
    fractions = result.fractions()
    assert sum(fractions.values()) == pytest.approx(1)
    assert list(fractions.values()) == sorted(fractions.values(), reverse=True)
    assert all(fraction == (result.mask == CAMVID.names.index(name)).mean() for name, fraction in fractions.items())


def test_sheet_marks_errors_and_leaves_out_void():
    pictures = torch.rand(1, 3, 40, 40)
    masks, predictions = torch.zeros(1, 40, 40, dtype=torch.long), torch.zeros(1, 40, 40, dtype=torch.long)
    masks[:, :10] = CAMVID.ignore_index
    predictions[:, 30:] = 1
    sheet = np.array(segmentation_sheet(pictures, masks, predictions, CAMVID))
    width = 320
    error = sheet[-width - 4 : -4, -width - 4 : -4]
    assert error[40, 160].tolist() == [160, 160, 160]
    assert error[160, 160].tolist() == [255, 255, 255]
    assert error[300, 160].tolist() == [200, 30, 30]


# Tiles


def reach(net: LinkNet, size: int = 512) -> int:
    """How far from a pixel the network looks, in pixels. Exact: with positive weights nothing cancels."""
    probe = LinkNet(11, "test_resnet", stem_skip=True).eval()
    for parameter in probe.parameters():
        parameter.data.abs_().clamp_min_(1e-3)
    x = torch.ones(1, 3, size, size, requires_grad=True)
    farthest = 0
    for centre in range(size // 2, size // 2 + 32, 31):  # both ends of a cell of the deepest feature
        (gradient,) = torch.autograd.grad(probe(x)[..., centre, centre].sum(), x)
        seen = gradient[0].abs().sum((0, 1)).nonzero()
        farthest = max(farthest, int((seen - centre).abs().max()))
    assert farthest < size // 2 - 32  # the probe is large enough to tell
    return farthest


@pytest.fixture(scope="module")
def halo(net: LinkNet) -> int:
    return reach(net)


def test_tiles_that_overlap_by_what_the_network_sees_change_nothing(net: LinkNet, halo: int):
    """Each tile decides up to the middle of the overlap: with twice the reach, every pixel has all it looks at."""
    overlap = 2 * -(-halo // 32) * 32
    tile = overlap + 96
    torch.manual_seed(0)
    picture = torch.rand(3, 2 * 96 + overlap + 50, tile + 37)
    shapes = largest_inputs(net)
    tiled = net.predict(picture, probabilities=True, tile=tile, overlap=overlap)
    assert len(shapes) == 3 * 2
    assert max(max(shape) for shape in shapes) <= tile
    whole = net.predict(picture, probabilities=True, tile=10_000)
    np.testing.assert_allclose(tiled.probabilities.astype(float), whole.probabilities, atol=2e-3)  # float16
    assert (tiled.mask == whole.mask).mean() > 0.9999  # ties


def test_with_less_overlap_only_the_seams_differ(net: LinkNet, halo: int):
    tile, overlap = 256, 64
    step = tile - overlap
    torch.manual_seed(0)
    picture = torch.rand(3, 64, 3 * step + overlap)
    tiled = net.predict(picture, probabilities=True, tile=tile, overlap=overlap).probabilities.astype(float)
    whole = net.predict(picture, probabilities=True, tile=10_000).probabilities.astype(float)
    differs = np.abs(tiled - whole).max((0, 1)) > 2e-3
    columns = np.arange(picture.shape[-1])
    seams = [k * step + overlap // 2 for k in (1, 2)]
    near = np.any([abs(columns - seam) <= halo - overlap // 2 for seam in seams], 0)
    assert (~near).any()
    assert not differs[~near].any()


class Brightness:
    """An engine that tells dark pixels from bright ones, and remembers what it was shown."""

    device = "cpu"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        self.shapes.append(x.shape)
        return (np.concatenate([0.5 - x[:, :1], x[:, :1] - 0.5], 1),)


def brightness() -> Segmenter:
    return Segmenter(Brightness(), ("dark", "bright"), ((0, 0, 0), (255, 255, 255)))


@pytest.mark.parametrize("size", [(2000, 3000), (3000, 40), (1025, 1024)])
@pytest.mark.parametrize(("tile", "overlap"), [(1024, 256), (512, 96)])
def test_memory_is_bounded_by_the_tile(size: tuple[int, int], tile: int, overlap: int):
    """And every pixel is decided, by a tile that holds it."""
    segmenter = brightness()
    picture = np.random.default_rng(0).integers(0, 256, (*size, 1), dtype=np.uint8).repeat(3, 2)
    result = segmenter.predict(picture, tile=tile, overlap=overlap)
    assert np.array_equal(result.mask, picture[..., 0] > 127)
    shapes = segmenter.engine.shapes
    assert max(max(shape[-2:]) for shape in shapes) <= tile
    assert sum(shape[-2] * shape[-1] for shape in shapes) < 3 * size[0] * size[1] + 2 * tile**2


@pytest.mark.parametrize(("tile", "overlap"), [(64, 16), (200, 50), (1024, 256), (4096, 256)])
def test_the_overlap_follows_the_tile(tile: int, overlap: int):
    """256, or a quarter of the tile: every tile works without one."""
    picture = np.random.default_rng(0).integers(0, 256, (tile + 99, 40, 3), dtype=np.uint8)
    shapes = []
    for options in ({}, {"overlap": overlap}):
        segmenter = brightness()
        result = segmenter.predict(picture, tile=tile, **options)
        assert np.array_equal(result.mask, picture[..., 0] > 127)
        shapes.append(segmenter.engine.shapes)
    assert len(shapes[0]) > 1
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("tile", "overlap", "told"),
    [
        (64, 64, "overlap of tiles of 64 pixels must be 0 to 32, not 64"),
        (128, 200, "overlap of tiles of 128 pixels must be 0 to 96, not 200"),
        (64, 33, "overlap of tiles of 64 pixels must be 0 to 32, not 33"),
        (128, -1, "overlap of tiles of 128 pixels must be 0 to 96, not -1"),
        *(
            (tile, None, f'tile must be a number of pixels from 64 on or "auto", not {tile!r}')
            for tile in (63, 3, -5, None)
        ),
        *(
            (tile, 0, f'tile must be a number of pixels from 64 on or "auto", not {tile!r}')
            for tile in (64.5, "all", True)
        ),
    ],
)
def test_a_tile_that_cannot_be_is_refused_with_the_real_range(tile: Any, overlap: int | None, told: str):
    with pytest.raises(ZooError) as raised:
        brightness().predict(np.zeros((300, 300, 3), np.uint8), tile=tile, overlap=overlap)
    assert str(raised.value) == told


# The picture enlarged inside the network


def enlarging(net: LinkNet, input_scale: float) -> LinkNet:
    """The same weights, and an encoder that sees the picture larger."""
    other = LinkNet(11, "test_resnet", stem_skip=True, input_scale=input_scale).eval()
    other.load_state_dict(net.state_dict())
    return other


@pytest.mark.parametrize("input_scale", [1.25, 1.5, 1.75, 2, 4])
def test_an_enlarged_input_is_interpolated_and_its_logits_back(net: LinkNet, input_scale: float):
    """As weights were trained with ``F.interpolate``, whose own places are rounded in float32."""
    for height, width in ((360, 480), (128, 96)):
        picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        larger = [int(side * input_scale) for side in (height, width)]
        with torch.inference_mode():
            normalised = (picture - net.mean) / net.std
            seen = F.interpolate(normalised.double(), larger, mode="bilinear").float() * net.std + net.mean
            wanted = F.interpolate(net(seen), (height, width), mode="bilinear")
            assert (enlarging(net, input_scale)(picture) - wanted).abs().max() < 1e-4


def test_an_enlarged_input_of_any_size_is_continued_by_its_border(net: LinkNet):
    large, picture = enlarging(net, 1.75), torch.rand(1, 3, 45, 63, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = large(F.pad(picture, (0, 1, 0, 3), "replicate"))
        assert torch.allclose(large(picture), whole[..., :45, :63], atol=1e-5)


@pytest.mark.parametrize("input_scale", [0.5, 0.75, 1.3, 4.25, float("nan"), float("inf"), -1.5])
def test_a_scale_that_is_no_quarter_is_refused(input_scale: float):
    with pytest.raises(ZooError, match=r"input_scale must be 1 to 4 in steps of 0\.25"):
        LinkNet(2, "test_resnet", input_scale=input_scale)


@pytest.mark.parametrize("input_scale", [1.25, 1.5, 2])
def test_tiles_of_an_enlarged_input_change_nothing(net: LinkNet, halo: int, input_scale: float):
    large = enlarging(net, input_scale)
    overlap = 2 * -(-halo // large.stride) * large.stride
    torch.manual_seed(0)
    picture = torch.rand(3, 50, overlap + 5 * large.stride + 7)
    shapes = largest_inputs(large)
    tiled = large.predict(picture, probabilities=True, tile=overlap + 2 * large.stride, overlap=overlap)
    assert len(shapes) > 1
    whole = large.predict(picture, probabilities=True, tile=10_000)
    np.testing.assert_allclose(tiled.probabilities.astype(float), whole.probabilities, atol=2e-3)  # float16
    assert (tiled.mask == whole.mask).mean() > 0.9999  # ties
