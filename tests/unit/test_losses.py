from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.data.labels import CAMVID
from zoo.models.linknet.module import LinkNetModule, class_weights
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
    share = pixels / (pixels.sum() if weighting == "frequency" else pixels.max())
    by_hand = 1 / np.log(c + share)
    by_hand /= (by_hand * pixels).sum() / pixels.sum()  # a mean of 1 over the pixels
    weights = class_weights(torch.from_numpy(pixels), weighting, c)
    assert weights.dtype == torch.float32
    assert weights.numpy() == pytest.approx(by_hand, rel=1e-5)
    assert (weights.diff() > 0).all()  # the rarer, the heavier
