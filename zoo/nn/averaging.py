"""Averages the weights over a training."""

from __future__ import annotations

from functools import partial

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from zoo.base.errors import ZooError


class WarmupEMA(WeightAveraging):
    """Keeps an exponential moving average of the weights, which is validated and kept.

    After n steps the decay is min(decay, (1 + n) / (10 + n)). With a constant decay near 1, the average of a short
    training would mostly consist of the initial weights.

    Args:
        decay: maximum decay, 0 or more and less than 1.

    Raises:
        ZooError: the decay is out of its range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ZooError(f"WarmupEMA: decay must be 0 or more and less than 1, not {decay}")
        super().__init__(multi_avg_fn=partial(_average, decay=decay))


@torch.no_grad()
def _average(averages: list[Tensor], current: list[Tensor], count: Tensor, decay: float) -> None:
    """Moves averages towards the current values, which are all of one type on one device, in place."""
    if not averages[0].is_floating_point():  # such as batch norm's counter of batches
        torch._foreach_copy_(averages, current)
        return
    kept = ((1 + count) / (10 + count)).clamp(max=decay).to(averages[0].dtype)  # a tensor: a number waits for the GPU
    torch._foreach_mul_(averages, kept)
    torch._foreach_add_(averages, torch._foreach_mul(current, 1 - kept))
