"""Makes the low-resolution pictures of super resolution: the protocol of its figures.

The truth is cropped at the right and at the bottom until its sides are multiples of the scale, then downscaled by
Pillow's ``Resampling.BICUBIC`` in 8 bits, which antialiases (a = -0.5).
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image


def crop_to_multiple(picture: np.ndarray, scale: int) -> np.ndarray:
    """The largest upper left part ``(H, W, 3)`` whose sides are multiples of the scale."""
    height, width = picture.shape[:2]
    return picture[: height // scale * scale, : width // scale * scale]


def make_low(truth: np.ndarray, scale: int, blur: float = 0.0) -> np.ndarray:
    """The low-resolution picture: ``(sH, sW, 3)`` -> ``(H, W, 3)`` uint8.

    Args:
        truth: uint8, with sides that are multiples of s.
        scale: factor s of width and height.
        blur: deviation in pixels of a Gaussian blur before downscaling; 1 in Johnson et al., 0 everywhere else.
    """
    if blur:
        truth = cv2.GaussianBlur(truth, (0, 0), blur)
    return resize(truth, truth.shape[1] // scale, truth.shape[0] // scale)


def resize(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pillow's bicubic interpolation, ``(height, width, 3)`` uint8."""
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def enlarge(low: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic interpolation: ``(H, W, 3)`` -> ``(sH, sW, 3)`` uint8."""
    return resize(low, low.shape[1] * scale, low.shape[0] * scale)


def detail(truth: np.ndarray, low: np.ndarray) -> float:
    """Detail that bicubic interpolation of the low picture does not restore: root mean square, in 8-bit levels."""
    enlarged = resize(low, truth.shape[1], truth.shape[0])
    return float(np.sqrt(np.square(truth.astype(np.float32) - enlarged).mean()))
