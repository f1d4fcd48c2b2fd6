"""Averages of weights over a training."""

from __future__ import annotations

from functools import partial

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from zoo.base.errors import ZooError


class WarmupEMA(WeightAveraging):
    """Trains an exponential moving average of the weights beside these; it is what is validated and kept.

    After n steps the decay is min(decay, (1 + n) / (10 + n)): a constant one near 1 would make most of the network of
    a short training what it was at the first step.

    Args:
        decay: of a long training, 0 or more and less than 1.

    Raises:
        ZooError: another decay.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ZooError(f"WarmupEMA: decay is 0 or more and less than 1, not {decay}")
        super().__init__(multi_avg_fn=partial(_average, decay=decay))


@torch.no_grad()
def _average(averages: list[Tensor], current: list[Tensor], count: Tensor, decay: float) -> None:
    """Moves averages towards the current values, which are all of one type on one device, in place."""
    if not averages[0].is_floating_point():  # such as the number of batches of batch norm
        torch._foreach_copy_(averages, current)
        return
    kept = ((1 + count) / (10 + count)).clamp(max=decay).to(averages[0].dtype)  # a tensor, or a GPU would be waited for
    torch._foreach_mul_(averages, kept)
    torch._foreach_add_(averages, torch._foreach_mul(current, 1 - kept))
