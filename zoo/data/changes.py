"""Photometric changes that make test pairs harder: blur, noise, light, JPEG and occlusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import cv2
import numpy as np

from zoo.data.photometric import blur, jpeg, light, noise, occlude

Pair: TypeAlias = tuple[np.ndarray, np.ndarray]  # uint8 (H, W) or (H, W, 3)
Change: TypeAlias = Callable[[np.ndarray, np.ndarray, np.random.Generator], Pair]
SEED = 3


def _both(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    return lambda a, b, rng: (change(a, rng), change(b, rng))


CHANGES: dict[str, Change] = {
    "none": lambda a, b, _: (a, b),
    "blur, sigma 1 px": _both(lambda patch, _: blur(patch, 1)),
    "blur, sigma 2 px": _both(lambda patch, _: blur(patch, 2)),
    "blur, sigma 3 px": _both(lambda patch, _: blur(patch, 3)),
    "noise, sigma 5 of 255": _both(lambda patch, rng: noise(patch, 5, rng)),
    "noise, sigma 10 of 255": _both(lambda patch, rng: noise(patch, 10, rng)),
    "noise, sigma 20 of 255": _both(lambda patch, rng: noise(patch, 20, rng)),
    "light of b: 0.6 x + 40": lambda a, b, _: (a, light(b, 0.6, 40)),
    "JPEG, quality 10": _both(lambda patch, _: jpeg(patch, 10)),
    "occlusion of 10 %": _both(lambda patch, rng: occlude(patch, 0.1, rng)),
    "occlusion of 20 %": _both(lambda patch, rng: occlude(patch, 0.2, rng)),
    "occlusion of 40 %": _both(lambda patch, rng: occlude(patch, 0.4, rng)),
}


def changed(pairs: Sequence[Pair], change: str) -> list[Pair]:
    """Pairs after one of ``CHANGES``.

    Blur, JPEG, noise and occlusion change both patches; each patch has its own noise and its own rectangle. Light
    changes b only. Random numbers depend only on the pair's index in the sequence.
    """
    apply = CHANGES[change]
    return [apply(a, b, np.random.default_rng((SEED, i))) for i, (a, b) in enumerate(pairs)]


def low_texture(pairs: Sequence[Pair]) -> np.ndarray:
    """Indices of the quarter of the pairs, at least one, whose patches have the least gradient energy."""
    energy = [sum(map(gradient_energy, pair)) for pair in pairs]
    return np.sort(np.argsort(energy, kind="stable")[: max(len(pairs) // 4, 1)])


def gradient_energy(patch: np.ndarray) -> float:
    """Mean over the pixels of the squared gradient, by Sobel's 3x3 operator."""
    dx, dy = (cv2.Sobel(patch, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return float((dx**2 + dy**2).mean())
