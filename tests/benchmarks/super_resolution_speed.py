"""ms for 320x240 -> 1280x960 in float32: our networks, bicubic interpolation, and networks of known sizes, in turns.

python tests/benchmarks/super_resolution_speed.py [--threads 2] [--rounds 9] [--write cards/perceptual_sr_photo]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import zoo
from zoo.cards.speeds import machine_of, put_on_card
from zoo.models.evaluation import Speed
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.cost import macs

WIDTH, HEIGHT, SCALE = 320, 240, 4
OURS = "zoo PerceptualSR"


class ESPCN(nn.Sequential):
    """Shi et al., 2016 (https://arxiv.org/abs/1609.05158), but on RGB, where the paper enlarges Y and leaves colour."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 64, 5, padding=2), nn.Tanh(),
            nn.Conv2d(64, 32, 3, padding=1), nn.Tanh(),
            nn.Conv2d(32, 3 * SCALE**2, 3, padding=1), nn.PixelShuffle(SCALE),
        )  # fmt: skip


class EDSRBaseline(nn.Module):
    """Lim et al., 2017 (https://arxiv.org/abs/1707.02921): 16 residual blocks of 64 channels, two steps upwards."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, padding=1)
        self.trunk = nn.Sequential(*(EDSRBlock() for _ in range(16)), nn.Conv2d(64, 64, 3, padding=1))
        steps = [layer for _ in range(2) for layer in (nn.Conv2d(64, 256, 3, padding=1), nn.PixelShuffle(2))]
        self.last = nn.Sequential(*steps, nn.Conv2d(64, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        features = self.first(x)
        return self.last(features + self.trunk(features))


class EDSRBlock(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(64, 64, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def networks(card: Path | None) -> dict[str, nn.Module]:
    nets = {
        OURS: zoo.load(card) if card else PerceptualSR(),
        'zoo PerceptualSR, network="paper"': PerceptualSR(network="paper"),
        "ESPCN's layers, on RGB": ESPCN(),
        "EDSR-baseline's layers": EDSRBaseline(),
    }
    return {name: net.eval().to(memory_format=torch.channels_last) for name, net in nets.items()}


def contenders(nets: dict[str, nn.Module]) -> dict[str, Callable[[], object]]:
    small = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image, large = Image.fromarray(small), (SCALE * WIDTH, SCALE * HEIGHT)
    x = (torch.from_numpy(small).permute(2, 0, 1)[None] / 255).to(memory_format=torch.channels_last)
    return {
        "bicubic, Pillow, 8 bits, one thread": lambda: image.resize(large, Image.Resampling.BICUBIC),
        "bicubic, OpenCV, 8 bits": lambda: cv2.resize(small, large, interpolation=cv2.INTER_CUBIC),
        **{name: lambda net=net: net(x) for name, net in nets.items()},
    }


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", type=Path, help="card folder whose results.json takes the figures")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    nets = networks(options.write)
    work = contenders(nets)
    times: dict[str, list[float]] = {name: [] for name in work}
    for round_ in range(options.rounds + 1):
        for name, one in work.items():
            took = seconds(one)
            if round_:  # the first is the warm-up
                times[name].append(took)
    median = {name: statistics.median(found) for name, found in times.items()}
    print(f"{WIDTH}x{HEIGHT} -> x{SCALE}, {options.threads} threads, median of {options.rounds}, and the ratio to ours")
    for name, value in median.items():
        size = ""
        if net := nets.get(name):
            count = sum(parameter.numel() for parameter in net.parameters())
            size = f", {count:,} parameters, {macs(net, 3, HEIGHT, WIDTH) / 1e9:.1f} GMACs"
        print(f"{1000 * value:8.1f} ms  {value / median[OURS]:6.3f} x  {name}{size}")
    if options.write:
        machine = machine_of(torch.get_num_threads(), f"torch {torch.__version__}")
        how = f"median of {options.rounds} rounds"
        rows = [Speed(what=name, ms=round(1000 * value, 1), machine=machine, how=how) for name, value in median.items()]
        put_on_card(options.write, rows)


if __name__ == "__main__":
    main()
