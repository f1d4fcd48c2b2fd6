"""Backward pass of depthwise convolutions on the CPU: bfloat16 against float32, channels_last.

python tests/benchmarks/depthwise.py
"""

import time

import torch
from torch.nn.functional import conv2d

SHAPES = ((1152, 10, 14, 5, 1), (672, 20, 28, 5, 1), (144, 80, 112, 5, 2), (96, 160, 224, 3, 2), (144, 80, 112, 3, 1))


def milliseconds(channels: int, height: int, width: int, kernel: int, stride: int, dtype: torch.dtype) -> float:
    like = {"dtype": dtype, "requires_grad": True}
    x = torch.randn(8, channels, height, width, **like).to(memory_format=torch.channels_last)
    weight = torch.randn(channels, 1, kernel, kernel, **like)
    best = float("inf")
    for _ in range(5):
        y = conv2d(x, weight, stride=stride, padding=kernel // 2, groups=channels)
        gradient = torch.ones_like(y)
        start = time.perf_counter()
        torch.autograd.grad(y, (x, weight), gradient)
        best = min(best, time.perf_counter() - start)
    return 1000 * best


if __name__ == "__main__":
    for shape in SHAPES:
        half, single = milliseconds(*shape, torch.bfloat16), milliseconds(*shape, torch.float32)
        channels, height, width, kernel, stride = shape
        print(
            f"8x{channels}x{height}x{width}, {kernel}x{kernel}, stride {stride}: "
            f"bfloat16 {half:6.1f} ms, float32 {single:6.1f} ms, ratio {half / single:.1f}"
        )
