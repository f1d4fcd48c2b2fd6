"""ms a picture (of HomographyNet: a pair, one pass) of every engine that is here, in turns in one run.

python tests/benchmarks/engines.py [CARD ...] [--threads 2] [--rounds 10] [--write]

Exports come from the cards, or are made once and kept in the cache. The best of the rounds counts, since everything
else that a machine does only adds to it; `--write` puts the figures on the cards.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

import zoo
from zoo.base.errors import ZooError
from zoo.cards.speeds import ENGINE, machine_of, put_on_card
from zoo.engines import ENGINES, engine_class
from zoo.models.base import Model

CARDS = Path(__file__).parents[2] / "cards"
SHAPES = {
    "linknet_camvid": (1, 3, 360, 480),
    "linknet_camvid_fine": (1, 3, 360, 480),
    "perceptual_sr_photo": (1, 3, 240, 320),
    "perceptual_sr_pixel": (1, 3, 240, 320),
    "perceptual_sr_photo_x2": (1, 3, 240, 320),
    "fast_style": (1, 3, 384, 512),
    "homographynet_free": (1, 2, 128, 128),
    "homographynet_photos": (1, 2, 128, 128),
    "homographynet_photos_classification": (1, 2, 128, 128),
    "xfeat_free": (1, 1, 480, 640),
}
PAUSE = 0.1  # s, after which the threads of the engine before no longer spin
TURN = 0.3  # s that an engine computes in a turn, about
FIRST = "float32, as loaded"  # torch's: what the others are compared with

Compute = Callable[[np.ndarray], tuple[np.ndarray, ...]]


def contenders(card: str, x: np.ndarray) -> dict[str, Compute]:
    """What computes, by name; of what is not here, a line says why."""
    found: dict[str, Compute] = {}
    torch_name = f"torch {torch.__version__.partition('+')[0]}"
    makers: dict[str, Callable[[], Compute]] = {
        f"{torch_name}, {FIRST}": lambda: zoo.load(card).engine,
        f"{torch_name}, bfloat16 autocast": lambda: autocast(zoo.load(card)),
        f"{torch_name}, torch.compile, float32": lambda: compiled(zoo.load(card)),
    }
    for kind in ENGINES[1:]:
        try:
            makers[f"{engine_class(kind).name}, float32"] = lambda kind=kind: zoo.load(card, engine=kind).engine
        except ZooError as error:
            print(f"  left out: {error}")
    for name, make in makers.items():
        try:
            compute = make()
            compute(x)
            found[name] = compute
        except (ZooError, RuntimeError) as error:  # such as of torch.compile, where there is no compiler
            print(f"  left out: {name}: {str(error).splitlines()[0]}")
    return found


def autocast(net: Model) -> Compute:
    engine = net.engine

    def compute(x: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.autocast("cpu", torch.bfloat16):
            return engine(x)

    return compute


def compiled(net: Model) -> Compute:
    net.infer = torch.compile(net.infer)  # type: ignore[method-assign]
    return net.engine


def seconds(compute: Compute, x: np.ndarray) -> float:
    """Time of one call, in one turn."""
    time.sleep(PAUSE)
    start = time.perf_counter()
    compute(x)
    repeats = max(1, round(TURN / (time.perf_counter() - start)))
    start = time.perf_counter()
    for _ in range(repeats):
        compute(x)
    return (time.perf_counter() - start) / repeats


def measure(card: str, rounds: int) -> dict[str, float]:
    shape = SHAPES[card]
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    engines = contenders(card, x)
    best = dict.fromkeys(engines, math.inf)
    for _ in range(rounds):
        for name, compute in engines.items():
            best[name] = min(best[name], seconds(compute, x))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cards", nargs="*", default=[*SHAPES], metavar="CARD", help=f"cards, of {', '.join(SHAPES)}")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="put the figures on the cards")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # which the engines of exported files keep to
    for card in options.cards:
        height, width = SHAPES[card][2:]
        print(f"{card}, {width}x{height}, {options.threads} threads; and how many times as fast as {FIRST}")
        best = measure(card, options.rounds)
        base = next(value for name, value in best.items() if FIRST in name)
        for name, value in best.items():
            print(f"{1000 * value:8.1f} ms  {base / value:5.2f} x  {name}")
        if options.write:
            machine = machine_of(options.threads, f"torch {torch.__version__}")
            found = {f"{ENGINE}{width}x{height}, {name}": value for name, value in best.items()}
            put_on_card(CARDS / card, found, machine, engines=True)


if __name__ == "__main__":
    main()
