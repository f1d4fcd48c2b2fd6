"""Videos frame by frame, with PyAV: each frame is changed by itself, so details that a change adds may flicker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zoo.base.errors import ZooError
from zoo.pictures.encoder import BT601, BT709, Writer, import_av, writing

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Change: TypeAlias = "Callable[[np.ndarray], np.ndarray]"  # (H, W, 3) uint8 to the same, or to another size
Progress: TypeAlias = "Callable[[int, int | None], None]"  # frames that are done, and their total if it is known

SUFFIXES = frozenset(
    {".3gp", ".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv"}
)
SLACK = 0.98  # headers may count a frame or two too many
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}  # layouts of sound, by the number of channels
MATRICES = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: 9}  # H.273's, which mark frames -> swscale's


@dataclass(frozen=True)
class Written:
    """A video that was written.

    Args:
        frames: number of frames.
        notes: notes on what was lost of the original, such as its sound.
    """

    frames: int
    notes: tuple[str, ...] = ()


def change_frames(source: Path, destination: Path, change: Change, progress: Progress | None = None) -> Written:
    """Writes a video with each frame changed, as H.264 in MP4, whole or not at all.

    Times of the frames, and with them the frame rate, stay unchanged, constant or not. Sound is copied if MP4 can hold
    it. A rotation or a mirroring in the metadata is applied, damaged parts are left out. Only one frame at a time is in
    memory, and the frames that the encoder looks ahead.

    Args:
        source: path of a video in any format that FFmpeg reads.
        destination: path with the suffix .mp4.
        change: function that gets upright RGB frames, all of one size, and returns frames of that kind, of the same
            size or another.
        progress: function that is called after each frame, with their total as far as the file tells it.

    Raises:
        ZooError: PyAV is missing, the source is not a video, or no frame of it can be read.
    """
    first = _first(source)  # its size and rotation are needed at once
    destination.parent.mkdir(parents=True, exist_ok=True)
    with _opened(source) as container, writing(destination) as output:
        video = _video(container, source)
        rate = video.average_rate or video.guessed_rate or Fraction(25)
        writer = Writer(output, rate, video.time_base, _aspect(video, first))
        sounds, notes = _sounds(container, output)
        damaged, total, early = 0, _frames(video), list[Any]()
        for item in _items(source, container, video, list(sounds)):
            if item is None:
                damaged += 1
            elif isinstance(item, Sound):
                item.packet.stream = sounds[item.packet.stream]
                early.append(item.packet)
            else:
                writer.write(change(_upright(item, first)), item.pts)
                if progress is not None:
                    progress(writer.frames, total)
            if writer.frames:  # the file begins with the size of the frames
                output.mux(early)
                early.clear()
        writer.finish()
        if damaged:
            notes.append(f"damaged: {damaged} {'part' if damaged == 1 else 'parts'} of it left out")
        notes += _ends_early(video, writer, damaged)
    return Written(writer.frames, (*writer.notes, *notes))


def _first(source: Path) -> VideoFrame:
    with _opened(source) as container:
        for item in _items(source, container, _video(container, source), []):
            if item is not None and not isinstance(item, Sound):
                return item
    raise ZooError(f"{source}: no frame of it can be read")


def _ends_early(video: VideoStream, writer: Writer, damaged: int) -> list[str]:
    """A note if the header promises more frames or, in containers that do not count frames, more seconds."""
    if video.frames:
        short = writer.frames + damaged < SLACK * video.frames - 1
        return [f"it ends after {writer.frames} of {video.frames} frames"] if short else []
    seconds, last = _seconds(video), 1 / float(video.average_rate or video.guessed_rate or 25)
    short = writer.seconds + 2 * last < SLACK * seconds  # the last frame is shown for as long as others, about
    return [f"it ends after {writer.seconds:.1f} of {seconds:.1f} seconds"] if short else []


def _seconds(video: VideoStream) -> float:
    """Duration of the pictures (sound may be longer); 0 if the header does not say."""
    try:
        hours, minutes, seconds = video.metadata["DURATION"].split(":")  # tag of Matroska and WebM
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except (KeyError, ValueError):
        return float((video.duration or 0) * (video.time_base or 0))


def _frames(video: VideoStream) -> int | None:
    """The number of frames, which not all containers count; None if nothing tells it."""
    rate = video.average_rate or video.guessed_rate or 0
    return video.frames or round(_seconds(video) * float(rate)) or None


def _aspect(video: VideoStream, first: VideoFrame) -> Fraction | None:
    """Width of an upright pixel divided by its height; None: the file does not say."""
    aspect = video.sample_aspect_ratio
    return 1 / aspect if aspect and round(first.rotation / 90) % 2 else aspect


@dataclass(frozen=True)
class Sound:
    packet: Packet


def _items(
    source: Path, container: InputContainer, video: VideoStream, sounds: list[Any]
) -> Iterator[VideoFrame | Sound | None]:
    """Frames, packets of sound, and None for each packet of pictures that is damaged, in their order in the file."""
    invalid = import_av().error.InvalidDataError
    with _reading(source):
        for packet in container.demux([video, *sounds]):
            if packet.stream is video:
                try:
                    frames = packet.decode()
                except invalid:
                    yield None
                else:
                    yield from frames  # type: ignore[misc]
            elif packet.dts is not None:  # the last of each stream has none, and no sound
                yield Sound(packet)


def _upright(frame: VideoFrame, first: VideoFrame) -> np.ndarray:
    """The pixels ``(H, W, 3)`` of a frame as players show it, at the size of the first frame."""
    matrix = MATRICES.get(int(frame.colorspace), BT709 if frame.height >= 720 else BT601)
    rgb = frame.reformat(first.width, first.height, "rgb24", src_colorspace=matrix).to_ndarray()
    if _mirrored(first):  # the angle is that of the first row, so that it is the rows that change places
        rgb = rgb[::-1]
    return np.ascontiguousarray(np.rot90(rgb, round(first.rotation / 90)))


def _mirrored(frame: VideoFrame) -> bool:
    """Whether the display matrix mirrors the frame: left and right, or top and bottom, are exchanged."""
    found: Any = frame.side_data
    for data in found:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = (int(value) for value in np.frombuffer(bytes(data), np.int32))
            return a * d - b * c < 0
    return False


def _video(container: InputContainer, source: Path) -> VideoStream:
    """The first stream of moving pictures; the picture of a song may be its cover."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            stream.thread_type = "AUTO"
            return stream
    raise ZooError(f"{source}: no video in it")


def _sounds(container: InputContainer, output: OutputContainer) -> tuple[dict[Any, Any], list[str]]:
    """Streams of sound with their copies, which are still empty, and a note on each that cannot be copied."""
    copies, notes = {}, []
    for stream in container.streams.audio:
        codec, layout = stream.codec.canonical_name, stream.layout
        unnamed = layout.name.endswith(" channels")  # their places are not said, as in AVI; MP4 wants to know
        if codec not in output.supported_codecs:
            notes.append(f"its sound is left out: {codec} cannot be in an MP4")
        elif unnamed and layout.nb_channels not in LAYOUTS:
            notes.append(f"its sound is left out: {layout.name}, and it does not say which")
        else:
            copies[stream] = output.add_stream_from_template(stream)
            if unnamed:
                copies[stream].codec_context.layout = LAYOUTS[layout.nb_channels]
    others = [kind for kind in ("subtitles", "data", "attachments") if getattr(container.streams, kind)]
    if others:
        notes.append(f"left out: its {' and '.join(others)}")
    return copies, notes


@contextmanager
def _opened(source: Path) -> Iterator[InputContainer]:
    av = import_av()
    with _reading(source):
        # a playlist could name addresses otherwise
        container = av.open(str(source), options={"protocol_whitelist": "file"})
    with container:
        yield container


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Turns errors of reading a file into one line with its name."""
    av = import_av()
    try:
        yield
    except FileNotFoundError:
        raise ZooError(f"{source}: no such file") from None
    except IsADirectoryError:
        raise ZooError(f"{source}: a folder, not a video") from None
    except PermissionError as error:
        raise ZooError(f"{source}: {error.strerror}") from None
    except av.FFmpegError as error:
        raise ZooError(f"{source}: damaged, or not a video that FFmpeg can read ({error.strerror})") from None
