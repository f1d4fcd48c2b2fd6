from __future__ import annotations

import pytest
import torch
from torch.optim import SGD

from zoo.base.errors import ZooError
from zoo.nn.schedule import WarmupPolyLR

PEAKS = (0.4, 0.1)


def optimizer() -> SGD:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": peak} for peak in PEAKS]
    return SGD(groups, lr=1.0)


def rates(scheduler: WarmupPolyLR, steps: int) -> list[list[float]]:
    """The rates of every group, at each of the next steps."""
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
    late.set_length(20, 0)
    assert rates(late, 20) == rates(early, 20)


def test_a_length_that_was_given_stays():
    scheduler = WarmupPolyLR(optimizer(), 20)
    scheduler.set_length(7, 0)
    assert scheduler.total_steps == 20


def resumed(state: dict, peaks: dict) -> WarmupPolyLR:
    """A schedule that is restored as Lightning does it."""
    second = WarmupPolyLR(optimizer())
    second.load_state_dict(state)
    second.optimizer.load_state_dict(peaks)
    return second


@pytest.mark.parametrize(
    ("total", "step"),
    [(20, 8), (40, 8), (40, 16), (10, 4)],
    ids=["the same", "longer", "half the devices", "twice the devices"],
)
@pytest.mark.parametrize("old", [False, True])
def test_a_resumed_schedule_has_the_rates_of_the_run_as_it_goes_on(total: int, step: int, old: bool):
    """Also from a state that says how long the run was to be, as older ones do."""
    first = WarmupPolyLR(optimizer())
    first.set_length(20, 0)
    rates(first, 8)
    second = resumed({**first.state_dict(), **({"total_steps": 20} if old else {})}, first.optimizer.state_dict())
    second.set_length(total, step)
    whole = WarmupPolyLR(optimizer(), total)
    assert rates(second, total - step) == rates(whole, total)[step:]


def test_the_state_says_nothing_of_the_length_of_the_run():
    short, long = WarmupPolyLR(optimizer(), 10), WarmupPolyLR(optimizer(), 20)
    assert short.state_dict() == long.state_dict()


@pytest.mark.parametrize("wrong", [{"power": -1}, {"warmup": -0.1}, {"warmup": 1.5}])
def test_refuses_what_is_out_of_range(wrong: dict):
    with pytest.raises(ZooError, match=r"power must be 0 or more, warmup in 0\.\.1"):
        WarmupPolyLR(optimizer(), **wrong)
