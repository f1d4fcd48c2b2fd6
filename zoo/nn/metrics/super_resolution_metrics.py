"""PSNR and SSIM of super resolution over a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from zoo.nn.metrics.mean import SampleMean
from zoo.nn.metrics.super_resolution import psnr, ssim


class _LumaMean(SampleMean):
    """Mean over pictures of a figure of each.

    Shapes: ``update`` takes prediction and target, RGB in 0..1 ``(B, 3, H, W)``.

    Args:
        crop: pixels at each border that do not count.
    """

    is_differentiable = False  # for the pictures are rounded
    higher_is_better = True
    figure: Callable[..., Tensor]

    def __init__(self, crop: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crop = crop

    def update(self, prediction: Tensor, target: Tensor) -> None:
        self.add(type(self).figure(prediction, target, crop=self.crop))


class LumaPSNR(_LumaMean):
    """Mean of :func:`zoo.nn.metrics.super_resolution.psnr` over pictures, dB; infinite if one of them is reproduced."""

    figure = staticmethod(psnr)


class LumaSSIM(_LumaMean):
    """Mean of :func:`zoo.nn.metrics.super_resolution.ssim` over pictures."""

    figure = staticmethod(ssim)
    plot_upper_bound = 1.0
