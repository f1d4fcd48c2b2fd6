"""PSNR and SSIM of super resolution over a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.nn.metrics.super_resolution import psnr, ssim


class _LumaMean(Metric):
    """Mean over pictures of a figure of each; NaN before the first. States are summed over processes.

    Shapes: ``update`` takes prediction and target, RGB in 0..1 ``(B, 3, H, W)``; ``compute`` gives a scalar.

    Args:
        crop: pixels at each border that do not count.
    """

    is_differentiable = False  # for the pictures are rounded
    higher_is_better = True
    full_state_update = False
    figure: Callable[..., Tensor]

    def __init__(self, crop: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crop = crop
        self.total: Tensor
        self.count: Tensor
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        figures = type(self).figure(prediction, target, crop=self.crop)
        self.total += figures.sum().to(self.total)
        self.count += len(figures)

    def compute(self) -> Tensor:
        return self.total / self.count


class LumaPSNR(_LumaMean):
    """Mean of :func:`zoo.nn.metrics.super_resolution.psnr` over pictures, dB; infinite if one of them is reproduced."""

    figure = staticmethod(psnr)


class LumaSSIM(_LumaMean):
    """Mean of :func:`zoo.nn.metrics.super_resolution.ssim` over pictures."""

    figure = staticmethod(ssim)
    plot_upper_bound = 1.0
