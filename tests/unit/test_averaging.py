from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from zoo.base.errors import ZooError
from zoo.nn.averaging import WarmupEMA


def averaged(decay: float, values: list[float]) -> list[float]:
    """The average after each value of the one weight of a network."""
    net = nn.BatchNorm1d(1)
    average = AveragedModel(net, use_buffers=True, **WarmupEMA(decay)._kwargs)
    seen = []
    for number, value in enumerate(values, 1):
        net.weight.data.fill_(value)
        net.running_mean.fill_(2 * value)
        net.num_batches_tracked.fill_(number)
        average.update_parameters(net)
        assert average.module.running_mean.item() == pytest.approx(2 * average.module.weight.item())
        assert average.module.num_batches_tracked.item() == number
        seen.append(average.module.weight.item())
    return seen


def test_is_the_formula():
    values = [3.0, -1.0, 4.0, 1.0, -5.0]
    expected = values[0]
    for count, (value, seen) in enumerate(zip(values[1:], averaged(0.3, values)[1:], strict=True), 1):
        decay = min(0.3, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * value
        assert seen == pytest.approx(expected)


def test_the_average_of_a_short_training_is_not_that_of_its_start():
    """After 30 steps a constant decay of 0.997 would keep 92 % of the first."""
    assert averaged(0.997, [0.0] + [1.0] * 29)[-1] > 0.999


def test_in_a_long_training_the_decay_is_the_one_that_was_asked_for():
    values = [0.0] * 4000 + [1.0] * 100
    assert averaged(0.997, values)[-1] == pytest.approx(1 - 0.997**100, rel=1e-3)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_a_decay_that_cannot_be(decay: float):
    with pytest.raises(ZooError, match="decay must be 0 or more and less than 1"):
        WarmupEMA(decay)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_keeps_the_type_of_numbers(dtype: torch.dtype):
    net = nn.Linear(2, 2).to(dtype)
    average = AveragedModel(net, use_buffers=True, **WarmupEMA(0.9)._kwargs)
    for _ in range(3):
        average.update_parameters(net)
    assert average.module.weight.dtype == dtype
    torch.testing.assert_close(average.module.weight, net.weight)
