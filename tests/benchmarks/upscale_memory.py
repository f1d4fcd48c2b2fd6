"""Memory of enlarging by `perceptual_sr`: of the network by pixels of its input, and of a whole run with `--photo`.

python tests/benchmarks/upscale_memory.py
python tests/benchmarks/upscale_memory.py --photo 6000x4000 --channels 8 --blocks 1
"""

import argparse
import ctypes
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from zoo.engines.torch import TorchEngine
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.models.perceptual_sr.predict import Upscaler
from zoo.pictures.tensors import to_array

SIZES = {"compact": (192, 384), "paper": (96, 192)}


def resident(which: str) -> int:
    """``VmRSS``, the resident memory now, or ``VmHWM``, its peak, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(which))


def peak(net: PerceptualSR, side: int) -> int:
    """Bytes by which a forward pass over a square and its rounding to 8 bits raise the resident memory."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    with torch.inference_mode():
        to_array(net(torch.rand(1, 3, side, side).contiguous(memory_format=torch.channels_last))[0])
    return resident("VmHWM") - before


def table() -> None:
    print("network, channels: measured bytes a pixel at sides, formula")
    for network, sides in SIZES.items():
        for channels in (8, 16, 32, 64, 96):
            net = PerceptualSR(network, channels=channels).eval()
            peak(net, 32)
            measured = ", ".join(f"{peak(net, side) / side**2:,.0f} at {side}" for side in sides)
            print(f"{network:<13} {channels:>3}: {measured}; {net.bytes_a_pixel:,}", flush=True)


def photo(width: int, height: int, net: PerceptualSR) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        y, x = np.mgrid[:height, :width].astype(np.uint16)
        Image.fromarray(np.stack([(x ^ y) & 255, x & 255, y & 255], -1).astype(np.uint8)).save(path)
        del x, y
        Path("/proc/self/clear_refs").write_text("5")
        start = time.perf_counter()
        result = net.predict(path)
        done, enlarged = time.perf_counter(), resident("VmHWM")
        result.save(Path(folder) / "photo")
        saved = time.perf_counter()
        tile = Upscaler(TorchEngine(net), **net.facts()).tile_side(result.source, "auto")
        print(f"{width}x{height} by parts of {tile}: enlarged in {done - start:.0f} s, saved in {saved - done:.0f} s")
        print(f"peak of resident memory {enlarged / 1e9:.2f} GB, with saving {resident('VmHWM') / 1e9:.2f} GB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--photo", metavar="WxH")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--blocks", type=int)
    options = parser.parse_args()
    if options.photo:
        size = [int(side) for side in options.photo.split("x")]
        photo(*size, PerceptualSR(channels=options.channels, blocks=options.blocks).eval())
    else:
        table()
