from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.metrics
import torch
import torchmetrics.functional.image as reference
from PIL import Image
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.nn.metrics.artefacts import periodic_energy
from zoo.nn.metrics.lpips import LPIPS
from zoo.nn.metrics.super_resolution import feature_distance, luma, psnr, ssim
from zoo.nn.vgg import VGGFeatures

SKIMAGE = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}


def to_tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array)).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    return [skimage.data.astronaut()[30:126, 180:260], skimage.data.chelsea()[100:196, 120:200]]


@pytest.fixture(scope="module")
def noisy(photographs: list[np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        (photograph + rng.normal(0, sigma, photograph.shape)).round().clip(0, 255).astype(np.uint8)
        for photograph, sigma in zip(photographs, (4, 15), strict=True)
    ]


@pytest.fixture(scope="module")
def pairs(photographs: list[np.ndarray], noisy: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Predictions and targets, two of them."""
    return torch.cat([to_tensor(picture) for picture in noisy]), torch.cat([to_tensor(p) for p in photographs])


def luma_by_hand(picture: np.ndarray) -> np.ndarray:
    """The matrix of ITU-R BT.601 for 8 bits, as it is published."""
    r, g, b = picture.astype(np.float64).transpose(2, 0, 1)
    return 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255


def cropped(picture: np.ndarray, crop: int) -> np.ndarray:
    return picture[crop : len(picture) - crop, crop : picture.shape[1] - crop]


# Luma


@pytest.mark.parametrize(
    ("rgb", "y"),
    [
        ((0, 0, 0), 16),
        ((1, 1, 1), 235),
        ((1, 0, 0), 81.481),
        ((0, 1, 0), 144.553),
        ((0, 0, 1), 40.966),
        ((1, 1, 0), 210.034),
        ((0.5, 0.5, 0.5), 125.5),
    ],
)
def test_luma_of_the_corner_colours(rgb: tuple[float, ...], y: float):
    out = luma(torch.tensor(rgb).view(1, 3, 1, 1))
    assert out.shape == (1, 1, 1, 1)
    assert out.dtype == torch.float64
    assert out.item() == pytest.approx(y, abs=1e-9)


def test_luma_is_that_of_scikit_image(photographs: list[np.ndarray]):
    ours = luma(to_tensor(photographs[0]))[0, 0].numpy()
    assert np.allclose(ours, skimage.color.rgb2ycbcr(photographs[0])[..., 0], atol=1e-5)


# Against scikit-image and torchmetrics


@pytest.mark.parametrize("crop", [0, 4, 7])
def test_psnr_is_that_of_others(
    crop: int, pairs: tuple[Tensor, Tensor], photographs: list[np.ndarray], noisy: list[np.ndarray]
):
    y, rgb = psnr(*pairs, crop=crop), psnr(*pairs, crop=crop, channels="rgb")
    assert y.shape == rgb.shape == (2,)
    assert y.dtype == torch.float64
    for i, (a, b) in enumerate(zip(noisy, photographs, strict=True)):
        lumas = [cropped(luma_by_hand(picture), crop) for picture in (b, a)]
        expected = skimage.metrics.peak_signal_noise_ratio(*lumas, data_range=255)
        assert y[i].item() == pytest.approx(expected, abs=1e-5)
        theirs = reference.peak_signal_noise_ratio(*map(torch.from_numpy, lumas), data_range=255.0)
        assert y[i].item() == pytest.approx(theirs.item(), abs=1e-4)
        expected = skimage.metrics.peak_signal_noise_ratio(cropped(b, crop), cropped(a, crop), data_range=255)
        assert rgb[i].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("crop", [0, 4, 7])
def test_ssim_is_that_of_others(
    crop: int, pairs: tuple[Tensor, Tensor], photographs: list[np.ndarray], noisy: list[np.ndarray]
):
    y, rgb = ssim(*pairs, crop=crop), ssim(*pairs, crop=crop, channels="rgb")
    assert y.shape == rgb.shape == (2,)
    assert y.dtype == torch.float64
    for i, (a, b) in enumerate(zip(noisy, photographs, strict=True)):
        lumas = [cropped(luma_by_hand(picture), crop) for picture in (b, a)]
        assert y[i].item() == pytest.approx(skimage.metrics.structural_similarity(*lumas, **SKIMAGE), abs=1e-6)
        planes = [torch.from_numpy(plane)[None, None] for plane in lumas]
        _, everywhere = reference.structural_similarity_index_measure(*planes, data_range=255.0, return_full_image=True)
        theirs = everywhere[..., 5:-5, 5:-5].mean()  # its own mean is over a reflected border too
        assert y[i].item() == pytest.approx(theirs.item(), abs=1e-6)
        expected = skimage.metrics.structural_similarity(cropped(b, crop), cropped(a, crop), channel_axis=-1, **SKIMAGE)
        assert rgb[i].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("folder", "low", "high"), [("Set5", 28.42, 28.42), ("Set14", 25.99, 26.10)])
def test_bicubic_has_its_published_figure(real_data: Path, folder: str, low: float, high: float):
    figures = []
    for file in sorted((real_data / folder).glob("*.png")):
        with Image.open(file) as picture:
            width, height = picture.width // 4, picture.height // 4
            truth = picture.convert("RGB").crop((0, 0, 4 * width, 4 * height))
        bicubic = truth.resize((width, height), Image.Resampling.BICUBIC).resize(truth.size, Image.Resampling.BICUBIC)
        figures.append(psnr(to_tensor(np.asarray(bicubic)), to_tensor(np.asarray(truth))))
    assert low - 0.05 < torch.cat(figures).mean().item() < high + 0.05


# Rounding, cropping


def test_both_are_rounded_to_eight_bits(pairs: tuple[Tensor, Tensor]):
    prediction, target = pairs
    near = prediction + 0.3 / 255 * torch.rand(prediction.shape, generator=torch.Generator().manual_seed(0))
    for figure in (psnr, ssim):
        assert torch.equal(figure(near, target), figure(prediction, target))
        assert torch.equal(figure(target, near), figure(target, prediction))
        assert (figure(near, target, quantize=False) - figure(prediction, target, quantize=False)).abs().min() > 1e-6


def test_what_leaves_the_range_is_clipped_by_rounding_only(pairs: tuple[Tensor, Tensor]):
    target = pairs[1]
    bright = 2 * target - 0.5
    assert torch.equal(psnr(bright, target), psnr(bright.clamp(0, 1), target))
    assert (psnr(bright, target, quantize=False) < psnr(bright.clamp(0, 1), target, quantize=False)).all()


def test_the_border_does_not_count(pairs: tuple[Tensor, Tensor]):
    prediction, target = pairs
    framed = torch.zeros_like(prediction)
    framed[..., 4:-4, 4:-4] = prediction[..., 4:-4, 4:-4]
    for figure in (psnr, ssim):
        assert torch.equal(figure(framed, target), figure(prediction, target))
        assert (figure(framed, target, crop=3) < figure(prediction, target, crop=3)).all()


def test_identical_pictures(pairs: tuple[Tensor, Tensor]):
    assert psnr(pairs[0], pairs[0]).tolist() == [math.inf, math.inf]
    assert ssim(pairs[0], pairs[0]).tolist() == pytest.approx([1, 1], abs=1e-12)


def test_pictures_of_a_batch_do_not_meet(pairs: tuple[Tensor, Tensor]):
    for figure in (psnr, ssim):
        for channels in ("y", "rgb"):
            alone = torch.cat([figure(a[None], b[None], channels=channels) for a, b in zip(*pairs, strict=True)])
            assert torch.allclose(figure(*pairs, channels=channels), alone, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float(dtype: torch.dtype, pairs: tuple[Tensor, Tensor]):
    prediction, target = (pictures.to(dtype) for pictures in pairs)
    assert torch.equal(psnr(prediction, target), psnr(prediction.double(), target.double()))


# Errors


@pytest.mark.parametrize(
    ("figure", "size", "crop", "message"),
    [
        (psnr, (8, 40), 4, "40x8 are too small .* 1 pixels and 4 more at each border"),
        (ssim, (40, 18), 4, "18x40 are too small .* 11 pixels and 4 more"),
        (ssim, (10, 10), 0, "10x10 are too small to be compared: each side needs 11 pixels$"),
    ],
)
def test_too_small(figure: object, size: tuple[int, int], crop: int, message: str):
    with pytest.raises(ZooError, match=message):
        figure(torch.zeros(1, 3, *size), torch.zeros(1, 3, *size), crop=crop)


def test_the_smallest_that_will_do():
    a, b = torch.zeros(1, 3, 19, 19), torch.ones(1, 3, 19, 19)
    assert psnr(a[..., :9, :9], b[..., :9, :9]).item() == pytest.approx(20 * math.log10(255 / 219))
    assert 0 < ssim(a, b).item() < 1


@pytest.mark.parametrize("shape", [(1, 3, 30, 31), (1, 1, 30, 30), (3, 30, 30), (2, 3, 30, 30)])
def test_refuses_other_shapes(shape: tuple[int, ...]):
    for compare in (psnr, ssim):
        with pytest.raises(ValueError, match=r"pictures must be \(B, 3, H, W\)"):
            compare(torch.zeros(shape), torch.zeros(1, 3, 30, 30))


@pytest.mark.parametrize("options", [{"channels": "Y"}, {"crop": -1}])
def test_refuses_other_options(options: dict):
    with pytest.raises(ValueError, match='"y" or "rgb" and crop 0 or more'):
        psnr(torch.zeros(1, 3, 30, 30), torch.zeros(1, 3, 30, 30), **options)


# Feature distance


def test_feature_distance_by_picture_and_layer(pairs: tuple[Tensor, Tensor]):
    vgg = VGGFeatures(["relu1_1", "relu2_1"], weights=None)
    prediction, target = pairs
    distances = feature_distance(vgg(prediction), vgg(target))
    assert list(distances) == ["relu1_1", "relu2_1"]
    for layer, distance in distances.items():
        features, truth = vgg(prediction)[layer].numpy(), vgg(target)[layer].numpy()
        expected = [((a - b) ** 2).sum() / a.size for a, b in zip(features, truth, strict=True)]
        assert distance.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_functions_do_without_torchmetrics():
    code = "import sys, zoo.nn.metrics.super_resolution; sys.exit('torchmetrics' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def photograph() -> Tensor:
    return to_tensor(skimage.data.astronaut()[:256, 100:400])


def slope(height: int = 96, width: int = 128) -> Tensor:
    rows, columns = torch.meshgrid(torch.linspace(0, 0.3, height), torch.linspace(0.2, 0.8, width), indexing="ij")
    return (rows + columns).clamp(0, 1).expand(1, 3, -1, -1)


def dotted(picture: Tensor, period: int, levels: float) -> Tensor:
    """With a dot of this brightness at one pixel of each period x period."""
    grid = torch.zeros_like(picture)
    grid[..., ::period, ::period] = levels / 255
    return picture + grid


@pytest.mark.parametrize("period", [2, 3, 4])
def test_a_grid_shows_in_its_own_period(period: int):
    picture = photograph()
    periods = (2, 4) if period == 4 else (period,)
    own = periodic_energy(picture, periods=periods)
    assert own.shape == (1,)
    assert 0.7 < own.item() < 1.5
    found = [periodic_energy(dotted(picture, period, levels), picture, periods).item() for levels in (0, 5, 20)]
    assert found[0] == 1
    assert found[0] < found[1] < found[2]
    assert found[2] > 3
    other = periodic_energy(dotted(picture, 7, 20.0), picture, periods).item()
    assert other < 2


def test_a_grid_shows_on_blank_and_sloped_pictures():
    for picture in (torch.full((1, 3, 96, 128), 0.4), slope(), (slope() * 255).round() / 255):
        assert periodic_energy(picture).item() < 1.2
        assert periodic_energy(dotted(picture, 4, 1.0)).item() > 2
        assert periodic_energy(dotted(picture, 4, 3.0)).item() > 10
        assert periodic_energy(picture, picture).item() == 1


@pytest.mark.parametrize("direction", [(slice(None, None, 4), slice(None)), (slice(None), slice(None, None, 4))])
def test_lines_in_either_direction_are_found(direction: tuple[slice, slice]):
    picture = photograph()
    lines = torch.zeros_like(picture)
    lines[(..., *direction)] = 0.05
    assert periodic_energy(picture + lines, picture).item() > 3


def test_pictures_of_a_batch_are_measured_each():
    picture = photograph()
    batch = torch.cat([picture, dotted(picture, 4, 20.0)])
    found = periodic_energy(batch, torch.cat([picture, picture]))
    assert found[0].item() == 1
    assert found[1].item() == pytest.approx(periodic_energy(batch[1:], picture).item())


def test_what_is_too_small_for_a_grid_is_refused():
    with pytest.raises(ZooError, match="a picture of 80x63 is too small to be searched for a grid"):
        periodic_energy(torch.zeros(1, 3, 63, 80))
    with pytest.raises(ValueError, match="pictures must be"):
        periodic_energy(torch.zeros(1, 1, 80, 80))


def test_lpips_is_that_of_torchmetrics():
    """With its own weights of channels, and any VGG-16."""
    from torchmetrics.functional.image.lpips import _LPIPS

    torch.manual_seed(0)
    ours, theirs = LPIPS(None), _LPIPS(pretrained=True, net="vgg", pnet_rand=True, use_dropout=True).eval()
    convolutions = [layer for layer in theirs.net.modules() if isinstance(layer, torch.nn.Conv2d)]
    names = [name for name in ours.vgg.computed if name.startswith("conv")]
    for layer, name in zip(convolutions, names, strict=True):
        layer.weight.data.copy_(getattr(ours.vgg, f"{name}_weight"))
        layer.bias.data.copy_(getattr(ours.vgg, f"{name}_bias"))
    a, b = photograph()[..., :96, :128], photograph()[..., 40:136, 60:188]
    with torch.no_grad():
        expected = theirs(torch.cat([a, b]), torch.cat([b, b]), normalize=True).flatten()
        found = ours(torch.cat([a, b]), torch.cat([b, b]))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    assert found[0] > 0.1
    assert found[1] == 0
