"""Training pairs a second of Protocol B from pictures in memory, against other ways to make them, in turns in one run.

python tests/benchmarks/pairs.py [FOLDER]     (drawn street scenes without one; kornia is in the extra "benchmarks")
"""

from __future__ import annotations

import multiprocessing
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from zoo.data import HomographyPairs
from zoo.data.device_pairs import as_pictures, device_batch
from zoo.data.homography import training_batch
from zoo.data.pairs import PROTOCOLS
from zoo.data.training_pairs import Fractions, draw
from zoo.pictures.geometry import corner_points

try:
    from kornia.geometry.transform import get_perspective_transform, warp_perspective
except ImportError:
    warp_perspective = None

ROUNDS, BATCH, BATCHES = 60, 64, 1  # many short turns, of which some meet no other work
PROTOCOL = PROTOCOLS["B"]
OURS, WHOLE = "ours, one process", "cv2.warpPerspective of the whole picture, then a crop, one process"


def ours(seed: int, second_pass: float = 0.0, photometric: float = 0.0) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(BATCHES):
        training_batch(rng, pictures, BATCH, PROTOCOL, Fractions(second_pass, photometric))


def whole(seed: int) -> None:
    """The code that most write who train on such pairs; the truth comes for free."""
    rng, size = np.random.default_rng(seed), PROTOCOL.patch
    for _ in range(BATCHES):
        pairs = np.empty((BATCH, 2, size, size), np.uint8)
        places, offsets = draw(rng, BATCH, PROTOCOL)
        for i, ((x, y), moves) in enumerate(zip(places, offsets, strict=True)):
            picture = pictures[rng.integers(len(pictures))]
            square = (corner_points(size) + np.array([x, y])).astype(np.float32)
            matrix = cv2.getPerspectiveTransform((square + moves).astype(np.float32), square)
            warped = cv2.warpPerspective(picture, matrix, (PROTOCOL.width, PROTOCOL.height))
            pairs[i, 0], pairs[i, 1] = (p[y : y + size, x : x + size] for p in (warped, picture))


def kornia(seed: int) -> None:
    """Warps only what the patch needs."""
    rng, size = np.random.default_rng(seed), PROTOCOL.patch
    square = torch.from_numpy(corner_points(size)).float().expand(BATCH, 4, 2)
    for _ in range(BATCHES):
        places, offsets = (torch.from_numpy(part) for part in draw(rng, BATCH, PROTOCOL))
        chosen = stack[torch.from_numpy(rng.integers(0, len(stack), BATCH))].float()
        matrix = get_perspective_transform(square + places[:, None] + offsets, square)
        a = warp_perspective(chosen, matrix, (size, size))
        b = [picture[:, y : y + size, x : x + size] for picture, (x, y) in zip(chosen, places.tolist(), strict=True)]
        torch.cat((a, torch.stack(b)), 1)


def batched(seed: int, device: torch.device = torch.device("cpu")) -> None:  # noqa: B008
    rng = np.random.default_rng(seed)
    there = on_gpu if device.type == "cuda" else stack
    for _ in range(BATCHES):
        device_batch(rng, there, BATCH, PROTOCOL)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def contenders(pool: multiprocessing.pool.Pool) -> dict[str, tuple[Callable[[int], object], int]]:
    """What makes pairs from a seed, and in how many processes."""
    entries: dict[str, tuple[Callable[[int], object], int]] = {
        OURS: (ours, 1),
        WHOLE: (whole, 1),
        "ours, two processes": (lambda seed: pool.map(ours, [2 * seed, 2 * seed + 1], chunksize=1), 2),
        "ours, a quarter of a second pass": (lambda seed: ours(seed, 0.25), 1),
        "ours, and a quarter photometric": (lambda seed: ours(seed, 0.25, 0.25), 1),
        f"ours on the device, CPU with {torch.get_num_threads()} threads": (batched, 1),
    }
    if warp_perspective:
        entries[f"kornia warp_perspective on a batch, {torch.get_num_threads()} threads"] = (kornia, 1)
    else:
        print("without kornia, which `pip install kornia` brings")
    if torch.cuda.is_available():
        entries["ours on the device, CUDA"] = (lambda seed: batched(seed, torch.device("cuda")), 1)
    return entries


def main() -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        entries = contenders(pool)
        times: dict[str, list[float]] = {name: [] for name in entries}
        for round_ in range(ROUNDS):
            for name, (make, processes) in entries.items():
                start = time.perf_counter()
                make(round_)
                times[name].append((time.perf_counter() - start) / (processes * BATCH * BATCHES))
    print(f"{len(pictures)} pictures; {platform.machine()}, OpenCV {cv2.__version__}, torch {torch.__version__}")
    print("best of the rounds; ratio of these, and median over the rounds of the ratio to the second row")
    for name, seconds in times.items():
        ratios = np.array(times[WHOLE]) / seconds
        best = min(times[WHOLE]) / min(seconds)
        print(f"{1 / min(seconds):8.0f} pairs/s  {best:5.2f} x  {np.median(ratios):5.2f} x  {name}")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    pictures = HomographyPairs(root).kept("train")
    stack = as_pictures(pictures, torch.device("cpu"))
    on_gpu = as_pictures(pictures, torch.device("cuda")) if torch.cuda.is_available() else stack
    main()
