"""Makes networks faster on CPUs: memory, depthwise convolutions, and padding with channels last.

Each docstring names the measurement that justifies it. On other devices, and in an exported or compiled network,
torch's own layers compute.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zoo.nn.mode import counted, tracing

CHANNELS_LAST = torch.channels_last
AUTOCAST_WAS_ON = "_zoo_autocast_was_on"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # constants of glibc's malloc.h
MAX_INT = 2**31 - 1


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory instead of giving it back to the system after every tensor.

    A training step on the CPU frees and allocates gigabytes; each time the system would provide fresh pages and zero
    them. Without this function a step of LinkNet takes 1.4 times as long (`tests/benchmarks/memory.py`). No effect
    without glibc.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, MAX_INT)
    mallopt(M_TRIM_THRESHOLD, MAX_INT)


def keep_depthwise_float32(module: nn.Module) -> None:
    """Excludes depthwise convolutions with a stride or a large kernel from CPU autocast.

    oneDNN's backward pass of these convolutions is several times slower in bfloat16 than in float32, and they take a
    good part of a training step of EfficientNet-lite (`tests/benchmarks/depthwise.py`). Other depthwise convolutions
    are faster in bfloat16.
    """
    for conv in module.modules():
        if not isinstance(conv, nn.Conv2d) or not conv.groups == conv.in_channels > 1:
            continue
        if max(conv.kernel_size) > 3 or max(conv.stride) > 1:
            conv.register_forward_pre_hook(_leave_autocast)
            conv.register_forward_hook(_return_to_autocast, always_call=True)


def _leave_autocast(conv: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
    inside = inputs[0].device.type == "cpu" and torch.is_autocast_enabled("cpu")
    setattr(conv, AUTOCAST_WAS_ON, inside)
    if not inside:
        return None
    torch.set_autocast_enabled("cpu", False)
    return (inputs[0].float(),)


def _return_to_autocast(conv: nn.Module, _inputs: Any, _output: torch.Tensor) -> None:
    if getattr(conv, AUTOCAST_WAS_ON):
        torch.set_autocast_enabled("cpu", True)


class ReflectConv2d(nn.Conv2d):
    """A convolution that pads by reflection, fast where channels come last (`tests/benchmarks/fast_style_speed.py`).

    ``(B, inputs, H, W)`` -> ``(B, outputs, H / stride, W / stride)``, rounded up.

    Args:
        kernel: side of the kernel, odd; H and W are more than half of what it spans.
        dilation: distance of the pixels under the kernel.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = False, dilation: int = 1
    ) -> None:
        margin = dilation * (kernel // 2)
        super().__init__(inputs, outputs, kernel, stride, margin, dilation, padding_mode="reflect", bias=bias)
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        if tracing() or x.device.type != "cpu":
            return super().forward(x)
        return F.conv2d(_Reflected.apply(x, self.margin), self.weight, self.bias, self.stride, 0, self.dilation)


class UpsampledConv2d(nn.Conv2d):
    """Bilinear upsampling by 2 and a convolution, as one convolution of the small picture.

    ``(B, inputs, H, W)`` -> ``(B, outputs, 2H, 2W)``. The pixels under the kernel are mixtures of few small pixels, of
    3x3 for a kernel of 3x3, so that each of the four positions of an output pixel has a kernel of sums. No large
    picture is made, which is faster on every device (`tests/benchmarks/fast_style_speed.py`). The pixels at the border
    are repeated beyond it.

    Nearest-neighbour upsampling, which is cheaper, makes stairs of a slope; a kernel that sharpens makes teeth of them.

    Args:
        kernel: side of the kernel, odd.
    """

    taps: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, bias: bool = False) -> None:
        super().__init__(inputs, outputs, kernel, bias=bias)
        self.beyond = (kernel + 3) // 4  # small pixels that the kernel reaches on each side
        self.register_buffer("taps", self._taps(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (self.beyond,) * 4, "replicate")
        if counted():
            crop = slice(2 * self.beyond - self.kernel_size[0] // 2, -(2 * self.beyond - self.kernel_size[0] // 2))
            large = F.interpolate(x, scale_factor=2, mode="bilinear")[:, :, crop, crop]
            return F.conv2d(large, self.weight, self.bias)
        taps = self.taps.to(self.weight)
        kernel = torch.einsum("oiyx,pay,qbx->opqiab", self.weight, taps, taps).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return conv_to_pixels(x, kernel, 2, bias)

    def _taps(self) -> Tensor:
        """Weights of small pixels: (position of the output pixel, small pixel, pixel under the kernel), of one side."""
        kernel, last = self.kernel_size[0], 2 * self.beyond
        taps = torch.zeros(2, last + 1, kernel)
        for position in range(2):
            for k in range(kernel):
                row = position + k - kernel // 2  # of the large picture, from the first of the small pixel's two
                small = (row - 1) // 2 + self.beyond
                taps[position, small, k], taps[position, small + 1, k] = (0.75, 0.25) if row % 2 else (0.25, 0.75)
        return taps


def conv_to_pixels(x: Tensor, kernel: Tensor, scale: int, bias: Tensor | None = None, *, stride: int = 1) -> Tensor:
    """A convolution whose outputs are then shuffled to ``scale`` x ``scale`` pixels, as by ``F.pixel_shuffle``.

    The shuffle is slow with channels last, unless the channels of a pixel follow each other
    (`tests/benchmarks/resize_speed.py`), so the kernel's order is changed instead.
    """
    if tracing() or x.device.type != "cpu":
        return F.pixel_shuffle(F.conv2d(x, kernel, bias, stride), scale)
    places, channels = scale * scale, kernel.shape[0] // scale**2
    kernel = kernel.reshape(channels, places, *kernel.shape[1:]).transpose(0, 1).flatten(0, 1)
    bias = None if bias is None else bias.reshape(channels, places).T.flatten()
    y = F.conv2d(x, kernel.contiguous(memory_format=CHANNELS_LAST), bias, stride).permute(0, 2, 3, 1)
    batch, height, width, _ = y.shape
    rows = y.reshape(batch, height, width, scale, scale * channels).transpose(2, 3)
    return rows.reshape(batch, scale * height, scale * width, channels).permute(0, 3, 1, 2)


def reflected(x: Tensor, margin: int) -> Tensor:
    """Pads ``(B, C, H, W)`` by ``margin`` reflected pixels on each side, faster than torch with channels last."""
    batch, channels, height, width = x.shape
    size = (batch, channels, height + 2 * margin, width + 2 * margin)
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=CHANNELS_LAST)
    rows = y[:, :, margin : margin + height]
    rows[..., margin : margin + width] = x
    rows[..., :margin] = x[..., 1 : margin + 1].flip(3)
    rows[..., margin + width :] = x[..., width - margin - 1 : width - 1].flip(3)
    y[:, :, :margin] = rows[:, :, 1 : margin + 1].flip(2)
    y[:, :, margin + height :] = rows[:, :, height - margin - 1 : height - 1].flip(2)
    return y


class _Reflected(torch.autograd.Function):
    """:func:`reflected` and its gradient; each costs one copy and the margins."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, margin: int) -> Tensor:
        ctx.margin = margin
        return reflected(x, margin)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        margin, (height, width) = ctx.margin, (side - 2 * ctx.margin for side in gradient.shape[2:])
        rows = gradient[:, :, margin : margin + height].clone(memory_format=CHANNELS_LAST)
        rows[:, :, 1 : margin + 1] += gradient[:, :, :margin].flip(2)
        rows[:, :, height - margin - 1 : height - 1] += gradient[:, :, margin + height :].flip(2)
        own = rows[..., margin : margin + width].clone(memory_format=CHANNELS_LAST)
        own[..., 1 : margin + 1] += rows[..., :margin].flip(3)
        own[..., width - margin - 1 : width - 1] += rows[..., margin + width :].flip(3)
        return own, None
