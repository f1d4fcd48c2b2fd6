from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.data.labels import CAMVID
from zoo.models.linknet.module import LinkNetModule, class_weights
from zoo.nn.losses.grid import grid_loss
from zoo.nn.losses.segmentation import soft_jaccard_loss


def jaccard_by_hand(logits: np.ndarray, target: np.ndarray, ignore_index: int) -> float:
    """Pixel by pixel."""
    classes = logits.shape[1]
    hits, sums = np.zeros(classes), np.zeros(classes)
    for b, y, x in np.ndindex(target.shape):
        if target[b, y, x] == ignore_index:
            continue
        p = np.exp(logits[b, :, y, x]) / np.exp(logits[b, :, y, x]).sum()
        for c in range(classes):
            truth = float(target[b, y, x] == c)
            hits[c] += p[c] * truth
            sums[c] += p[c] + truth
    present = [c for c in range(classes) if c != ignore_index and (target == c).any()]
    return 1 - float(np.mean([hits[c] / (sums[c] - hits[c]) for c in present]))


@pytest.mark.parametrize("ignore_index", [3, 4, 255])
@pytest.mark.parametrize("shown", [2, 4])
def test_soft_jaccard_is_that_of_a_loop(ignore_index: int, shown: int):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 5, 6))
    target = rng.integers(0, shown, (2, 5, 6))
    target[:, :2] = ignore_index
    loss = soft_jaccard_loss(torch.from_numpy(logits), torch.from_numpy(target), ignore_index)
    assert loss.item() == pytest.approx(jaccard_by_hand(logits, target, ignore_index))


def test_soft_jaccard_of_a_perfect_and_of_a_wrong_answer():
    target = torch.tensor([[[0, 1], [1, 255]]])
    right = torch.tensor([[[[50.0, -50], [-50, 0]], [[-50, 50], [50, 0]]]])
    assert soft_jaccard_loss(right, target, 255).item() == pytest.approx(0, abs=1e-6)
    assert soft_jaccard_loss(-right, target, 255).item() == pytest.approx(1, abs=1e-6)


def test_soft_jaccard_is_differentiable_where_all_is_void():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    soft_jaccard_loss(logits, torch.full((1, 4, 4), 255), 255).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_void_pixels_change_neither_loss_nor_gradient():
    module = LinkNetModule(CAMVID, encoder="test_resnet", encoder_weights=None, jaccard=1.0)
    masks = torch.randint(0, 11, (2, 8, 8))
    masks[:, 4:] = CAMVID.ignore_index
    logits = torch.randn(2, 11, 8, 8, requires_grad=True)
    other = logits.detach().clone()
    other[:, :, 4:] = 9
    loss = module.loss(logits, masks)
    loss.backward()
    assert loss.item() == pytest.approx(module.loss(other, masks).item(), rel=1e-6)
    assert not logits.grad[:, :, 4:].any()


@pytest.mark.parametrize("c", [1.02, 1.1, 2.0])
@pytest.mark.parametrize("weighting", ["frequency", "max"])
def test_class_weights_by_hand(weighting: str, c: float):
    pixels = np.array([70_000.0, 20_000, 9_000, 900, 100])
    fraction = pixels / (pixels.sum() if weighting == "frequency" else pixels.max())
    by_hand = 1 / np.log(c + fraction)
    by_hand /= (by_hand * pixels).sum() / pixels.sum()  # a mean of 1 over the pixels
    weights = class_weights(torch.from_numpy(pixels), weighting, c)
    assert weights.dtype == torch.float32
    assert weights.numpy() == pytest.approx(by_hand, rel=1e-5)
    assert (weights.diff() > 0).all()  # the rarer, the heavier


def grid_by_hand(prediction: np.ndarray, target: np.ndarray, scale: int, side: int) -> float:
    """Window by window and color by color: how far the mean errors at the places of a block are from each other."""
    error = (prediction - target).reshape(-1, *target.shape[2:])
    batch, height, width = error.shape[0], error.shape[1] // scale, error.shape[2] // scale
    variances = []
    for b in range(batch):
        for y, x in np.ndindex(height - side + 1, width - side + 1):
            window = error[b, scale * y : scale * (y + side), scale * x : scale * (x + side)]
            places = window.reshape(side, scale, side, scale).mean((0, 2))
            variances.append(places.var())
    return float(np.mean(variances))


@pytest.mark.parametrize(("scale", "windows"), [(2, (2,)), (4, (2, 3)), (3, (1,))])
def test_the_grid_loss_is_what_repeats(scale: int, windows: tuple[int, ...]):
    rng = np.random.default_rng(0)
    prediction, target = rng.random((2, 2, 3, 4 * scale, 5 * scale))
    found = grid_loss(torch.from_numpy(prediction), torch.from_numpy(target), scale, windows)
    assert found.item() == pytest.approx(sum(grid_by_hand(prediction, target, scale, side) for side in windows))


def test_the_grid_loss_tells_a_grid_from_noise_and_from_a_shade():
    target = torch.full((1, 3, 64, 64), 0.5)
    dots = torch.zeros_like(target)
    dots[..., ::4, ::4] = 0.1
    scattered = dots.flatten(2)[..., torch.randperm(64 * 64, generator=torch.Generator().manual_seed(0))].view_as(dots)
    grid, noise, shade = (grid_loss(target + error, target, 4).item() for error in (dots, scattered, 0 * dots + 0.1))
    assert grid > 5 * noise
    assert shade == pytest.approx(0, abs=1e-12)
    colored = dots * torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)  # whose mean is grey
    assert grid_loss(target + colored, target, 4).item() == pytest.approx(2 / 3 * grid)
    assert grid_loss(target[..., :4, :4] + dots[..., :4, :4], target[..., :4, :4], 4).item() == 0  # no window fits
