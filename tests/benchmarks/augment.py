"""Augmented 480x320 crops a second from 480x360 pictures in memory, on one process and on two.

python tests/benchmarks/augment.py [CAMVID_FOLDER]     (drawn street scenes without a folder)
"""

import sys
import time
from multiprocessing import Pool
from pathlib import Path

from zoo.data import Augment, CamVid, StreetScenes
from zoo.data.segmentation import AugmentedSamples

CROPS = 1000
AUGMENT = Augment(crop=(320, 480), scale=(0.5, 2.0), focus=("Pole", "SignSymbol", "Pedestrian", "Bicyclist"))


def load() -> AugmentedSamples:
    data = CamVid(Path(sys.argv[1])) if len(sys.argv) > 1 else StreetScenes(size=(360, 480), train=64)
    return AugmentedSamples(data.kept("train"), AUGMENT.transform(data.labels), seed=0)


def augment(first: int) -> int:
    for key in range(first, first + CROPS):
        dataset[key]
    return CROPS


if __name__ == "__main__":
    dataset = load()
    for processes in (1, 2):
        with Pool(processes) as pool:
            start = time.perf_counter()
            crops = sum(pool.map(augment, [CROPS * i for i in range(processes)]))
            rate = crops / (time.perf_counter() - start)
        print(f"{processes} process(es): {rate:.0f} crops/s")
