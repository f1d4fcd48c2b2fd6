from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.nn.metrics.homography import corner_error

CORNERS = np.array([[0, 0], [127, 0], [127, 127], [0, 127]], np.float32)


def corners(count: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-32, 32, (count, 4, 2))).to(dtype)


def reference(estimates: np.ndarray, truths: np.ndarray) -> float:
    """Corner by corner: the homographies by OpenCV, where they take the corners, how far these lie apart."""
    total = 0.0
    for estimate, truth in zip(estimates, truths, strict=True):
        matrices = [cv2.getPerspectiveTransform(CORNERS, CORNERS + offsets) for offsets in (estimate, truth)]
        ours, theirs = (cv2.perspectiveTransform(CORNERS[None].astype(np.float64), matrix)[0] for matrix in matrices)
        for (x, y), (tx, ty) in zip(ours, theirs, strict=True):
            total += np.hypot(x - tx, y - ty) / 4
    return total / len(truths)


def test_agrees_with_an_independent_reference():
    estimate, truth = corners(60, 0), corners(60, 1)
    error = corner_error(estimate, truth).mean().item()
    assert error == pytest.approx(reference(estimate.numpy(), truth.numpy()), rel=1e-4)


def test_one_pair_by_hand():
    estimate = torch.tensor([[[3.0, 4.0], [0.0, 0.0], [0.0, 1.0], [-2.0, 0.0]]])
    assert corner_error(estimate, torch.zeros(1, 4, 2)).tolist() == [2.0]


def test_offsets_or_corners_give_the_same():
    estimate, truth, base = corners(9, 0), corners(9, 1), torch.from_numpy(CORNERS)
    assert torch.allclose(corner_error(estimate + base, truth + base), corner_error(estimate, truth), atol=1e-4)


def test_gradients_also_where_the_estimate_is_right():
    estimate = corners(3, 0, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: corner_error(e, corners(3, 1, torch.float64)), estimate)
    (gradient,) = torch.autograd.grad(corner_error(estimate, estimate.detach()).sum(), estimate)
    assert gradient.abs().max() == 0
