"""PSNR and SSIM of super resolution over a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torchmetrics import MeanMetric

from zoo.nn.metrics.super_resolution import psnr, ssim


class _LumaMean(MeanMetric):
    """Mean over pictures of a figure of each.

    Shapes: ``update`` takes prediction and target, RGB in 0..1 ``(B, 3, H, W)``.

    Args:
        crop: pixels at each border that do not count.
    """

    figure: Callable[..., Tensor]

    def __init__(self, crop: int = 4, **kwargs: Any) -> None:
        super().__init__("disable", **kwargs)  # no check for NaN, which makes the mean NaN
        self.crop = crop

    def update(self, prediction: Tensor, target: Tensor) -> None:  # type: ignore[override]
        super().update(type(self).figure(prediction, target, crop=self.crop))


class LumaPSNR(_LumaMean):
    """Mean of :func:`zoo.nn.metrics.super_resolution.psnr` over pictures, dB; infinite if one of them is reproduced."""

    figure = staticmethod(psnr)


class LumaSSIM(_LumaMean):
    """Mean of :func:`zoo.nn.metrics.super_resolution.ssim` over pictures."""

    figure = staticmethod(ssim)
