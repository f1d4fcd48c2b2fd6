"""Seconds of `fast_style` a picture in float32, beside the same network for one style of torch's own layers.

The network has ten styles and paints in the first; torch's own layers have channels first and that style alone.

python tests/benchmarks/fast_style_speed.py [--threads 2] [--rounds 5] [--sizes 256x192 ...]
python tests/benchmarks/fast_style_speed.py --memory
"""

import argparse
import copy
import ctypes
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from zoo.models.fast_style.memory import bytes_a_pixel, strips_bytes
from zoo.models.fast_style.net import FastStyle, ResidualBlock, StyleScale
from zoo.models.fast_style.strips import stylize_by_strips
from zoo.nn.cpu import UpsampledConv2d
from zoo.nn.instance_norm import ConditionalInstanceNorm
from zoo.nn.squash import squashed

SIZES = ("256x256", "512x512", "1920x1080")
WIDTHS = (16, 24, 32)
ROWS = 64  # rows of a strip
STYLES = [f"style_{i}" for i in range(10)]
FIRST = np.eye(len(STYLES), dtype=np.float32)[0]  # weights of the first style


class Plain(nn.Module):
    """A network for one style as it is mostly written: torch's own layers, channels first."""

    def __init__(self, net: FastStyle) -> None:
        super().__init__()
        self.layers = nn.Sequential(*map(written_out, net.layers))
        matrix = nn.Conv2d(3, 3, 1, bias=False)
        matrix.load_state_dict({"weight": net.recolor.weight[0].view(3, 3, 1, 1)})
        self.recolor = nn.Sequential(written_out(net.recolor.norm), matrix)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = x - 0.5
        return squashed(self.layers(x) + self.recolor(x))


class PlainBlock(nn.Module):
    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.layers = nn.Sequential(*map(written_out, block.layers))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class PlainScale(nn.Module):
    """Scales and shifts channels, as the style does before the last layer."""

    def __init__(self, layer: StyleScale) -> None:
        super().__init__()
        self.weight, self.bias = (nn.Parameter(each[0, :, None, None].clone()) for each in (layer.weight, layer.bias))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.bias


def written_out(module: nn.Module) -> nn.Module:
    """A layer for the first style, by torch's own."""
    if isinstance(module, ResidualBlock):
        return PlainBlock(module)
    if isinstance(module, StyleScale):
        return PlainScale(module)
    if isinstance(module, ConditionalInstanceNorm):
        norm = nn.InstanceNorm2d(module.channels, module.eps, affine=True)
        norm.load_state_dict({"weight": module.weight[0], "bias": module.bias[0]})
        return norm
    if not isinstance(module, nn.Conv2d):
        return copy.deepcopy(module)
    size, bias, enlarges = module.kernel_size[0], module.bias is not None, isinstance(module, UpsampledConv2d)
    span, inputs, outputs = module.dilation[0] * (size // 2), module.in_channels, module.out_channels
    padding, mode = (0, "zeros") if enlarges else (span, "reflect")
    conv = nn.Conv2d(inputs, outputs, size, module.stride, padding, module.dilation, padding_mode=mode, bias=bias)
    conv.load_state_dict(module.state_dict())
    conv.to(memory_format=torch.contiguous_format)
    if not enlarges:
        return conv
    beyond = (size + 3) // 4  # of the small picture, repeated before it is enlarged
    crop = nn.ZeroPad2d(span - 2 * beyond)
    return nn.Sequential(nn.ReplicationPad2d(beyond), nn.Upsample(scale_factor=2, mode="bilinear"), crop, conv)


def picture(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x ^ y, x, y], -1).astype(np.uint8))


def seconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Medians, measured in turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def speed(rounds: int, sizes: list[str]) -> None:
    print("channels, size: ms of the network, by strips, and plain; plain / network")
    for channels in WIDTHS:
        torch.manual_seed(0)
        net = FastStyle(STYLES, channels).eval()
        other = Plain(net)
        for width, height in (map(int, size.split("x")) for size in sizes):
            source = picture(width, height)
            x = torch.from_numpy(np.array(source)).permute(2, 0, 1)[None] / 255  # channels last
            first = x.contiguous()
            with torch.inference_mode():
                assert (net(x) - other(first)).abs().max() < 1e-3
                calls = {
                    "network": lambda net=net, x=x: net(x),
                    "strips": lambda net=net, source=source: stylize_by_strips(net, source, FIRST, ROWS),
                    "plain": lambda other=other, x=first: other(x),
                }
                found = seconds(calls, rounds)
            ms = ", ".join(f"{1000 * value:,.0f}" for value in found.values())
            print(f"{channels:>2}, {width}x{height}: {ms}; {found['plain'] / found['network']:.2f}", flush=True)


def resident(which: str) -> int:
    """``VmRSS``, the resident memory now, or ``VmHWM``, its peak, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(which))


def peak(call: Callable[[], object]) -> int:
    """Bytes by which a call raises the resident memory."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    call()
    return resident("VmHWM") - before


def memory() -> None:
    print("channels, size: measured bytes a pixel of the whole and formula; of strips and formula")
    for channels in (4, 8, *WIDTHS):
        net = FastStyle(STYLES, channels).eval()
        with torch.inference_mode():
            net(torch.rand(1, 3, 64, 64))
            for width, height in ((640, 480), (1280, 960)):
                source, pixels = picture(width, height), width * height
                x = torch.from_numpy(np.array(source)).permute(2, 0, 1)[None] / 255
                whole = peak(lambda net=net, x=x: net(x)) / pixels
                del x
                strips = peak(lambda net=net, source=source: stylize_by_strips(net, source, FIRST, ROWS)) / pixels
                kept = strips_bytes(channels, (width, height), ROWS) / pixels
                formula = bytes_a_pixel(channels)
                print(f"{channels:>2}, {width}x{height}: {whole:,.0f}, {formula:,}; {strips:,.0f}, {kept:,.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    memory() if options.memory else speed(options.rounds, options.sizes)
