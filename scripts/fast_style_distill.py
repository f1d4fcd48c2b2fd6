"""Teaches a network of fast style the pictures of another one, which may have any layers.

python scripts/fast_style_distill.py TEACHER --root data/free_photos --out FOLDER

TEACHER is a file that `zoo export` wrote, also one of an earlier version. A training begins from the folder: zoo fit
--recipe fast_style.yaml --weights FOLDER. A picture to copy teaches a small network more in a step than the loss of a
style.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo import load
from zoo.cards import weights
from zoo.data import PictureCrops
from zoo.models.fast_style.net import FastStyle
from zoo.nn.cpu import keep_freed_memory

SIZE, CROP, BATCH = 640, 192, 4  # pixels, and crops a step
RATE, STYLE_RATE = 1e-3, 5e-3  # learning rates of the trunk and of the vectors of the styles
WARMUP, END = 100, 0.02  # steps, and the last learning rate relative to the first
NOISE = 0.01  # standard deviation, on every second crop, of which the teacher sees nothing
COARSE = 4  # pixels: side of the blocks whose colours are compared too


def difference(a: Tensor, b: Tensor) -> Tensor:
    """Mean difference of pixels, of neighbouring pixels' differences, which keeps strokes sharp, and of blocks."""
    pairs = [(a, b), (a.diff(dim=2), b.diff(dim=2)), (a.diff(dim=3), b.diff(dim=3))]
    pairs.append((F.avg_pool2d(a, COARSE), F.avg_pool2d(b, COARSE)))
    return torch.stack([(first - second).abs().mean() for first, second in pairs]).sum()


def rate(step: int, steps: int) -> float:
    falling = END + (1 - END) * (1 + math.cos(math.pi * step / steps)) / 2
    return min(1.0, (step + 1) / WARMUP) * falling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher")
    parser.add_argument("--root", type=Path, required=True, help="photographs; those of val and test are left out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1600)
    options = parser.parse_args()

    keep_freed_memory()
    torch.manual_seed(0)
    teacher = load(options.teacher)
    styles = teacher.facts()["styles"]
    data = PictureCrops(options.root, size=SIZE, crop=CROP, crops_per_epoch=options.steps * BATCH, batch_size=BATCH)
    data.prepare_data()
    data.setup("fit")
    eye, chance = np.eye(len(styles), dtype=np.float32), np.random.default_rng(0)

    def taught(x: Tensor, mix: np.ndarray) -> Tensor:
        (y,) = teacher.engine(x.numpy(), mix)
        return torch.from_numpy(y)

    batches = iter(data.train_dataloader())
    first = next(batches).float() / 255
    net = FastStyle(styles, options.channels)
    shown = (taught(first, np.repeat(eye[[i]], BATCH, 0)) for i in range(len(styles)))
    net.begin([torch.cat([*each.clamp(0, 1)], 2)[None] for each in shown])  # in their colours
    vectors = net.style_parameters()
    trunk = [each for each in net.parameters() if not any(each is vector for vector in vectors)]
    groups = [{"params": trunk, "lr": RATE}, {"params": vectors, "lr": STYLE_RATE}]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, options.steps))

    begun, total = time.monotonic(), 0.0
    for step, batch in enumerate(batches, 1):
        x, mix = batch.float() / 255, eye[chance.integers(len(styles), size=BATCH)]
        want = taught(x, mix)
        noise = NOISE * torch.randn_like(x) * (torch.rand(BATCH, 1, 1, 1) < 0.5)
        with torch.autocast("cpu", torch.bfloat16):
            have = net((x + noise).contiguous(memory_format=torch.channels_last), torch.from_numpy(mix))
        loss = difference(have.float(), want)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 50 == 0:
            print(f"{step:6}  difference {total / 50:.4f}  {time.monotonic() - begun:.0f} s", flush=True)
            total = 0.0
    weights.save(net, options.out, "fast_style", net.facts() | {"blocks": net.blocks}, dtype="float32")


if __name__ == "__main__":
    main()
