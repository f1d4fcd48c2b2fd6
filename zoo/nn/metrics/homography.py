"""How far a homography is off."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def corner_error(estimate: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of the four corners from where they belong: ``(..., 4, 2)`` twice -> ``(...)``, pixels."""
    return torch.linalg.vector_norm(estimate - truth, dim=-1).mean(-1)


class MeanAverageCornerError(Metric):
    r"""Mean average corner error (MACE), in the pixels of the corners it is given.

    .. math:: \frac{1}{N} \sum_{i=1}^{N} \frac{1}{4} \sum_{k=1}^{4} \lVert \hat{c}_{ik} - c_{ik} \rVert_2

    over pairs i and corners k. Corners are those of the first patch in the second, or their offsets from where they
    lie in the first, which gives the same. The figure depends on how the pairs were made: it belongs to a protocol
    (:mod:`zoo.data.pairs`), and to the size of the patches. Protocol B: patches of 128 pixels, corners that move by up
    to 32 in x and y; answering "nothing moved" scores about 24.9 there.

    Shapes: ``update`` takes estimate and truth ``(B, 4, 2)``, float, pixels; ``compute`` gives a scalar, NaN before the
    first update. States are summed over processes.
    """

    is_differentiable = True
    higher_is_better = False
    full_state_update = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.total: Tensor
        self.count: Tensor
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, estimate: Tensor, truth: Tensor) -> None:
        if estimate.shape != truth.shape or estimate.shape[-2:] != (4, 2):
            raise ValueError(f"corners are (B, 4, 2), not {tuple(estimate.shape)} and {tuple(truth.shape)}")
        errors = corner_error(estimate.float(), truth.float())
        self.total += errors.sum()
        self.count += errors.numel()

    def compute(self) -> Tensor:
        return self.total / self.count
