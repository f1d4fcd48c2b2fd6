"""ms of LinkNet's resizes by 3 / 2 and 2 / 3 and of torch's own, and of pixel shuffles, in turns: channels last.

python tests/benchmarks/resize_speed.py
"""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.nn.cpu import CHANNELS_LAST, conv_to_pixels
from zoo.nn.resize import BilinearResize

ROUNDS = 40
HEIGHT, WIDTH = 360, 480
LARGER = (540, 720)


def forward(name: str, picture: Tensor, logits: Tensor, enlarge: BilinearResize, shrink: BilinearResize) -> Tensor:
    kernel, bias = enlarge.kernel, torch.zeros(27)
    match name:
        case "3 / 2, F.interpolate":
            return F.interpolate(picture, LARGER, mode="bilinear")
        case "3 / 2, BilinearResize":
            return enlarge(picture)
        case "2 / 3, F.interpolate":
            return F.interpolate(logits, (HEIGHT, WIDTH), mode="bilinear")
        case "2 / 3, BilinearResize":
            return shrink(logits)
        case "convolution, F.pixel_shuffle":
            return F.pixel_shuffle(F.conv2d(picture, kernel, bias, 2), 3)
        case _:
            return conv_to_pixels(picture, kernel, 3, bias, stride=2)


NAMES = (
    *(f"{ratio}, {kind}" for ratio in ("3 / 2", "2 / 3") for kind in ("F.interpolate", "BilinearResize")),
    "convolution, F.pixel_shuffle",
    "conv_to_pixels",
)


@torch.inference_mode()
def main() -> None:
    picture = torch.rand(1, 3, HEIGHT, WIDTH).to(memory_format=CHANNELS_LAST)
    logits = torch.rand(1, 11, *LARGER).to(memory_format=CHANNELS_LAST)
    resizes = BilinearResize(3, 2, 3), BilinearResize(2, 3, 11)
    best = dict.fromkeys(NAMES, float("inf"))
    for _ in range(ROUNDS):
        for name in NAMES:
            start = time.perf_counter()
            forward(name, picture, logits, *resizes)
            best[name] = min(best[name], time.perf_counter() - start)
    for name, seconds in best.items():
        print(f"{1000 * seconds:7.2f} ms  {name}")


if __name__ == "__main__":
    main()
