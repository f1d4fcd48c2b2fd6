"""Convolutions that pad by reflection, so that no border is drawn, and are fast on CPUs where channels come last."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zoo.nn.mode import tracing

LAST = torch.channels_last


class ReflectConv2d(nn.Conv2d):
    """A convolution that pads by reflection.

    ``(B, inputs, H, W)`` -> ``(B, outputs, H / stride, W / stride)``, rounded up.

    Args:
        kernel: its side, odd; H and W are more than half of it.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = False) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, padding_mode="reflect", bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if tracing() or x.device.type != "cpu":
            return super().forward(x)
        return F.conv2d(_Reflected.apply(x, self.kernel_size[0] // 2), self.weight, self.bias, self.stride)


class BlockConv2d(ReflectConv2d):
    """The same for few outputs, such as RGB, which do not fill the vectors of a processor: a block of pixels at a time.

    That is a convolution whose stride is the block, with the outputs of all its pixels and a kernel that is larger by
    their distance. It multiplies more (1.8 times as often for 9x9) and is faster. H and W are multiples of ``BLOCK``.
    """

    BLOCK = 4

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = False) -> None:
        super().__init__(inputs, outputs, kernel, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if tracing() or x.device.type != "cpu":
            return super().forward(x)
        places = range(self.BLOCK)
        shifted = [F.pad(self.weight, (j, self.BLOCK - 1 - j, i, self.BLOCK - 1 - i)) for i in places for j in places]
        kernel = torch.stack(shifted, 1).flatten(0, 1).contiguous(memory_format=LAST)
        y = F.conv2d(_Reflected.apply(x, self.kernel_size[0] // 2), kernel, stride=self.BLOCK)
        y = F.pixel_shuffle(y, self.BLOCK)
        return y if self.bias is None else y + self.bias[:, None, None]


class UpsampledConv2d(nn.Conv2d):
    """Nearest-neighbour upsampling by 2 and a 3x3 convolution padded by reflection, in 4/9 of the multiply-adds.

    ``(B, inputs, H, W)`` -> ``(B, outputs, 2H, 2W)``. Of the nine pixels under the kernel, several are copies of one:
    there are but 2x2 different ones, for each of the four places that a pixel of the output can have among them. So
    this is a 2x2 convolution of the small picture, with four times the outputs and sums of the kernel's values.
    """

    taps: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, bias=False)
        # place of the output, pixel of the small picture, value of the kernel; likewise of rows and of columns
        taps = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]])
        self.register_buffer("taps", taps, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        inputs, outputs = self.in_channels, self.out_channels
        taps = self.taps.to(self.weight)
        kernel = torch.einsum("oiyx,pay,qbx->opqiab", self.weight, taps, taps).reshape(4 * outputs, inputs, 2, 2)
        x = F.pad(x, (1, 1, 1, 1), "replicate")  # what reflection of the upsampled picture comes to
        y = F.pixel_shuffle(F.conv2d(x, kernel.contiguous(memory_format=LAST)), 2)
        return y[:, :, 1:-1, 1:-1]


def reflected(x: Tensor, margin: int) -> Tensor:
    """``(B, C, H, W)`` with ``margin`` more pixels on each side, channels last: torch's own is slower there."""
    batch, channels, height, width = x.shape
    size = (batch, channels, height + 2 * margin, width + 2 * margin)
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=LAST)
    rows = y[:, :, margin : margin + height]
    rows[..., margin : margin + width] = x
    rows[..., :margin] = x[..., 1 : margin + 1].flip(3)
    rows[..., margin + width :] = x[..., width - margin - 1 : width - 1].flip(3)
    y[:, :, :margin] = rows[:, :, 1 : margin + 1].flip(2)
    y[:, :, margin + height :] = rows[:, :, height - margin - 1 : height - 1].flip(2)
    return y


class _Reflected(torch.autograd.Function):
    """:func:`reflected` and its gradient, each in a copy and what the margins cost."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, margin: int) -> Tensor:
        ctx.margin = margin
        return reflected(x, margin)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        margin, (height, width) = ctx.margin, (side - 2 * ctx.margin for side in gradient.shape[2:])
        rows = gradient[:, :, margin : margin + height].clone(memory_format=LAST)
        rows[:, :, 1 : margin + 1] += gradient[:, :, :margin].flip(2)
        rows[:, :, height - margin - 1 : height - 1] += gradient[:, :, margin + height :].flip(2)
        own = rows[..., margin : margin + width].clone(memory_format=LAST)
        own[..., 1 : margin + 1] += rows[..., :margin].flip(3)
        own[..., width - margin - 1 : width - 1] += rows[..., margin + width :].flip(3)
        return own, None
