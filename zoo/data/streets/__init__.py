"""Street scenes drawn by the program: pictures with exact annotations that need no download."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from zoo.base.splits import Split
from zoo.data.streets.scene import MIN_SIDE as MIN_SIDE
from zoo.data.streets.scene import draw_street as draw_street

FIRST_SCENE = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # no two splits share a scene


def draw_streets(split: Split, count: int, size: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The first scenes of a split, on all cores: pictures and annotations as :func:`draw_street` gives them."""
    first = FIRST_SCENE[split]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda seed: draw_street(seed, size), range(first, first + count)))
