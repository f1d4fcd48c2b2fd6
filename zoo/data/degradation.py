"""Degrades photographs for super resolution: blur, noise, resizing and JPEG, twice, in random order.

These are the second-order degradations of Real-ESRGAN (Wang et al., 2021, https://arxiv.org/abs/2107.10833), but
milder: most small pictures that people have went through one good camera and one or two JPEGs. Pictures are RGB, uint8,
``(H, W, 3)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from zoo.base.errors import ZooError

Range: TypeAlias = tuple[float, float]
Step: TypeAlias = Callable[[np.ndarray], np.ndarray]
Size: TypeAlias = tuple[int, int]  # width and height in pixels
LIMITS = {"blur": (0.0, 3.0), "resize": (0.02, 2.0), "noise": (0.0, 100.0), "jpeg": (1.0, 100.0)}
CHANCES = {"blur": 0.4, "noise": 0.3, "resize": 0.5, "jpeg": 0.7}  # probability of each operation in a pass
FILTERS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
ROUND, SHARP = 0.5, 0.1  # fractions of the blurs that are isotropic, and that are a sharp low pass
SHOT, GREY = 0.4, 0.4  # fractions of the noise that is shot noise (grows with brightness), and that is grey
FULL_COLOR = 0.3  # fraction of the JPEGs without chroma subsampling
MIDDLE = 128.0  # the grey level at which shot noise has the drawn deviation
WIDEST = 32  # maximum radius of a kernel, in pixels: 2.5 times the largest deviation at the largest scale


@dataclass(frozen=True)
class Degradation:
    """Degrades pictures. Every pass draws its operations and their strengths; the last pass resizes to the final size.

    Args:
        passes: number of passes of blur, noise and resizing in random order, followed by JPEG.
        blur: range of the standard deviation of a Gaussian, in pixels of the final, low-resolution picture.
        resize: range of the factor of the truth's sides in every pass but the last.
        noise: range of the standard deviation of noise, in 1/255.
        jpeg: range of the JPEG quality, 1..100.

    Raises:
        ZooError: an argument is not a range or exceeds its limits.
    """

    passes: int = 2
    blur: Range = (0.1, 0.8)
    resize: Range = (0.2, 1.0)
    noise: Range = (0.0, 10.0)
    jpeg: Range = (30.0, 95.0)

    def __post_init__(self) -> None:
        if not 1 <= self.passes <= 9:
            raise ZooError(f"data.photo_passes must be 1..9, not {self.passes}")
        for name, (low, high) in self.ranges().items():
            least, most = LIMITS[name]
            if not least <= low <= high <= most:
                given = f"not [{low:g}, {high:g}]"
                raise ZooError(f"data.photo_{name} must be a range [LOW, HIGH] within {least:g}..{most:g}, {given}")

    def ranges(self) -> dict[str, Range]:
        """The four ranges by their names."""
        return {name: getattr(self, name) for name in LIMITS}

    def __call__(self, truth: np.ndarray, size: Size, rng: np.random.Generator) -> np.ndarray:
        """The low-resolution picture of a truth.

        Args:
            truth: ``(H, W, 3)``.
            size: width and height of the low-resolution picture.
            rng: the only source of random numbers.
        """
        picture = truth
        for i in range(self.passes):
            for step in self.steps(truth, size, i + 1 == self.passes, rng):
                picture = step(picture)
        return picture

    def steps(self, truth: np.ndarray, size: Size, last: bool, rng: np.random.Generator) -> list[Step]:
        """The operations of one pass, in order."""
        does = {name: rng.random() < chance for name, chance in CHANCES.items()}
        steps: list[Step] = []
        if does["blur"]:
            steps.append(self._blur(size, rng))
        if does["noise"]:
            steps.append(self._noise(rng))
        if last or does["resize"]:
            factor = math.exp(rng.uniform(math.log(self.resize[0]), math.log(self.resize[1])))
            between = tuple(max(1, round(factor * side)) for side in truth.shape[1::-1])
            steps.append(self._resize(size if last else between, rng))
        steps = [steps[i] for i in rng.permutation(len(steps))]
        return [*steps, self._save(rng)] if does["jpeg"] else steps

    def _blur(self, size: Size, rng: np.random.Generator) -> Step:
        along, other = rng.uniform(*self.blur, 2)
        across = along if rng.random() < ROUND else other
        angle, sharp = rng.uniform(0, math.pi), rng.random() < SHARP

        def step(picture: np.ndarray) -> np.ndarray:
            pixels = picture.shape[1] / size[0]  # per pixel of the low-resolution picture
            if sharp:
                kernel = low_pass(min(1.0, 0.5 / max(along * pixels, 0.1)))
            else:
                kernel = gaussian(along * pixels, across * pixels, angle)
            return cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101)

        return step

    def _noise(self, rng: np.random.Generator) -> Step:
        deviation = rng.uniform(*self.noise)
        shot, grey = rng.random() < SHOT, rng.random() < GREY

        def step(picture: np.ndarray) -> np.ndarray:
            shape = (*picture.shape[:2], 1) if grey else picture.shape
            grain = rng.standard_normal(shape, np.float32) * np.float32(deviation)
            if shot:
                grain = grain * ROOTS[picture]
            return np.clip(picture + grain + np.float32(0.5), 0, 255).astype(np.uint8)

        return step

    def _resize(self, size: Size, rng: np.random.Generator) -> Step:
        method = FILTERS[rng.integers(len(FILTERS))]
        return lambda picture: resized(picture, size, method)

    def _save(self, rng: np.random.Generator) -> Step:
        quality, full = round(rng.uniform(*self.jpeg)), bool(rng.random() < FULL_COLOR)
        return lambda picture: saved(picture, quality, full)


ROOTS = np.sqrt(np.arange(256, dtype=np.float32) / MIDDLE)


def resized(picture: np.ndarray, size: Size, method: int) -> np.ndarray:
    """Resizes a picture. Only INTER_AREA antialiases in OpenCV: with other filters the picture is averaged first."""
    while method != cv2.INTER_AREA and picture.shape[1] >= 2 * size[0] and picture.shape[0] >= 2 * size[1]:
        half = picture.shape[1] // 2, picture.shape[0] // 2
        picture = cv2.resize(picture, half, interpolation=cv2.INTER_AREA)
    return cv2.resize(picture, size, interpolation=method)


def saved(picture: np.ndarray, quality: int, full_color: bool = False) -> np.ndarray:
    """Encodes a picture as JPEG and decodes it.

    Args:
        picture: ``(H, W, 3)``.
        quality: 1..100.
        full_color: whether colours keep their full resolution instead of half of it.
    """
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if full_color else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def gaussian(along: float, across: float, angle: float) -> np.ndarray:
    """A Gaussian kernel of sum 1 with deviations along a direction, turned by ``angle``, and across it."""
    x, y = places(math.ceil(2.5 * max(along, across)))
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = np.exp(-0.5 * ((u / max(along, 0.05)) ** 2 + (v / max(across, 0.05)) ** 2))
    return kernel / kernel.sum()


def low_pass(limit: float) -> np.ndarray:
    """A kernel of sum 1 that passes frequencies up to a fraction of the highest; it leaves ringing at edges."""
    x, y = places(math.ceil(3 / limit))
    kernel = np.sinc(limit * x) * np.sinc(limit * y)
    return kernel / kernel.sum()


def places(radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets x and y of a kernel's pixels from its centre."""
    radius = min(max(radius, 1), WIDEST)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    return x, y
