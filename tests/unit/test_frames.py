"""Videos that get larger: their frames, their encoder, and how long they take."""

from __future__ import annotations

import signal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage import data

from zoo import load
from zoo.base.errors import ZooError
from zoo.cards import weights
from zoo.commands import frames, main
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.pictures import encoder
from zoo.pictures.video import change_frames

av = pytest.importorskip("av")

CAT = np.ascontiguousarray(data.chelsea()[100:160, 120:200])


def write(path: Path, count: int, size: tuple[int, int] = (32, 24), silent: float = 0.0) -> Path:
    """A video at ten frames a second that begins after some seconds, with sound from the start."""
    with av.open(str(path), "w") as output:
        video, sound = output.add_stream("ffv1", rate=10), output.add_stream("aac", rate=48000, layout="mono")
        video.width, video.height, video.pix_fmt = *size, "yuv444p"
        step = 1024
        for first in range(0, 48000, step):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, step), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, first
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
        for index in range(count):
            pixels = CAT[index : index + size[1], index : index + size[0]]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index + round(10 * silent), Fraction(1, 10)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path


def read(path: Path) -> tuple[list[np.ndarray], list[float], int]:
    """Frames, their times in seconds, and the number of packets of sound."""
    with av.open(str(path)) as film:
        found = list(film.decode(video=0))
    with av.open(str(path)) as film:
        sounds = sum(packet.stream.type == "audio" and packet.size > 0 for packet in film.demux())
    return [frame.to_ndarray(format="rgb24") for frame in found], [float(f.pts * f.time_base) for f in found], sounds


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that doubles sides."""
    torch.manual_seed(0)
    folder, arguments = tmp_path_factory.mktemp("models") / "small", {"scale": 2, "channels": 4, "blocks": 1}
    weights.save(PerceptualSR(**arguments), folder, "perceptual_sr", arguments, dtype="float32")
    return folder


def test_frames_of_another_size_after_sound(tmp_path: Path):
    source = write(tmp_path / "clip.mkv", 4, silent=0.1)
    totals = []
    written = change_frames(
        source, tmp_path / "out.mp4", lambda frame: frame.repeat(3, 0).repeat(2, 1), lambda *told: totals.append(told)
    )
    assert (written.frames, written.notes) == (4, ())
    assert [done for done, _ in totals] == [1, 2, 3, 4]
    assert totals[0][1] in range(4, 9)  # Matroska counts no frames, but tells how long it is
    before, after = read(source), read(tmp_path / "out.mp4")
    assert [frame.shape for frame in after[0]] == 4 * [(72, 64, 3)]
    assert after[1:] == before[1:]
    assert np.abs(after[0][2][::3, ::2].astype(int) - before[0][2]).mean() < 8  # what the coder loses


def test_a_frame_is_what_a_picture_becomes(small: Path):
    net = load(small, device="cpu")
    for options in ({}, {"tile": 20}, {"max_side": 101}, {"self_ensemble": True}, {"match_histogram": True}):
        assert np.array_equal(net.predict_frame(CAT, **options), np.asarray(net.predict(CAT, **options).picture))
    grey = np.repeat(CAT[..., :1], 3, 2)
    assert net.predict_frame(grey).shape == (120, 160, 3)
    with pytest.raises(ZooError, match="scale must be 2 here"):
        net.predict_frame(CAT, scale=3)


def test_videos_are_enlarged(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tmp_path)
    source = write(Path("clip.mkv"), 3, (31, 23))
    command = ["predict", str(small), "clip.mkv", "-o", "out", "--device", "cpu"]
    assert main.main([*command, "--max-side", "57"]) == 0
    told = capsys.readouterr()
    assert "clip.mkv: 57x42 became 58x42: sides have to be even" in told.err
    assert "take about" not in told.err
    made, times, sounds = read(Path("out/clip_enlarged.mp4"))
    assert {frame.shape for frame in made} == {(42, 58, 3)}
    assert (times, sounds) == read(source)[1:]
    monkeypatch.setattr(frames, "LONG", 0)
    assert main.main([*command, "--skip-existing"]) == 0  # its options are others
    assert "clip.mkv: 3 frames of 31x23 become 62x46 take about 0 min" in capsys.readouterr().err
    assert read(Path("out/clip_enlarged.mp4"))[0][0].shape == (46, 62, 3)
    assert main.main([*command, "--skip-existing"]) == 0
    assert "1 of 1 videos, 1 of them by an earlier run: out" in capsys.readouterr().out


def test_ctrl_c_leaves_nothing_of_a_video(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write(Path("clip.mkv"), 3)
    monkeypatch.setattr(frames.Expected, "tell", lambda *_: signal.raise_signal(signal.SIGINT))
    assert main.main(["predict", str(small), "clip.mkv", "-o", "out", "--device", "cpu"]) == main.INTERRUPTED
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["clip.mkv"]


def test_the_time_of_a_long_video_is_said_once(monkeypatch: pytest.MonkeyPatch):
    lines, clock = [], iter(range(0, 1000, 4))
    monkeypatch.setattr(frames.time, "perf_counter", lambda: next(clock))
    for total, expected in ((100, ["a.mp4: 100 frames of 80x60 take about 7 min"]), (20, []), (None, [])):
        video = frames.Expected(Path("a.mp4"), lambda frame: frame, lines.append)
        for done in (1, 2, 3):
            video(CAT)
            video.tell(done, total)
            assert lines == (expected if done > 1 else [])  # the first frame alone may have taken longer
        lines.clear()
    monkeypatch.setattr(frames.time, "perf_counter", iter((0, 50)).__next__)
    video = frames.Expected(Path("a.mp4"), lambda frame: frame[:40], lines.append)
    video(CAT)
    video.tell(1, 1000)
    assert lines == ["a.mp4: 1000 frames of 80x60 become 80x40 take about 13.9 hours"]


def held(path: Path) -> int:
    """Frames that the encoder takes before it gives the first packet."""
    with encoder.writing(path) as output:
        writer = encoder.Writer(output, Fraction(10), Fraction(1, 10))
        packets: list = []
        writer.output = SimpleNamespace(mux=packets.extend)
        while not packets and writer.frames < 200:
            writer.write(CAT, None)
        output.mux(packets)
    return writer.frames


def test_the_encoder_holds_few_large_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert held(tmp_path / "small.mp4") > 40
    monkeypatch.setattr(encoder, "BUDGET", 16 * CAT.size // 2)
    assert held(tmp_path / "large.mp4") < 20


def test_frames_that_are_large_or_too_large_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encoder, "PLAYED", (64, 48))
    with encoder.writing(tmp_path / "a.mp4") as output:
        writer = encoder.Writer(output, Fraction(10), Fraction(1, 10))
        writer.write(CAT, 0)
        writer.finish()
    assert writer.notes == ["frames of 80x60: many players take up to 64x48"]
    with pytest.raises(ZooError, match=r"^frames of 16386x2 pixels: H\.264 takes up to 16384 a side$"):  # noqa: SIM117
        with encoder.writing(tmp_path / "b.mp4") as output:
            encoder.Writer(output, Fraction(10), Fraction(1, 10)).write(np.zeros((2, 16386, 3), np.uint8), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
