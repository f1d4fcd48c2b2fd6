"""Frames to H.264 in MP4, with PyAV: each has a time of its own, and a file is written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.base.files import replacing

if TYPE_CHECKING:
    from av.container import OutputContainer

QUALITY = {"crf": "18"}  # quality of x264: hardly distinguishable from the given frames
BT709, BT601 = 1, 5  # matrices from RGB to luma and chroma, by swscale's numbers
MOST_SIDE = 16384  # pixels: x264's limit
PLAYED = (4096, 2304)  # largest frame of level 5.2 of H.264, beyond which few decoders in hardware go
BUDGET = 1 << 29  # bytes for the frames that the encoder holds
LOOKAHEAD = 40  # frames that x264 looks ahead by itself


class Writer:
    """The encoder of a video's frames. Its size is that of the first frame.

    Args:
        output: container to write to; other streams may be added until the first frame comes.
        rate: frames a second, as players show it.
        time_base: unit in seconds of the times of frames, which need not come at a constant rate.
        aspect: width of a pixel divided by its height; None: square pixels.
    """

    def __init__(
        self, output: OutputContainer, rate: Fraction, time_base: Fraction | None, aspect: Fraction | None = None
    ) -> None:
        self.output, self.notes = output, list[str]()
        self.time_base = time_base
        self.frames, self.first, self.last = 0, 0, -1
        self.stream: Any = output.add_stream("libx264", rate=rate, options=dict(QUALITY))
        self.stream.pix_fmt = "yuv420p"
        context: Any = self.stream.codec_context
        context.time_base = time_base
        context.colorspace = context.color_primaries = context.color_trc = BT709
        if aspect:
            context.sample_aspect_ratio = aspect

    def _begin(self, width: int, height: int) -> None:
        """Sets the size, and how many frames the encoder may hold."""
        even = width + width % 2, height + height % 2
        if max(even) > MOST_SIDE:
            raise ZooError(f"frames of {width}x{height} pixels: H.264 takes up to {MOST_SIDE} a side")
        self.stream.width, self.stream.height = even
        room = BUDGET // (width * height * 3 // 2)
        if room < 2 * LOOKAHEAD:
            self.stream.codec_context.options = {**QUALITY, "rc-lookahead": str(max(4, room // 2))}
            self.stream.codec_context.thread_count = max(2, room // 8)
        if even != (width, height):
            self.notes.append(f"{width}x{height} became {even[0]}x{even[1]}: sides have to be even")
        if width * height > PLAYED[0] * PLAYED[1]:
            self.notes.append(f"frames of {width}x{height}: many players take up to {PLAYED[0]}x{PLAYED[1]}")

    def write(self, pixels: np.ndarray, pts: int | None) -> None:
        """Adds a frame.

        Args:
            pixels: RGB ``(H, W, 3)`` uint8, all of one size.
            pts: time at which it is shown, in units of the time base; None or a past time: the next free one.
        """
        import av

        height, width = pixels.shape[:2]
        if not self.frames:
            self._begin(width, height)
        even = ((0, self.stream.height - height), (0, self.stream.width - width), (0, 0))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.pad(pixels, even, "edge")), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=BT709)
        self.last = self.last + 1 if pts is None or (self.frames and pts <= self.last) else pts
        self.first = self.first if self.frames else self.last
        self.frames += 1
        frame.pts, frame.time_base = self.last, self.time_base
        self.output.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Writes the frames that the encoder still holds."""
        self.output.mux(self.stream.encode(None))

    @property
    def seconds(self) -> float:
        """Time from the first frame to the last."""
        return float((self.last - self.first) * (self.time_base or 0))


@contextmanager
def writing(destination: Path) -> Iterator[OutputContainer]:
    """Opens an MP4 to write; errors name it, and no part of it is left if writing stops.

    Raises:
        ZooError: PyAV is missing, or the frames cannot be written.
        OSError: the system cannot write the file.
    """
    av = import_av()
    with replacing(destination) as temporary, temporary.open("wb") as file:
        sink = _Sink(file)
        try:
            with av.open(sink, "w", format="mp4") as output:
                yield output
        except av.FFmpegError as error:
            if sink.error is not None:
                raise sink.error from None
            raise ZooError(f"{destination}: cannot be written ({error.strerror})") from None


class _Sink:
    """A file that remembers its error, since PyAV at times says only that there was one."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.seek, self.tell = file, file.seek, file.tell
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            return self.file.write(content)
        except OSError as error:
            self.error = error
            raise


def import_av() -> ModuleType:
    """PyAV, which an extra installs."""
    return require("video", "video", "av")[0]
