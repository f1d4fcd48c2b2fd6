from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.data import device_pairs, photometric
from zoo.data.photometric import blur, differ, jpeg, light, noise, occlude

pytestmark = pytest.mark.usefixtures("one_thread")  # small batches: threads would wait for each other

CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "light": lambda p, _: light(p, 1.3, -20),
    "blur": lambda p, _: blur(p, 1.5),
    "noise": lambda p, rng: noise(p, 12, rng),
    "jpeg": lambda p, _: jpeg(p, 20),
    "occlude": lambda p, rng: occlude(p, 0.2, rng),
    "differ": differ,
}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def patch(channels: tuple[int, ...] = (), sigma: float = 2.0) -> np.ndarray:
    """Smooth noise over most of the range."""
    picture = cv2.GaussianBlur(rng().normal(0, 1, (128, 128, *channels)), (0, 0), sigma)
    return np.clip(128 + 50 * picture / picture.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "RGB"])
@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_any_patch(name: str, channels: tuple[int, ...]):
    change, before = CHANGES[name], patch(channels)
    kept = before.copy()
    first, same, other = (change(before, rng(seed)) for seed in (1, 1, 3))
    assert first.shape == before.shape
    assert first.dtype == np.uint8
    assert not np.array_equal(first, before)
    assert np.array_equal(first, same)
    assert np.array_equal(first, other) is (name in ("light", "blur", "jpeg"))  # those without chance
    assert np.array_equal(before, kept)  # patches may be views of the pictures in memory


def test_light_is_linear_and_clipped():
    ramp = np.arange(256, dtype=np.uint8)[None]
    assert np.array_equal(light(ramp, 1.0, 0.0), ramp)
    assert np.array_equal(light(ramp, 0.5, 10.0)[0, ::2], np.arange(10, 138))
    assert light(ramp, 2.0, -100.0).ravel().tolist() == [min(max(2 * v - 100, 0), 255) for v in range(256)]


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_blur_spreads_a_point_by_its_sigma(sigma: float):
    point = np.zeros((65, 65), np.uint8)
    point[30:35, 30:35] = 255
    shown = blur(point, sigma).astype(float)
    rows, columns = np.mgrid[-32:33, -32:33]
    for axis in (rows, columns):
        variance = (axis**2 * shown).sum() / shown.sum()
        assert np.sqrt(variance - 2.0) == pytest.approx(sigma, rel=0.1)  # a side of 5 pixels has variance 2


@pytest.mark.parametrize("sigma", [2.0, 20.0])
def test_noise_has_its_sigma(sigma: float):
    grain = noise(np.full((200, 200), 128, np.uint8), sigma, rng()).astype(float) - 128
    assert grain.std() == pytest.approx(sigma, rel=0.05)
    assert abs(grain.mean()) < 0.05 * sigma
    assert abs((grain[1:] * grain[:-1]).mean()) < 0.02 * sigma**2  # from pixel to pixel independent
    coloured = noise(np.full((100, 100, 3), 128, np.uint8), sigma, rng())
    assert not np.array_equal(coloured[..., 0], coloured[..., 1])


def test_noise_is_clipped_not_wrapped():
    dark, bright = (noise(np.full((100, 100), value, np.uint8), 10, rng()) for value in (0, 255))
    assert dark.max() < 80
    assert bright.min() > 175


def test_jpeg_loses_more_at_lower_quality():
    before = patch().astype(float)
    losses = [np.abs(jpeg(patch(), quality) - before).mean() for quality in (95, 50, 10)]
    assert losses[0] < losses[1] < losses[2] < 20
    assert losses[0] < 1.5


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.4, 0.8, 1.0])
def test_occlusion_covers_its_fraction(fraction: float):
    chance, corners = rng(), []
    for _ in range(100):
        marked = occlude(np.full((120, 160), 256, np.uint16), fraction, chance) < 256
        rows, columns = (np.flatnonzero(marked.any(axis)) for axis in (1, 0))
        assert marked.mean() == pytest.approx(fraction, rel=0.05)
        assert marked.sum() == len(rows) * len(columns)  # one rectangle
        corners.append((rows[0], columns[0]))
    assert fraction == 1.0 or len(set(corners)) > 10


def test_patches_differ_as_often_as_they_should(monkeypatch: pytest.MonkeyPatch):
    counts = dict.fromkeys(photometric.PROBABILITIES, 0)
    for name in counts:

        def count(p: np.ndarray, *_: object, name: str = name) -> np.ndarray:
            counts[name] += 1
            return p

        monkeypatch.setattr(photometric, name, count)
    chance = rng()
    for _ in range(2000):
        differ(patch, chance)
    for name, probability in photometric.PROBABILITIES.items():
        assert counts[name] / 2000 == pytest.approx(probability, abs=0.04)


# The same on the device


def on_device(*patches: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(patches)).float().reshape(len(patches), -1, 128, 128)


def strengths(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_light_of_a_batch():
    shown = device_pairs.light(on_device(patch(), patch()), strengths(0.7, 1.4), strengths(30, -40))
    for one, (contrast, brightness) in zip(shown[:, 0], ((0.7, 30), (1.4, -40)), strict=True):
        assert np.abs(one.numpy() - light(patch(), contrast, brightness)).max() <= 0.5 + 1e-4


def test_blur_of_a_batch():
    shown = device_pairs.blur(on_device(patch(), patch()), strengths(0.6, 2.5))
    for one, sigma in zip(shown[:, 0], (0.6, 2.5), strict=True):
        assert np.abs(one.numpy() - blur(patch(), sigma)).max() < 2


def test_noise_of_a_batch():
    even = torch.full((2, 3, 128, 128), 128.0)
    shown = device_pairs.noise(even, strengths(2, 20), torch.Generator().manual_seed(0)) - even
    assert shown[0].std() == pytest.approx(2, rel=0.03)
    assert shown[1].std() == pytest.approx(20, rel=0.03)


@pytest.mark.parametrize("quality", [10, 30, 50, 79])
def test_jpeg_of_a_batch(quality: int):
    """libjpeg computes in integers and so rounds some waves the other way."""
    shown = device_pairs.jpeg(on_device(patch()), strengths(quality))[0, 0].numpy()
    lost = np.abs(jpeg(patch(), quality).astype(float) - patch()).mean()
    assert np.abs(shown - jpeg(patch(), quality)).mean() < 0.1 * lost


def test_occlusion_of_a_batch():
    count = 50
    fraction, x, y = (torch.from_numpy(rng(i).uniform(0.05, 1, count)).float().view(-1, 1, 1, 1) for i in range(3))
    aspect = torch.from_numpy(np.exp(rng(3).uniform(-0.5, 0.5, count))).float().view(-1, 1, 1, 1)
    marked = device_pairs.occlude(torch.zeros(count, 1, 128, 128), fraction, aspect, x, y, torch.ones(count, 1, 1, 1))
    assert torch.allclose(marked.mean((1, 2, 3)), fraction.flatten(), rtol=0.05)
    for one in marked[:, 0].bool():
        assert one.sum() == one.any(0).sum() * one.any(1).sum()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_differs_by_the_generator_alone(channels: int):
    before = on_device(*[patch((3,))] * 40)[:, :channels] if channels == 3 else on_device(*[patch()] * 40)
    kept = before.clone()
    first, same, other = (device_pairs.differ(before, rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(before, kept)
    assert first.min() >= 0
    assert first.max() <= 255
    changed = (first != before).flatten(1).any(1).float().mean()
    assert 0.8 < changed < 1  # 0.8 + 0.2 * (1 - 0.75^4) = 0.94
