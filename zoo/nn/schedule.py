"""Learning-rate schedules that learn the length of the run from the trainer."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from zoo.base.errors import ZooError


class WarmupPolyLR(LRScheduler):
    """Linear warm-up, then polynomial decay to zero (Chen et al., 2017, https://arxiv.org/abs/1606.00915), by step.

    The length of the run is no part of the state: a run that is resumed may be made longer, or go on with another
    number of devices.

    Args:
        optimizer: whose learning rates are the peaks.
        total_steps: optimiser steps of the run. None: :meth:`set_length` says it before the first step.
        warmup: share of the run that warms up.
        power: of the decay.

    Raises:
        ZooError: a share or power out of its range.
    """

    LENGTH = ("total_steps", "ahead", "told")  # of the run, not of the state

    def __init__(
        self, optimizer: Optimizer, total_steps: int | None = None, warmup: float = 0.05, power: float = 0.9
    ) -> None:
        if power < 0 or not 0 <= warmup <= 1:
            raise ZooError(f"WarmupPolyLR: power is 0 or more, warmup in 0..1, not {power} and {warmup}")
        self.total_steps, self.warmup, self.power = total_steps, warmup, power
        self.told, self.ahead = total_steps is not None, 0
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        total, step = self.total_steps or 1, self.last_epoch + self.ahead
        done = min(step / total, 1.0)
        rise = min(1.0, (step + 1) / max(self.warmup * total, 1.0))
        return [lr * rise * (1 - done) ** self.power for lr in self.base_lrs]

    def set_length(self, total_steps: int, step: int) -> None:
        """Tells how long the run is, unless the constructor was told.

        Args:
            total_steps: optimiser steps of the whole run, as it is trained now.
            step: of these at which the run is now. It is not the number of steps that were made where the run began on
                another number of devices.
        """
        if self.told:
            return
        self.total_steps, self.ahead = total_steps, step - self.last_epoch
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        return {key: value for key, value in super().state_dict().items() if key not in self.LENGTH}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key not in self.LENGTH})
