"""Learning-rate schedules that get the length of the run from the trainer."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from zoo.base.errors import ZooError


class WarmupPolyLR(LRScheduler):
    """Linear warm-up, then polynomial decay to zero (Chen et al., 2017, https://arxiv.org/abs/1606.00915), by step.

    The length of the run is not part of the state, so a resumed run may be longer or use another number of devices.

    Args:
        optimizer: optimiser; its learning rates are the peaks.
        total_steps: optimiser steps of the run. None: :meth:`set_length` sets them before the first step.
        warmup: fraction of the run that warms up, 0..1.
        power: exponent of the decay, 0 or more.

    Raises:
        ZooError: ``warmup`` or ``power`` is out of its range.
    """

    LENGTH = ("total_steps", "ahead", "told")  # attributes of the run, not part of the state

    def __init__(
        self, optimizer: Optimizer, total_steps: int | None = None, warmup: float = 0.05, power: float = 0.9
    ) -> None:
        if power < 0 or not 0 <= warmup <= 1:
            raise ZooError(f"WarmupPolyLR: power must be 0 or more, warmup in 0..1, not {power} and {warmup}")
        self.total_steps, self.warmup, self.power = total_steps, warmup, power
        self.told, self.ahead = total_steps is not None, 0
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        total, step = self.total_steps or 1, self.last_epoch + self.ahead
        done = min(step / total, 1.0)
        rise = min(1.0, (step + 1) / max(self.warmup * total, 1.0))
        return [lr * rise * (1 - done) ** self.power for lr in self.base_lrs]

    def set_length(self, total_steps: int, step: int) -> None:
        """Sets the length of the run, unless the constructor got it.

        Args:
            total_steps: optimiser steps of the whole run with the present settings.
            step: current step among these. If the run began on another number of devices, this differs from the number
                of steps made so far.
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
