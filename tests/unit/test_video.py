"""Videos frame by frame, and ``zoo predict`` on them."""

from __future__ import annotations

import errno
import io
import struct
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import load
from zoo.base.errors import ZooError
from zoo.cards import weights
from zoo.commands import main
from zoo.models.fast_style.net import FastStyle
from zoo.pictures.video import change_frames

av = pytest.importorskip("av")

RED, BLUE = (200, 30, 30), (20, 60, 220)


def write(
    path: Path,
    frames: int = 8,
    size: tuple[int, int] = (64, 48),
    *,
    codec: str = "libx264",
    sound: str | None = None,
    layout: str = "mono",
    rotation: int = 0,
    milliseconds: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A video, red above blue, with a mark at the top left, at ten frames a second or at times of its own."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[: size[1] // 2], pixels[size[1] // 2 :], pixels[:8, :8] = RED, BLUE, 255
    with av.open(str(path), "w", options=options or {}) as output:
        if frames:
            video = output.add_stream(codec, rate=10)
            video.width, video.height = size
            video.pix_fmt = "yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p"
            if milliseconds:
                video.codec_context.time_base = Fraction(1, 1000)
            if rotation:
                video.set_display_rotation(rotation)
        audio = output.add_stream(sound, rate=48000, layout=layout) if sound else None
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if milliseconds:
                frame.pts, frame.time_base = milliseconds[index], Fraction(1, 1000)
            output.mux(video.encode(frame))
        if frames:
            output.mux(video.encode(None))
        if audio is not None:
            write_sound(output, audio, seconds=0.8)
    return path


def write_sound(output, stream, seconds: float) -> None:
    samples, kind = stream.codec_context.frame_size or 1024, stream.codec_context.format.name
    for first in range(0, int(48000 * seconds), samples):
        wave = 0.2 * np.sin(np.arange(first, first + samples) / 17)[None]
        bits = int(kind[1:3]) if kind.startswith("s") else 0
        wave = (wave * 2 ** (bits - 1)).astype(f"int{bits}") if bits else wave.astype(np.float32)
        wave = wave.repeat(stream.layout.nb_channels, axis=1)  # one value after the other
        frame = av.AudioFrame.from_ndarray(wave, format=kind, layout=stream.layout.name)
        frame.sample_rate, frame.pts = 48000, first
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def read(path: Path) -> tuple[list[np.ndarray], list[Fraction], list[bytes]]:
    """Frames, their times in seconds, and packets of sound."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    with av.open(str(path)) as container:
        sound = [bytes(packet) for packet in container.demux() if packet.stream.type == "audio" and packet.size]
    times = [frame.pts * frame.time_base for frame in frames]
    return [frame.to_ndarray(format="rgb24") for frame in frames], times, sound


def swap(frame: np.ndarray) -> np.ndarray:
    """Red and blue change places."""
    return frame[..., ::-1]


def near(pixel: np.ndarray, color: tuple[int, ...]) -> bool:
    return bool(abs(pixel.astype(int) - color).max() <= 6)


def test_frames_rate_size_and_sound_are_kept(tmp_path: Path):
    source = write(tmp_path / "clip.mp4", sound="aac")
    calls: list[tuple[int, int | None]] = []
    written = change_frames(source, tmp_path / "out" / "clip.mp4", swap, lambda *call: calls.append(call))
    assert (written.frames, written.notes) == (8, ())
    assert calls == [(done, 8) for done in range(1, 9)]
    before, after = read(source), read(tmp_path / "out" / "clip.mp4")
    assert after[1] == before[1]
    assert after[2] == before[2]
    assert len(after[2]) > 30
    assert len(after[0]) == 8
    for frame in after[0]:
        assert frame.shape == (48, 64, 3)
        assert near(frame[12, 40], RED[::-1])
        assert near(frame[40, 40], BLUE[::-1])
    with av.open(str(tmp_path / "out" / "clip.mp4")) as container:
        assert container.streams.video[0].average_rate == 10
        assert container.streams.video[0].codec.canonical_name == "h264"


def test_frames_that_come_at_no_constant_rate(tmp_path: Path):
    times = [0, 40, 100, 300, 320, 500, 900, 2000]
    source = write(tmp_path / "clip.mp4", milliseconds=times)
    change_frames(source, tmp_path / "out.mp4", swap)
    assert [float(time) for time in read(tmp_path / "out.mp4")[1]] == pytest.approx([t / 1000 for t in times], abs=1e-4)


@pytest.mark.parametrize(
    ("rotation", "corner"), [(90, (-4, 4)), (-90, (4, -4)), (180, (-4, -4))]
)  # counterclockwise; where the mark goes
def test_a_rotation_is_applied(tmp_path: Path, rotation: int, corner: tuple[int, int]):
    source = write(tmp_path / "clip.mp4", rotation=rotation)
    seen = []
    change_frames(source, tmp_path / "out.mp4", lambda frame: seen.append(frame.shape) or frame)
    upright = (64, 48, 3) if rotation % 180 else (48, 64, 3)
    assert set(seen) == {upright}
    frame = read(tmp_path / "out.mp4")[0][0]
    assert frame.shape == upright
    assert frame[corner].min() > 230


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [("a.webm", "libvpx-vp9", "libopus"), ("a.mkv", "libx264", "libmp3lame"), ("a.avi", "mpeg4", "ac3")],
)
def test_other_formats(tmp_path: Path, name: str, codec: str, sound: str):
    source = write(tmp_path / name, codec=codec, sound=sound)
    assert change_frames(source, tmp_path / "out.mp4", swap).notes == ()
    frames, times, packets = read(tmp_path / "out.mp4")
    assert len(frames) == 8
    assert times == read(source)[1]
    assert packets == read(source)[2]


def test_sound_that_cannot_be_copied_and_odd_sides_are_said(tmp_path: Path):
    source = write(tmp_path / "clip.avi", size=(63, 47), codec="ffv1", sound="adpcm_ms")
    written = change_frames(source, tmp_path / "out.mp4", swap)
    assert written.notes == (
        "63x47 became 64x48: sides have to be even",
        "its sound is left out: adpcm_ms cannot be in an MP4",
    )
    frames, _, sound = read(tmp_path / "out.mp4")
    assert frames[0].shape == (48, 64, 3)
    assert sound == []


def files(tmp_path: Path) -> dict[str, bytes]:
    sources = {
        "text.mp4": b"no video at all\n" * 50,
        "empty.mp4": b"",
        "torn.mp4": write(tmp_path / "whole.mp4").read_bytes()[:900],
        "sound.mp4": write(tmp_path / "song.mp4", frames=0, sound="aac").read_bytes(),
        "list.mp4": b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    }
    for name, content in sources.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.mp4").mkdir()
    return sources


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text.mp4", "damaged, or not a video that FFmpeg can read"),
        ("empty.mp4", "damaged, or not a video"),
        ("torn.mp4", "damaged, or not a video"),
        ("list.mp4", "damaged, or not a video"),
        ("sound.mp4", "no video in it"),
        ("none.mp4", "no such file"),
    ],
)
def test_what_is_no_video(tmp_path: Path, name: str, message: str):
    files(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ZooError, match=f"{name}: {message}") as error:
        change_frames(tmp_path / name, tmp_path / "out.mp4", swap)
    assert len(str(error.value).splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_video_that_ends_early(tmp_path: Path):
    """Its index comes first, so that what is there can be seen."""
    whole = write(tmp_path / "whole.mp4", 40, codec="mpeg4", options={"movflags": "faststart"}).read_bytes()
    (tmp_path / "torn.mp4").write_bytes(whole[: int(0.8 * len(whole))])
    written = change_frames(tmp_path / "torn.mp4", tmp_path / "out.mp4", swap)
    assert 20 < written.frames < 39
    assert f"it ends after {written.frames} of 40 frames" in written.notes
    assert len(read(tmp_path / "out.mp4")[0]) == written.frames


def test_a_damaged_part_costs_no_more_than_itself(tmp_path: Path):
    content = bytearray(write(tmp_path / "whole.mp4", frames=40, codec="mpeg4").read_bytes())
    with av.open(str(tmp_path / "whole.mp4")) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for first, size in packets[10:13]:
        content[first : first + size] = bytes(size)
    (tmp_path / "clip.mp4").write_bytes(content)
    written = change_frames(tmp_path / "clip.mp4", tmp_path / "out.mp4", swap)
    assert written.notes == ("damaged: 3 parts of it left out",)
    assert written.frames == len(read(tmp_path / "out.mp4")[0]) == 37
    for first, size in packets:
        content[first : first + size] = bytes(size)
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(ZooError, match=r"clip\.mp4: no frame of it can be read$"):
        change_frames(tmp_path / "clip.mp4", tmp_path / "none.mp4", swap)
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.parametrize("name", ["clip.mkv", "clip.webm", "clip.mp4"])
def test_a_whole_video_does_not_end_early(tmp_path: Path, name: str):
    """Neither one of no constant rate, nor one whose sound goes on."""
    codec, sound = ("libvpx", "libopus") if name.endswith("webm") else ("libx264", "aac")
    times = [0, 40, 100, 300, 320, 500, 900, 2000]
    write(tmp_path / name, codec=codec, milliseconds=times)
    assert change_frames(tmp_path / name, tmp_path / "rate.mp4", swap).notes == ()
    write(tmp_path / name, frames=3, codec=codec, sound=sound)
    assert change_frames(tmp_path / name, tmp_path / "sound.mp4", swap).notes == ()


def test_a_matroska_that_ends_early(tmp_path: Path):
    whole = write(tmp_path / "whole.mkv", frames=40, codec="mpeg4").read_bytes()
    (tmp_path / "torn.mkv").write_bytes(whole[: len(whole) // 2])
    written = change_frames(tmp_path / "torn.mkv", tmp_path / "out.mp4", swap)
    assert 10 < written.frames < 25
    assert any(note.startswith("it ends after ") and note.endswith(" of 4.0 seconds") for note in written.notes)


def test_frames_that_were_cut_off(tmp_path: Path):
    content = write(tmp_path / "whole.mkv", codec="mpeg4").read_bytes()
    (tmp_path / "clip.mkv").write_bytes(content[: content.index(b"\x1f\x43\xb6\x75")])  # the first cluster
    with pytest.raises(ZooError, match=r"clip\.mkv: damaged, or not a video"):
        change_frames(tmp_path / "clip.mkv", tmp_path / "out.mp4", swap)


@pytest.mark.parametrize("name", ["clip.avi", "clip.mkv"])
def test_sound_whose_channels_have_no_names(tmp_path: Path, name: str):
    source = write(tmp_path / name, codec="mpeg4", sound="pcm_s16le", layout="stereo")
    with av.open(str(source)) as container:
        assert container.streams.audio[0].layout.name == "2 channels"
    assert change_frames(source, tmp_path / "out.mp4", swap).notes == ()
    assert b"".join(read(tmp_path / "out.mp4")[2]) == b"".join(read(source)[2])
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].layout.name == "stereo"


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [((-1, 0, 0, 1), (4, -4)), ((1, 0, 0, -1), (-4, 4)), ((0, 1, 1, 0), (4, 4)), ((0, -1, -1, 0), (-4, -4))],
)
def test_a_mirroring_is_applied(tmp_path: Path, matrix: tuple[int, ...], corner: tuple[int, int]):
    """Left and right, top and bottom, and the diagonals: what phones' front cameras write."""
    content = bytearray(write(tmp_path / "clip.mp4").read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    unity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    place = content.index(unity, content.index(b"tkhd"))
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "clip.mp4").write_bytes(content)
    change_frames(tmp_path / "clip.mp4", tmp_path / "out.mp4", swap)
    frame = read(tmp_path / "out.mp4")[0][0]
    assert frame.shape == ((64, 48, 3) if a == 0 else (48, 64, 3))
    assert frame[corner].min() > 230


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ZooError])
def test_what_stops_it_leaves_nothing(tmp_path: Path, error: type[BaseException]):
    source = write(tmp_path / "clip.mp4")
    (tmp_path / "out.mp4").write_text("of before")
    calls = []

    def change(frame: np.ndarray) -> np.ndarray:
        calls.append(frame)
        if len(calls) == 5:
            raise error("stop")
        return frame

    with pytest.raises(error):
        change_frames(source, tmp_path / "out.mp4", change)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "of before"


class FullDisk(io.FileIO):
    """Holds a few bytes."""

    def write(self, content) -> int:
        if self.tell() + len(content) > 600:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


OPEN = Path.open


def open_full(self: Path, mode: str = "r", **options):
    return FullDisk(self, "w") if mode == "wb" else OPEN(self, mode, **options)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    source = write(tmp_path / "clip.mp4", frames=30)
    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OSError, match="No space left") as error:
        change_frames(source, tmp_path / "out" / "clip.mp4", lambda frame: np.random.default_rng(0).permuted(frame))
    assert error.value.errno == errno.ENOSPC
    assert not list((tmp_path / "out").iterdir())


def test_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = write(tmp_path / "clip.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ZooError, match=r"video needs packages .*: pip install 'lightning-zoo\[video\]'"):
        change_frames(source, tmp_path / "out.mp4", swap)


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder, arguments = tmp_path_factory.mktemp("models") / "style", {"channels": 4, "blocks": 1}
    weights.save(FastStyle(**arguments), folder, "fast_style", arguments, dtype="float32")
    return folder


def test_predict_styles_pictures_and_videos_of_a_folder(
    style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    write(Path("in/clip.mp4"), sound="aac")
    Path("in/bad.mov").write_text("no video")
    with av.open("in/clip.mp4") as container:
        next(container.decode(video=0)).to_image().save("in/still.png")
    assert main.main(["predict", str(style), "in", "-o", "out", "--device", "cpu", "--strength", "0"]) == 2
    out, err = capsys.readouterr()
    assert sorted(path.name for path in Path("out").glob("[!.]*")) == [
        "clip_styled.mp4", "results.jsonl", "still_compare.png", "still_styled.png",
    ]  # fmt: skip
    assert f"{Path('in/clip.mp4')}: 8 frames, " in out
    assert " a second\n" in out
    assert "2 of 3 pictures and videos: out" in out
    assert err.startswith(f"zoo: {Path('in/bad.mov')}: damaged, or not a video that FFmpeg can read (")
    assert len(err.splitlines()) == 1
    frame = read(Path("out/clip_styled.mp4"))[0][0]
    assert near(frame[12, 40], RED)  # strength 0
    assert main.main(["predict", str(style), "in/clip.mp4", "-o", "styled", "--device", "cpu", "--preserve-color"]) == 0
    assert "1 of 1 videos: styled" in capsys.readouterr().out
    assert abs(read(Path("styled/clip_styled.mp4"))[0][0].astype(int) - frame).mean() > 5
    Path("styled/clip_styled.mp4").write_text("of somebody's day")
    monkeypatch.setattr("zoo.pictures.video.change_frames", lambda *_: pytest.fail("found out before hours of work"))
    assert main.main(["predict", str(style), "in/clip.mp4", "-o", "styled", "--device", "cpu"]) == 2
    assert "styled/clip_styled.mp4 would be replaced: not made by this command before" in capsys.readouterr().err


def test_classes_are_laid_over_each_frame(
    tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tmp_path)
    write(Path("clip.mp4"))
    command = ["predict", str(tiny_linknet), "clip.mp4", "-o", "out", "--device", "cpu"]
    assert main.main(command) == 0
    with av.open("out/clip_overlay.mp4") as made, av.open("clip.mp4") as given:
        overlays, frames = (
            [frame.to_ndarray(format="rgb24") for frame in one.decode(video=0)] for one in (made, given)
        )
    assert len(overlays) == len(frames) > 1
    expected = np.asarray(load(tiny_linknet).predict(frames[0]).overlay())
    assert np.abs(overlays[0].astype(int) - expected).mean() < 12  # what the coder loses
    assert main.main([*command, "--steady"]) == 2
    assert "--steady" in capsys.readouterr().err


def test_a_video_for_a_model_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tmp_path)
    write(Path("clip.mp4"))
    command = ["-o", "out", "--device", "cpu", "--vgg", "null", "--style", "clip.mp4"]
    assert main.main(["predict", "neural_style", "clip.mp4", *command]) == 2
    assert "zoo: clip.mp4: a video; NeuralStyle takes pictures only\n" in capsys.readouterr().err
    Path("in").mkdir()
    write(Path("in/clip.mp4"))
    assert main.main(["predict", "neural_style", "in", *command]) == 2
    assert "no pictures in in\n" in capsys.readouterr().err


def test_a_full_disk_ends_the_command_with_one_line(
    style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tmp_path)
    write(Path("clip.mp4"), frames=30)
    monkeypatch.setattr(Path, "open", open_full)
    assert main.main(["predict", str(style), "clip.mp4", "-o", "out", "--device", "cpu"]) == 2
    assert capsys.readouterr().err.startswith("zoo: error: no space left on ")
    assert not Path("out").exists()
