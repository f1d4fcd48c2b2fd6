"""Training pairs a second, 48x48 -> 192x192, in one process, against the usual way to make them, in turns in one run.

python tests/benchmarks/super_resolution_data.py [FOLDER] [--rounds 9]     (drawn street scenes without a folder)
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from zoo.data.pictures import find_pictures
from zoo.data.streets import draw_street
from zoo.data.super_resolution import SuperResolutionPairs

CROP, LOW, BATCH, PAIRS = 192, 48, 16, 320
OURS, FLOAT, USUAL = "ours", "ours, and to float in 0..1", "open the file, crop, turn, Pillow's resize, to float"


class UsualPairs(Dataset):
    """The code that most write who train on such pairs."""

    def __init__(self, folder: Path) -> None:
        self.paths = [path for path in find_pictures(folder) if min(Image.open(path).size) >= CROP]

    def __len__(self) -> int:
        return PAIRS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        picture = Image.open(random.choice(self.paths)).convert("RGB")
        x, y = random.randint(0, picture.width - CROP), random.randint(0, picture.height - CROP)
        truth = picture.crop((x, y, x + CROP, y + CROP))
        if random.random() < 0.5:
            truth = truth.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        truth = truth.rotate(90 * random.randrange(4))
        low = truth.resize((LOW, LOW), Image.Resampling.BICUBIC)
        return to_float(low), to_float(truth)


def to_float(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def pairs_a_second(batches: Iterable[tuple[Tensor, Tensor]], data: SuperResolutionPairs | None = None) -> float:
    start, count = time.perf_counter(), 0
    for batch in batches:
        low, truth = data.on_after_batch_transfer(batch, 0) if data else batch
        assert low.shape[1:] == (3, LOW, LOW)
        assert truth.shape[1:] == (3, CROP, CROP)
        count += len(low)
    return count / (time.perf_counter() - start)


def draw_pictures(folder: Path) -> Path:
    for i in range(40):
        Image.fromarray(draw_street(i, (360, 480))[0]).save(folder / f"{i}.jpg", quality=95)
    return folder


def main(folder: Path, rounds: int) -> None:
    data = SuperResolutionPairs(
        folder, crop=CROP, min_detail=0, pairs_per_epoch=PAIRS, batch_size=BATCH, num_workers=0
    )  # fmt: skip
    start = time.perf_counter()
    count = len(data.kept("train"))
    print(f"{count} pictures, read in {time.perf_counter() - start:.1f} s; pairs/s: median, and ratio to the usual way")
    usual = DataLoader(UsualPairs(folder), BATCH)
    found: dict[str, list[float]] = {OURS: [], FLOAT: [], USUAL: []}
    for _ in range(rounds):
        found[OURS].append(pairs_a_second(data.train_dataloader()))
        found[FLOAT].append(pairs_a_second(data.train_dataloader(), data))
        found[USUAL].append(pairs_a_second(usual))
    for name, rates in found.items():
        ratio = statistics.median(np.array(rates) / found[USUAL])
        print(f"{statistics.median(rates):8.0f} pairs/s  {ratio:5.2f} x  {name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as drawn:
        main(options.folder or draw_pictures(Path(drawn)), options.rounds)
