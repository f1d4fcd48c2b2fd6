from __future__ import annotations

import socket
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.nn.metrics.homography import MeanAverageCornerError, corner_error

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
    metric = MeanAverageCornerError()
    for part in (slice(0, 7), slice(7, 8), slice(8, 60)):  # batches of any size weigh by their pairs
        metric.update(estimate[part], truth[part])
    assert metric.compute().item() == pytest.approx(reference(estimate.numpy(), truth.numpy()), rel=1e-4)


def test_one_pair_by_hand():
    estimate = torch.tensor([[[3.0, 4.0], [0.0, 0.0], [0.0, 1.0], [-2.0, 0.0]]])
    assert corner_error(estimate, torch.zeros(1, 4, 2)).tolist() == [2.0]
    assert MeanAverageCornerError()(estimate, torch.zeros(1, 4, 2)) == 2.0


def test_offsets_or_corners_give_the_same():
    estimate, truth, base = corners(9, 0), corners(9, 1), torch.from_numpy(CORNERS)
    assert torch.allclose(corner_error(estimate + base, truth + base), corner_error(estimate, truth), atol=1e-4)


def test_nothing_measured_is_no_number():
    metric = MeanAverageCornerError()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics says that nothing was measured
        assert metric.compute().isnan()
    metric.update(corners(3, 0), corners(3, 0))
    assert metric.compute() == 0
    metric.reset()
    assert metric.weight == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float(dtype: torch.dtype):
    """A sum in half precision would stop growing at 2,048 pairs of one pixel."""
    estimate = torch.ones(5000, 4, 2, dtype=dtype)
    metric = MeanAverageCornerError()
    metric.update(estimate, torch.zeros_like(estimate))
    assert metric.compute().item() == pytest.approx(2**0.5, rel=1e-5)


@pytest.mark.parametrize("shape", [(3, 8), (3, 4, 3), (4, 4, 2)])
def test_refuses_other_shapes(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"corners are \(B, 4, 2\)"):
        MeanAverageCornerError().update(torch.zeros(shape), torch.zeros(3, 4, 2))


def test_gradients_also_where_the_estimate_is_right():
    estimate = corners(3, 0, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: corner_error(e, corners(3, 1, torch.float64)), estimate)
    (gradient,) = torch.autograd.grad(corner_error(estimate, estimate.detach()).sum(), estimate)
    assert gradient.abs().max() == 0


def measure(rank: int, port: int, folder: str) -> None:
    """What one of two processes does; the second has fewer pairs."""
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    metric = MeanAverageCornerError()
    part = slice(0, 20) if rank == 0 else slice(20, 25)
    metric.update(corners(25, 0)[part], corners(25, 1)[part])
    torch.save(metric.compute(), Path(folder, f"{rank}.pt"))
    torch.distributed.destroy_process_group()


def test_two_processes_measure_as_one(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.start_processes(measure, (port, str(tmp_path)), nprocs=2, start_method="fork")
    alone = MeanAverageCornerError()
    alone.update(corners(25, 0), corners(25, 1))
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt") == pytest.approx(alone.compute().item(), rel=1e-6)
