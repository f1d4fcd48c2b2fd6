"""How much a styled video flickers, with and without --steady: python tests/benchmarks/video_flicker.py [VIDEO]

Without a video it draws a clip: a street scene seen through a window that glides by fractions of a pixel, with noise of
two levels on each frame, as cameras have it. The warping error is the mean absolute difference of a styled frame from
the styled frame before, moved along with the picture, in levels of 255, where the given frames agree.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from zoo import load
from zoo.data.streets import draw_streets
from zoo.pictures.steady import Steady, motion, trust

SIZE, FRAMES = (320, 240), 16


def drawn() -> Iterator[np.ndarray]:
    scene = cv2.resize(draw_streets("test", 1, (360, 480))[0][0], (480, 360))
    rng = np.random.default_rng(0)
    for number in range(FRAMES):
        matrix = np.float32([[1, 0, -20 - 1.7 * number], [0, 1, -10 - 0.6 * number]])
        frame = cv2.warpAffine(scene, matrix, SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        yield (frame + rng.normal(0, 2, frame.shape)).clip(0, 255).round().astype(np.uint8)


def read(path: Path) -> Iterator[np.ndarray]:
    clip = cv2.VideoCapture(str(path))
    while (found := clip.read())[0]:
        yield cv2.cvtColor(found[1], cv2.COLOR_BGR2RGB)


def warping_error(given: list[np.ndarray], made: list[np.ndarray]) -> float:
    errors = []
    for number in range(1, len(given)):
        places = motion(given[number], given[number - 1])
        moved = (
            cv2.remap(each[number - 1], *places, cv2.INTER_CUBIC, None, cv2.BORDER_REFLECT) for each in (given, made)
        )
        weight = trust(given[number], next(moved))
        difference = np.abs(made[number].astype(np.float32) - next(moved)).mean(2)
        errors.append(float((weight * difference).sum() / weight.sum()))
    return float(np.mean(errors))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--style", default="starry_night")
    options = parser.parse_args()
    given = list(read(options.video) if options.video else drawn())
    net = load("fast_style")
    print(f"{len(given)} frames: {warping_error(given, given):.2f} in the given frames")
    for name, steady in (("each frame by itself", False), ("--steady", True)):

        def change(frame: np.ndarray) -> np.ndarray:
            return net.predict_frame(frame, style=options.style)

        run = Steady(change) if steady else change
        began = time.perf_counter()
        made = [run(frame) for frame in given]
        seconds = (time.perf_counter() - began) / len(given)
        print(f"{name}: warping error {warping_error(given, made):.2f}, {1000 * seconds:.0f} ms a frame")


if __name__ == "__main__":
    main()
