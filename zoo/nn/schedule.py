"""Learning-rate schedules that learn the length of the run from the trainer."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class WarmupPolyLR(LRScheduler):
    """Linear warm-up, then polynomial decay to zero (Chen et al., 2017, https://arxiv.org/abs/1606.00915), by step.

    Args:
        optimizer: whose learning rates are the peaks.
        total_steps: optimiser steps of the run. None: :func:`set_total_steps` says it before the first step.
        warmup: share of the run that warms up.
        power: of the decay.
    """

    def __init__(
        self, optimizer: Optimizer, total_steps: int | None = None, warmup: float = 0.05, power: float = 0.9
    ) -> None:
        self.total_steps, self.warmup, self.power = total_steps, warmup, power
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        total = self.total_steps or 1
        done = min(self.last_epoch / total, 1.0)
        rise = min(1.0, (self.last_epoch + 1) / max(self.warmup * total, 1.0))
        return [lr * rise * (1 - done) ** self.power for lr in self.base_lrs]


def set_total_steps(scheduler: LRScheduler, total_steps: int) -> None:
    """Tells a schedule that asks for it how long the run is; leaves any other alone."""
    if isinstance(scheduler, WarmupPolyLR) and scheduler.total_steps is None:
        scheduler.total_steps = total_steps
        for group, lr in zip(scheduler.optimizer.param_groups, scheduler.get_lr(), strict=True):
            group["lr"] = lr
