"""Base of metrics that are a mean."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class SampleMean(Metric):
    """The mean of a figure of each sample: a scalar, NaN before the first. States are summed over processes."""

    full_state_update = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.total: Tensor
        self.count: Tensor
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def add(self, figures: Tensor) -> None:
        """Counts figures of any shape."""
        self.total += figures.sum().to(self.total)
        self.count += figures.numel()

    def compute(self) -> Tensor:
        return self.total / self.count
