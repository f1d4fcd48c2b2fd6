"""How far a homography is off."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric


def corner_error(estimate: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of the four corners from where they belong: ``(..., 4, 2)`` twice -> ``(...)``, pixels."""
    return torch.linalg.vector_norm(estimate - truth, dim=-1).mean(-1)


class MeanAverageCornerError(MeanMetric):
    r"""Mean average corner error (MACE), in the pixels of the corners it is given.

    .. math:: \frac{1}{N} \sum_{i=1}^{N} \frac{1}{4} \sum_{k=1}^{4} \lVert \hat{c}_{ik} - c_{ik} \rVert_2

    over pairs i and corners k. Corners are those of the first patch in the second, or their offsets from where they
    lie in the first, which gives the same. The figure depends on how the pairs were made: it belongs to a protocol
    (:mod:`zoo.data.pairs`), and to the size of the patches. Protocol B: patches of 128 pixels, corners that move by up
    to 32 in x and y; answering "nothing moved" scores about 24.9 there.

    Shapes: ``update`` takes estimate and truth ``(B, 4, 2)``, float, pixels.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("disable", **kwargs)  # no check for NaN, which makes the mean NaN

    def update(self, estimate: Tensor, truth: Tensor) -> None:  # type: ignore[override]
        if estimate.shape != truth.shape or estimate.shape[-2:] != (4, 2):
            raise ValueError(f"corners are (B, 4, 2), not {tuple(estimate.shape)} and {tuple(truth.shape)}")
        super().update(corner_error(estimate.float(), truth.float()))
