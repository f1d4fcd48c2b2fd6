from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.nn.descent import PictureLBFGS, descend, make_optimizer


def wavy(target: Tensor):
    """A loss whose curvature differs a hundredfold between values, as that of features does."""
    weights = torch.logspace(-1, 1, target.numel()).view_as(target)
    return lambda picture: (weights * (picture - target).square()).mean()


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_comes_to_the_smallest_loss(optimizer):
    torch.manual_seed(0)
    target = 0.2 + 0.6 * torch.rand(1, 3, 12, 10)
    *_, last = descend(torch.rand_like(target), wavy(target), 150, optimizer=optimizer)
    torch.testing.assert_close(last.picture, target, rtol=0, atol=0.02)
    assert (last.number, last.picture.shape) == (150, target.shape)


def test_knows_the_curvature_of_a_loss_however_small_its_gradient_is():
    """Means over a large picture have gradients that torch's own tolerances take for zero."""
    torch.manual_seed(0)
    target = 0.2 + 0.6 * torch.rand(1, 3, 12, 10)
    start = torch.rand_like(target)
    curves = []
    for scale in (1.0, 1e-6):
        loss = wavy(target)
        steps = list(descend(start, lambda x, s=scale, f=loss: s * f(x), 60))
        curves.append([step.loss / scale for step in steps])
        assert curves[-1][-1] < 1e-3 * curves[-1][0]
    assert len(curves[0]) == len(curves[1]) == 60


def test_one_evaluation_an_iteration_and_the_start_stays():
    calls, start = [], torch.full((1, 3, 8, 8), 0.5).to(memory_format=torch.channels_last)
    before = start.clone()

    def loss(picture: Tensor) -> Tensor:
        calls.append(picture.shape)
        return (picture - 0.1).square().mean()

    assert [step.number for step in descend(start, loss, 7)] == list(range(1, 8))
    assert len(calls) == 7
    assert torch.equal(start, before)


def test_the_first_step_is_one_percent():
    picture = torch.full((1, 3, 8, 8), 0.5)
    step = next(iter(descend(picture, lambda x: 1e9 * (x - 0.1).square().mean(), 1)))
    assert (step.picture - picture).abs().mean().item() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_loss_makes_a_picture_of_nan(optimizer, value):
    def loss(picture: Tensor) -> Tensor:
        calls.append(1)
        return (picture - 0.2).square().mean() * (value if len(calls) % 3 == 0 else 1)

    calls: list[int] = []
    start = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    steps = list(descend(start, loss, 40, optimizer=optimizer))
    assert all(step.picture.isfinite().all() for step in steps)
    assert (steps[-1].picture - 0.2).abs().mean() < (start - 0.2).abs().mean()
    only = list(descend(start, lambda x: value * x.sum(), 3, optimizer=optimizer))
    assert torch.equal(only[-1].picture, start)


def test_goes_back_from_where_the_loss_is_far_larger():
    """Beyond 0.6 there is a cliff, and the slope on this side leads over it."""

    def loss(picture: Tensor) -> Tensor:
        mean = picture.mean()
        return 2 - mean + (100 * (mean - 0.6) if mean > 0.6 else 0)

    steps = list(descend(torch.full((1, 3, 8, 8), 0.5), loss, 60))
    assert 0.55 < steps[-1].picture.mean() < 0.65
    assert min(step.loss for step in steps) < 1.45


def test_a_state_that_is_kept_continues_to_the_bit(one_thread):
    torch.manual_seed(0)
    loss = wavy(torch.rand(1, 3, 9, 9))

    def run(picture: torch.nn.Parameter, optimizer: PictureLBFGS, count: int) -> None:
        def closure() -> float:
            optimizer.zero_grad()
            value = loss(picture)
            value.backward()
            return float(value.detach())

        for _ in range(count):
            optimizer.step(closure)

    whole = torch.nn.Parameter(torch.full((1, 3, 9, 9), 0.5))
    half = torch.nn.Parameter(whole.detach().clone())
    run(whole, PictureLBFGS([whole]), 30)
    first = PictureLBFGS([half])
    run(half, first, 13)
    resumed = torch.nn.Parameter(half.detach().clone())
    second = PictureLBFGS([resumed])
    second.load_state_dict(first.state_dict())
    run(resumed, second, 17)
    assert torch.equal(whole, resumed)


def test_refuses_other_optimisers():
    picture = torch.nn.Parameter(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ZooError, match="'sgd'"):
        make_optimizer(picture, "sgd")
    with pytest.raises(ZooError, match="above 0"):
        make_optimizer(picture, "adam", 0.0)
