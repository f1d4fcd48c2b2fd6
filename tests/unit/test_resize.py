from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from zoo.nn.cpu import conv_to_pixels
from zoo.nn.mode import counting
from zoo.nn.resize import BicubicUpsample, BilinearResize


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return skimage.data.astronaut()[60:91, 200:237]


def to_tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array)).permute(2, 0, 1)[None].float() / 255


def inside(pictures: Tensor, scale: int) -> Tensor:
    """Without what the border reaches: two pixels of the small picture."""
    return pictures[..., 2 * scale : -2 * scale, 2 * scale : -2 * scale]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarges_as_pillow_away_from_the_border(scale: int, photograph: np.ndarray):
    height, width, _ = photograph.shape
    size = (scale * width, scale * height)
    ours = BicubicUpsample(scale)(to_tensor(photograph))
    pillow = to_tensor(np.asarray(Image.fromarray(photograph).resize(size, Image.Resampling.BICUBIC)))
    assert ours.shape == pillow.shape
    rounded = ours.clamp(0, 1).mul(255).round() / 255
    assert inside(rounded - pillow, scale).abs().max() < 1.01 / 255  # Pillow rounds between its two passes too
    plane = Image.fromarray(photograph[..., 0].astype(np.float32))
    exact = torch.from_numpy(np.asarray(plane.resize(size, Image.Resampling.BICUBIC)).copy())[None, None] / 255
    assert inside(ours[:, :1] - exact, scale).abs().max() < 1e-5


def test_the_border_is_near_that_of_pillow(photograph: np.ndarray):
    """Pillow leaves out what is beyond the border; here the border's values continue."""
    height, width, _ = photograph.shape
    pillow = Image.fromarray(photograph).resize((4 * width, 4 * height), Image.Resampling.BICUBIC)
    difference = BicubicUpsample(4)(to_tensor(photograph)).clamp(0, 1) - to_tensor(np.asarray(pillow))
    assert difference.abs().mean() < 1 / 255


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (2, 40)])
def test_constant_pictures_stay_constant_up_to_the_border(size: tuple[int, int]):
    colour = torch.tensor([0.2, 0.7, 1.0]).view(1, 3, 1, 1)
    enlarged = BicubicUpsample(4)(colour.expand(1, 3, *size))
    assert enlarged.shape == (1, 3, 4 * size[0], 4 * size[1])
    assert torch.allclose(enlarged, colour.expand_as(enlarged), atol=1e-6)


def test_channels_and_pictures_do_not_meet():
    pictures = torch.rand(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    together = BicubicUpsample(4, channels=5)(pictures)
    for b, c in np.ndindex(2, 5):
        alone = BicubicUpsample(4, channels=1)(pictures[b : b + 1, c : c + 1])
        assert torch.allclose(together[b, c], alone[0, 0], atol=1e-6)


def test_a_mirrored_picture_gives_the_mirrored_result():
    """The places inside a pixel are in order, in both directions."""
    picture = torch.rand(1, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    enlarge = BicubicUpsample(4)
    for axes in ((-1,), (-2,), (-2, -1)):
        assert torch.allclose(enlarge(picture.flip(axes)), enlarge(picture).flip(axes), atol=1e-6)
    assert torch.allclose(enlarge(picture.mT), enlarge(picture).mT, atol=1e-6)


def test_autocast_leaves_it_in_float32(photograph: np.ndarray):
    enlarge, picture = BicubicUpsample(4), to_tensor(photograph)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = enlarge(picture)
        assert enlarge(picture.bfloat16()).dtype == torch.float32
    assert within.dtype == torch.float32
    assert torch.equal(within, enlarge(picture))


def test_nothing_to_learn_or_to_store():
    enlarge = BicubicUpsample(4)
    assert list(enlarge.parameters()) == []
    assert enlarge.state_dict() == {}


def test_gradients_reach_the_picture():
    enlarge = BicubicUpsample(2, channels=1).double()
    picture = torch.rand(1, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(enlarge, picture.requires_grad_())


def test_it_can_be_exported_for_any_size(photograph: np.ndarray):
    height, width = torch.export.Dim("height"), torch.export.Dim("width")
    example = torch.zeros(1, 3, 16, 24)
    exported = torch.export.export(BicubicUpsample(4), (example,), dynamic_shapes=({2: height, 3: width},))
    picture = to_tensor(photograph)
    assert torch.allclose(exported.module()(picture), BicubicUpsample(4)(picture), atol=1e-6)


# Bilinear, by p / d

RATIOS = [(3, 2), (5, 4), (7, 4), (2, 1), (13, 4), (2, 3), (4, 5), (4, 7), (1, 2), (4, 13), (3, 5), (3, 1)]


@pytest.mark.parametrize(("p", "d"), RATIOS)
def test_it_is_bilinear_interpolation(p: int, d: int):
    """As torch's in float64, which rounds places less; in both ways to compute it."""
    resize = BilinearResize(p, d, 3)
    pictures = torch.rand(2, 3, 5 * d, 180 * d, generator=torch.Generator().manual_seed(0))
    wanted = F.interpolate(pictures.double(), (5 * p, 180 * p), mode="bilinear").float()
    assert (resize(pictures) - wanted).abs().max() < 1e-6
    with counting():  # as it is exported
        assert (resize(pictures.to(memory_format=torch.channels_last)) - wanted).abs().max() < 1e-6


@pytest.mark.parametrize(("p", "d"), RATIOS)
@pytest.mark.parametrize("size", [(1, 1), (7, 10), (2, 31)])
def test_sides_that_are_no_multiple_are_continued_by_the_border(p: int, d: int, size: tuple[int, int]):
    resize = BilinearResize(p, d, 2)
    picture = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(0))
    whole = F.pad(picture, (0, -size[1] % d, 0, -size[0] % d), "replicate")
    wanted = F.interpolate(whole.double(), [side // d * p for side in whole.shape[2:]], mode="bilinear").float()
    assert torch.allclose(resize(picture), wanted, atol=1e-6)
    with counting():
        assert torch.allclose(resize(picture), wanted, atol=1e-6)


def test_enlarging_stays_in_float32_within_autocast():
    """Weights such as 5/6 have no exact bfloat16: white would turn grey."""
    resize, picture = BilinearResize(3, 2, 1), torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = resize(picture)
    assert within.dtype == torch.float32
    assert torch.equal(within, resize(picture))


@pytest.mark.parametrize(("p", "d"), [(3, 2), (2, 3)])
def test_gradients_go_through_the_resize(p: int, d: int):
    resize = BilinearResize(p, d, 2).double()
    picture = torch.rand(1, 2, 2 * d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(resize, picture.requires_grad_())


@pytest.mark.parametrize(("p", "d"), [(3, 2), (2, 3)])
def test_the_resize_can_be_exported_for_any_size(p: int, d: int):
    height, width = torch.export.Dim("height", min=4), torch.export.Dim("width", min=4)  # 1 to d are another case
    resize = BilinearResize(p, d, 3)
    exported = torch.export.export(resize, (torch.zeros(1, 3, 16, 25),), dynamic_shapes=({2: height, 3: width},))
    picture = torch.rand(1, 3, 13, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(exported.module()(picture), resize(picture), atol=1e-6)


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_to_pixels_is_one_and_a_shuffle(scale: int, bias: bool):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 9, 7, generator=generator).to(memory_format=torch.channels_last)
    kernel = torch.rand(5 * scale**2, 3, 3, 2, generator=generator)
    values = torch.rand(5 * scale**2, generator=generator) if bias else None
    wanted = F.pixel_shuffle(F.conv2d(x, kernel, values, stride=2), scale)
    ours = conv_to_pixels(x, kernel, scale, values, stride=2)
    assert torch.allclose(ours, wanted, atol=1e-6)
    assert ours.is_contiguous(memory_format=torch.channels_last)
