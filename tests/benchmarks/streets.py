"""Street scenes drawn in a second, on one core: ``python tests/benchmarks/streets.py [PICTURES]``."""

from __future__ import annotations

import sys
import time

import cv2

from zoo.data.streets import draw_street

SIZES = ((120, 160), (240, 320), (360, 480))


def main(pictures: int = 200) -> None:
    cv2.setNumThreads(1)
    print(f"{'size':>10} {'pictures/s':>11} {'of CPU time':>12}")
    for size in SIZES:
        draw_street(0, size)  # textures are made once a size
        wall, cpu = time.perf_counter(), time.process_time()
        for seed in range(pictures):
            draw_street(seed, size)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{size[0]:>4} x {size[1]:<3} {pictures / wall:>11.0f} {pictures / cpu:>12.0f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
