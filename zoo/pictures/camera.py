"""A camera, of which the newest frame counts: what comes while a frame is worked on is left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.base.text import first_line

LISTED = 10  # numbers that are tried for the list of cameras
LOST = 5  # frames in a row that cannot be read: the camera has ended
FAREWELL = 2.0  # seconds that a frame that is being read gets at the end


class Capture(Protocol):
    """What OpenCV's ``VideoCapture`` is: ``read`` gives BGR frames ``(H, W, 3)`` uint8."""

    def isOpened(self) -> bool: ...  # noqa: N802

    def read(self) -> tuple[bool, np.ndarray | None]: ...

    def release(self) -> None: ...


@dataclass(frozen=True)
class Shot:
    """A frame of a camera.

    Args:
        frame: RGB ``(H, W, 3)`` uint8, of the size of the first frame.
        seconds: time since the first frame.
    """

    frame: np.ndarray
    seconds: float


def opened(number: int) -> Capture:
    """Opens a camera.

    Raises:
        ZooError: it does not open; the message lists the cameras that do.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it tells each way that was tried in vain
    try:
        if (capture := _open(number)) is not None:
            return capture
        found = [other for other in range(LISTED) if other != number and _opens(other)]
    finally:
        cv2.utils.logging.setLogLevel(level)
    if found:
        more = f"cameras that open here: {', '.join(map(str, found))}"
    else:
        more = "nor does any other: connect one, close programs that use it, and see that cameras are allowed"
    raise ZooError(f"camera {number} does not open; {more}")


def _open(number: int) -> Capture | None:
    capture: Capture = cv2.VideoCapture(number)
    if capture.isOpened():
        return capture
    capture.release()
    return None


def _opens(number: int) -> bool:
    capture = _open(number)
    if capture is not None:
        capture.release()
    return capture is not None


class Newest:
    """The newest frame of a capture, which a thread reads all the time.

    Args:
        capture: opened capture; it is released at the end.
        clock: the time in seconds.
    """

    def __init__(self, capture: Capture, clock: Callable[[], float] = time.monotonic) -> None:
        self._capture, self._clock = capture, clock
        self._shot: Shot | None = None
        self._start, self._size = 0.0, (0, 0)
        self._changed, self._leaving = threading.Condition(), False
        self.read = 0  # frames
        self.ended = False
        self.error = ""  # why it ended; empty: it gave no more frames
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and releases the capture."""
        self._leaving = True
        if self._thread.ident is not None:
            self._thread.join(FAREWELL)
        if not self._thread.is_alive():  # a driver that hangs would crash if its capture went away
            self._capture.release()

    def take(self, seconds: float) -> Shot | None:
        """The newest frame, once; None if there is none within so many seconds, or if there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._shot is not None or self.ended, seconds)
            shot, self._shot = self._shot, None
            return shot

    def _run(self) -> None:
        try:
            lost = 0
            while not self._leaving and lost < LOST:
                there, frame = self._capture.read()
                lost = 0 if there and frame is not None else lost + 1
                if not lost and frame is not None:
                    self._put(frame)
        except Exception as error:  # drivers may raise anything
            self.error = first_line(error)
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def _put(self, frame: np.ndarray) -> None:
        now, pixels = self._clock(), rgb(frame)
        if not self.read:
            self._start, self._size = now, (pixels.shape[1], pixels.shape[0])
        elif pixels.shape[1::-1] != self._size:
            pixels = np.asarray(cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA))
        with self._changed:
            self._shot = Shot(pixels, now - self._start)
            self.read += 1
            self._changed.notify_all()


def rgb(frame: np.ndarray) -> np.ndarray:
    """RGB ``(H, W, 3)`` from what a capture gives: BGR, BGRA or grey, uint8."""
    if frame.ndim == 2 or frame.shape[2] == 1:
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(frame, cv2.COLOR_BGRA2RGB if frame.shape[2] == 4 else cv2.COLOR_BGR2RGB)
