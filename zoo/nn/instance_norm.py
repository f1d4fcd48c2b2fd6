"""Instance norm with the vectors of several styles, fast on CPUs with channels last."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zoo.nn.mode import tracing

CHANNELS_LAST = torch.channels_last


class ConditionalInstanceNorm(nn.Module):
    """Normalises each channel of each picture, then scales and shifts it by the style (Dumoulin et al., 2017).

    Paper: https://arxiv.org/abs/1610.07629. Styles are blended by the weights of a mixture, since a weighted mean of
    the vectors of two styles paints between them. One style is instance norm (https://arxiv.org/abs/1607.08022).

    Args:
        channels: number C of channels of input and output ``(B, C, H, W)``; the output has channels last in memory.
        styles: number S of styles, each with a vector ``weight[s]`` and ``bias[s]``.
        eps: variance that is added to each channel's.
    """

    def __init__(self, channels: int, styles: int = 1, eps: float = 1e-5) -> None:
        super().__init__()
        self.channels, self.eps = channels, eps
        self.weight = nn.Parameter(torch.ones(styles, channels))
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, mix: Tensor) -> Tensor:
        """Takes the weights of the styles for each picture, ``(B, S)``."""
        weight, bias = blended_vectors(mix, self.weight), blended_vectors(mix, self.bias)
        if tracing():
            return normalized(x, *statistics_by_rows(x), weight, bias, self.eps)
        if x.device.type != "cpu":
            # torch's own layer returns channels first, and convolutions after it would then cost more than this copy
            y = F.instance_norm(x, eps=self.eps)
            y = torch.addcmul(bias[..., None, None], y, weight[..., None, None])
            return y.contiguous(memory_format=CHANNELS_LAST)
        # Batch norm of one picture computes the same, and its CPU kernel supports channels last. The kernel of instance
        # norm does not (https://github.com/pytorch/pytorch/pull/194616): it is slow, as measured by
        # tests/benchmarks/fast_style_speed.py, and its gradients of one picture are wrong.
        x = x.contiguous(memory_format=CHANNELS_LAST)
        weight, bias = (each.to(torch.promote_types(x.dtype, torch.float32)) for each in (weight, bias))
        parts = zip(torch.split(x, 1), weight, bias, strict=True)
        pictures = [_Normalized.apply(one, scale, shift, self.eps) for one, scale, shift in parts]
        return pictures[0] if len(pictures) == 1 else torch.cat(pictures)

    def normalize(self, x: Tensor, mix: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Normalises by given statistics ``(B, C)``, such as the statistics of the whole picture if x is a tile."""
        weight, bias = blended_vectors(mix, self.weight), blended_vectors(mix, self.bias)
        return normalized(x, mean, variance, weight, bias, self.eps)


def blended_vectors(mix: Tensor, vectors: Tensor) -> Tensor:
    """Sums ``(B, C)`` of the vectors of styles ``(S, C)`` by weights ``(B, S)``.

    Not a matrix product, which autocast would compute in 16 bits.
    """
    return (mix[..., None] * vectors).sum(1)


def normalized(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalises x ``(B, C, H, W)`` by statistics, and scales and shifts it by vectors, each ``(B, C)``."""
    scale = weight * torch.rsqrt(variance + eps).to(x)
    shift = bias - mean.to(x) * scale
    return torch.addcmul(shift[..., None, None], x, scale[..., None, None])


def statistics_by_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance ``(B, C)`` of x ``(B, C, H, W)`` for runtimes: of each row of pixels first, then of the rows.

    Runtimes add up in float32: at 512x384 pixels ONNX's own norm is off by 1e-4 in ONNX Runtime, by 1e-3 in
    OpenVINO and by 8e-3 in OpenCV 4. OpenVINO would fuse two sums that directly follow each other.
    """
    row = x.mean(3, keepdim=True)
    mean = row.mean(2, keepdim=True)
    variance = ((x - row).square().mean(3, keepdim=True) + (row - mean).square()).mean(2, keepdim=True)
    return mean.flatten(1), variance.flatten(1)


class _Normalized(torch.autograd.Function):
    """One picture ``(1, C, H, W)``, channels last, normalised by its own :func:`statistics`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        mean, variance = (each.to(weight) for each in statistics(x))
        ctx.eps = eps
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps))
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        gradient, wanted = gradient.contiguous(memory_format=CHANNELS_LAST), list(ctx.needs_input_grad[:3])
        backward = torch.ops.aten.native_batch_norm_backward
        return *backward(gradient, x, weight, None, None, mean, scale, True, ctx.eps, wanted), None


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the channels of one picture ``(1, C, H, W)``, channels last: float32 ``(C,)``.

    Computed by batch norm's kernel, which adds pixel after pixel and so is off by 2e-3 after 1024x1024 pixels. Here it
    gets each column of pixels as a channel, and the statistics of the columns are then combined.
    """
    _, channels, height, width = x.shape
    columns = x.permute(0, 2, 3, 1).reshape(height, width * channels)
    precise = torch.zeros(width * channels, dtype=torch.promote_types(x.dtype, torch.float32))  # not 16 bits like x
    mean, variance = torch.batch_norm_update_stats(columns, precise, precise.clone(), 0.0)
    mean, variance = mean.view(width, channels), variance.view(width, channels)
    between, center = torch.var_mean(mean, 0, correction=0)
    return center, variance.mean(0) + between


def sums(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of the values and of their squares, each ``(B, C)``, of x ``(B, C, H, W)``."""
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # no copy where channels are last
    return pixels.sum(1), pixels.square().sum(1)
