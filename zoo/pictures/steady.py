"""Steadies a video whose frames were changed one by one: what stays in the picture keeps its strokes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

SEARCHED = 480  # longer side in pixels at which motion is estimated
KEPT = 0.75  # weight of the frame before where it can be trusted
DOUBT = 0.04  # difference of the given frames, in 0..1, at which the weight has fallen to 1/e
STILL = 0.25  # pixels: slower motion is none, since each resampling blurs


@dataclass
class Steady:
    """A change of frames that blends each result with the result before, moved along with the picture.

    Motion is estimated between the given frames by Farneback's optical flow. Where the given frame and the moved one
    before differ (something was covered, or the scene changed), the new result counts alone.

    Args:
        change: function that changes a frame ``(H, W, 3)`` uint8 by itself.
    """

    change: Callable[[np.ndarray], np.ndarray]
    _before: tuple[np.ndarray, np.ndarray] | None = field(default=None, init=False)  # given and made

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        made = self.change(frame)
        if self._before is not None and self._before[0].shape == frame.shape == made.shape:
            given, result = self._before
            places = motion(frame, given)
            moved, old = (
                cv2.remap(each, *places, cv2.INTER_CUBIC, None, cv2.BORDER_REFLECT) for each in (given, result)
            )
            weight = (KEPT * trust(frame, moved))[..., None]
            mixed = made + weight * (old.astype(np.float32) - made)
            made = np.rint(mixed.clip(0, 255)).astype(np.uint8)
        self._before = frame, made
        return made


def motion(frame: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of a frame was in the frame before: columns and rows, each ``(H, W)`` float32."""
    height, width = frame.shape[:2]
    factor = min(1.0, SEARCHED / max(height, width))
    size = (max(1, round(factor * width)), max(1, round(factor * height)))
    grey = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (frame, before))
    small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in grey]
    flow = cv2.calcOpticalFlowFarneback(*small, None, 0.5, 4, 15, 3, 5, 1.1, 0)  # type: ignore[call-overload]
    flow = cv2.resize(flow, (width, height)) * np.array([width / size[0], height / size[1]], np.float32)
    flow[np.hypot(flow[..., 0], flow[..., 1]) < STILL] = 0
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return columns + flow[..., 0], rows + flow[..., 1]


def trust(frame: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """How far the moved frame before can be trusted, ``(H, W)`` from 0 to 1."""
    difference = np.abs(frame.astype(np.float32) - moved).mean(2) / 255
    return np.exp(-np.square(cv2.blur(difference, (5, 5)) / DOUBT))
