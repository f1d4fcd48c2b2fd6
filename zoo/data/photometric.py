"""Photometric differences between two photographs of one scene: functions on uint8 patches with given strengths.

:func:`differ` draws random strengths for training; tests of robustness call the other functions with fixed strengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

PROBABILITIES = {"light": 0.8, "blur": 0.25, "occlude": 0.25, "noise": 0.25, "jpeg": 0.25}  # in this order
CONTRAST, BRIGHTNESS = (0.6, 1.4), (-40.0, 40.0)
BLUR, NOISE = (0.5, 2.5), (2.0, 25.0)
OCCLUSION, LOG_ASPECT = (0.05, 0.35), (-0.5, 0.5)
QUALITY = (10, 80)


def light(patch: np.ndarray, contrast: float, brightness: float) -> np.ndarray:
    """``contrast * value + brightness``, brightness in 1/255, clipped."""
    return cv2.convertScaleAbs(np.maximum(patch.astype(np.float32) * contrast + brightness, 0.0))


def blur(patch: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur, sigma in pixels."""
    return cv2.GaussianBlur(patch, (0, 0), sigma)


def noise(patch: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise, sigma in 1/255, independent in each pixel and channel."""
    grain = rng.standard_normal(patch.shape, np.float32) * np.float32(sigma)
    return np.clip(np.rint(patch + grain), 0, 255).astype(np.uint8)


def jpeg(patch: np.ndarray, quality: int) -> np.ndarray:
    """Encodes as JPEG and decodes, quality 1..100."""
    _, encoded = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))


def occlude(patch: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Covers ``fraction`` of the area with a rectangle at a random place, of one random colour."""
    height, width = patch.shape[:2]
    relative = np.clip(np.sqrt(fraction) * np.exp(rng.uniform(*LOG_ASPECT)), fraction, 1.0)
    h = max(round(height * relative), 1)
    w = int(np.clip(round(height * width * fraction / h), 1, width))
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    patch = patch.copy()
    patch[y : y + h, x : x + w] = rng.integers(0, 256, patch.shape[2:])
    return patch


def differ(
    patch: np.ndarray, rng: np.random.Generator, probabilities: Mapping[str, float] = PROBABILITIES
) -> np.ndarray:
    """Applies random differences: by default light with probability 0.8, each other kind with 0.25."""
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "light": lambda p: light(p, rng.uniform(*CONTRAST), rng.uniform(*BRIGHTNESS)),
        "blur": lambda p: blur(p, rng.uniform(*BLUR)),
        "occlude": lambda p: occlude(p, rng.uniform(*OCCLUSION), rng),
        "noise": lambda p: noise(p, rng.uniform(*NOISE), rng),
        "jpeg": lambda p: jpeg(p, int(rng.integers(*QUALITY))),
    }
    for kind, probability in probabilities.items():
        if rng.random() < probability:
            patch = changes[kind](patch)
    return patch
