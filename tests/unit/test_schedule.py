from __future__ import annotations

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from zoo.nn.schedule import WarmupPolyLR, set_total_steps

PEAKS = (0.4, 0.1)


def optimizer() -> SGD:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": peak} for peak in PEAKS]
    return SGD(groups, lr=1.0)


def rates(scheduler: WarmupPolyLR, steps: int) -> list[list[float]]:
    """Of every group, at each of the next steps."""
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return seen


def by_hand(step: int, total: int, warmup: float, power: float) -> float:
    rise = min(1, (step + 1) / max(warmup * total, 1))
    return rise * (1 - step / total) ** power


@pytest.mark.parametrize(("warmup", "power"), [(0.05, 0.9), (0.25, 2.0), (0.0, 1.0)])
def test_is_the_formula(warmup: float, power: float):
    seen = rates(WarmupPolyLR(optimizer(), 40, warmup, power), 40)
    for step, lrs in enumerate(seen):
        assert lrs == pytest.approx([peak * by_hand(step, 40, warmup, power) for peak in PEAKS])


def test_ends_at_zero_and_stays_there():
    scheduler = WarmupPolyLR(optimizer(), 10)
    rates(scheduler, 10)
    assert rates(scheduler, 3) == [[0, 0]] * 3


def test_the_length_of_the_run_may_come_later():
    """The first step too, which is a quarter of the peak, has the rate of that length."""
    early, late = WarmupPolyLR(optimizer(), 20, warmup=0.2), WarmupPolyLR(optimizer(), warmup=0.2)
    set_total_steps(late, 20)
    assert rates(late, 20) == rates(early, 20)


def test_a_length_that_was_given_stays():
    scheduler = WarmupPolyLR(optimizer(), 20)
    set_total_steps(scheduler, 7)
    assert scheduler.total_steps == 20


def test_other_schedules_are_left_alone():
    scheduler = StepLR(optimizer(), 3)
    before = scheduler.state_dict()
    set_total_steps(scheduler, 7)
    assert scheduler.state_dict() == before


@pytest.mark.parametrize("told_first", [True, False])
def test_a_resumed_schedule_goes_on_where_it_was(told_first: bool):
    """Lightning tells the length of the run before it restores the state, which knows better."""
    whole = WarmupPolyLR(optimizer(), 20)
    expected = rates(whole, 20)
    first = WarmupPolyLR(optimizer(), 20)
    rates(first, 8)
    second = WarmupPolyLR(optimizer())
    if told_first:
        set_total_steps(second, 99)
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    if not told_first:
        set_total_steps(second, 99)
    assert rates(second, 12) == expected[8:]
