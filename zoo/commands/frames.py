"""What ``zoo predict`` does to the frames of a video or of a camera."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.pictures import video

if TYPE_CHECKING:
    import numpy as np

    from zoo.models.prediction import Predicts

LONG = 120  # seconds from which on a video's time is said beforehand
SURE = 10  # seconds: a first frame that takes less may have taken longer than the others will


def change_of(net: Predicts, options: Mapping[str, Any], steady: bool) -> video.Change:
    """The function that changes a frame ``(H, W, 3)`` uint8.

    Args:
        net: the network.
        options: keyword arguments of ``predict``; those that do not matter to frames are left out.
        steady: whether each frame is blended with the frame before.
    """
    known = inspect.signature(net.predict_frame).parameters
    change: video.Change = partial(net.predict_frame, **{name: options[name] for name in known if name in options})
    if not steady:
        return change
    from zoo.pictures.steady import Steady  # which imports OpenCV

    return Steady(change)


class Expected:
    """A change of frames that says once how long the whole video takes, if that is long.

    Args:
        path: path of the video.
        change: function that changes a frame.
        say: takes the line.
    """

    def __init__(self, path: Path, change: video.Change, say: Callable[[str], None]) -> None:
        self._path, self._change, self._say = path, change, say
        self._seconds, self._sizes, self._told = math.inf, "", False

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        made = self._change(frame)
        self._seconds = min(self._seconds, time.perf_counter() - start)
        before, after = (f"{shape[1]}x{shape[0]}" for shape in (frame.shape, made.shape))
        self._sizes = f" become {after}" if before != after else ""
        self._sizes = f"frames of {before}{self._sizes}"
        return made

    def tell(self, done: int, total: int | None) -> None:
        """Says it after the first frames, as soon as their time can be relied on."""
        if self._told or total is None or (done == 1 and self._seconds < min(SURE, LONG)):
            return
        self._told = True
        if (seconds := total * self._seconds) >= LONG:
            long = f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
            self._say(f"{self._path}: {total} {self._sizes} take about {long}")
