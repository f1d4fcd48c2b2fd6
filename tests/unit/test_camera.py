"""``zoo predict --camera`` on captures that end, fail, hang, and are faster or slower than the network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, count, repeat
from pathlib import Path

import cv2
import numpy as np
import pytest

from zoo.base.errors import ZooError
from zoo.base.progress import NoBars
from zoo.base.scratch import temporary_folder
from zoo.commands import live, main
from zoo.pictures import camera
from zoo.pictures.camera import Newest
from zoo.pictures.window import Window

av = pytest.importorskip("av")

NONE = (False, None)


def frame(level: int, shape: tuple[int, ...] = (36, 48, 3)) -> np.ndarray:
    return np.full(shape, level, np.uint8)


class Fake:
    """A capture that gives what an iterator does: frames, None for one that is lost, or errors that are raised."""

    def __init__(self, given: Iterator | list) -> None:
        self._given, self.released = iter(given), 0

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        found = next(self._given, None)
        if isinstance(found, Exception):
            raise found
        return NONE if found is None else (True, found() if callable(found) else found)

    def release(self) -> None:
        self.released += 1


class Closed(Fake):
    def isOpened(self) -> bool:  # noqa: N802
        return False


def levels(path: Path) -> list[int]:
    """The mean of each frame of a video."""
    with av.open(str(path)) as film:
        return [round(each.to_ndarray(format="rgb24").mean()) for each in film.decode(video=0)]


def run(capture: Fake, change: Callable, file: Path | None, stop: threading.Event | None = None) -> Newest:
    newest = Newest(capture)
    with closing(newest):
        newest.start()
        live.Live(0, newest, change, None, file, NoBars()).run(stop or threading.Event())
    assert capture.released == 1
    return newest


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Fake], None]:
    """Makes a capture the only camera, where there is no display."""
    monkeypatch.chdir(tmp_path)

    def no_window(title: str) -> None:
        raise ZooError("there is no display")

    monkeypatch.setattr(live, "Window", no_window)
    closed = Closed([])
    return lambda capture: monkeypatch.setattr("cv2.VideoCapture", lambda number: closed if number else capture)


def test_every_frame_of_a_slow_camera_is_used_with_its_time(tmp_path: Path, capsys: pytest.CaptureFixture):
    used = threading.Semaphore(1)

    def shot(level: int) -> Callable[[], np.ndarray]:
        return lambda: used.acquire(timeout=20) and frame(level)

    def change(rgb: np.ndarray) -> np.ndarray:
        used.release()
        return rgb.repeat(2, 0)

    run(Fake(map(shot, range(40, 240, 40))), change, tmp_path / "new" / "a.mp4")
    assert levels(tmp_path / "new" / "a.mp4") == pytest.approx([*range(40, 240, 40)], abs=2)
    told = capsys.readouterr()
    assert told.err == "zoo: camera 0 gives no more frames\n"
    assert told.out.startswith("camera 0: 5 frames, ")
    assert told.out.endswith(f" a second, 0 left out: {tmp_path / 'new' / 'a.mp4'}\n")
    clock = iter((7.0, 7.5, 9.0)).__next__
    used = threading.Semaphore(0)
    newest = Newest(Fake([shot(9)] * 3), clock)
    with closing(newest):
        newest.start()
        assert [used.release() or newest.take(20).seconds for _ in range(3)] == [0.0, 0.5, 2.0]


def test_frames_that_come_while_one_is_changed_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture):
    stop, seen, came = threading.Event(), [], {each: threading.Event() for each in (20, 40, 60)}

    def shot(number: int) -> Callable[[], np.ndarray]:
        def take() -> np.ndarray:
            if number in came:
                came[number].set()
            return frame(min(number, 255))

        return take

    def change(rgb: np.ndarray) -> np.ndarray:
        seen.append(int(rgb[0, 0, 0]))
        if len(seen) == 3:
            stop.set()
        else:
            assert came[20 * len(seen)].wait(20)
        return rgb

    run(Fake(map(shot, count())), change, None, stop)
    assert seen[1] >= 19  # a frame is there when the next is asked for
    assert seen[2] >= 39
    assert int(capsys.readouterr().out.split(", ")[-1].partition(" left out\n")[0]) > 36


@pytest.mark.parametrize("ending", [[], [cv2.error("select() timeout\nand more")]])
def test_a_camera_that_ends_or_fails_leaves_a_whole_file(
    tiny_linknet: Path, given: Callable, capsys: pytest.CaptureFixture, ending: list
):
    with temporary_folder(Path(), ".zoo-camera-") as left:
        pass
    left.mkdir()  # by a process that was killed
    Path(f"{left}.lock").touch()
    given(Fake([None, None, *(frame(level, (35, 47, 3)) for level in (9, 99, 200)), *ending]))
    code = main.main(["predict", str(tiny_linknet), "--camera", "0", "-o", "a.mp4", "--device", "cpu", "--tile", "64"])
    told = capsys.readouterr()
    frames = int(told.out.removeprefix("camera 0: ").partition(" ")[0])
    assert len(levels(Path("a.mp4"))) == frames > 0
    assert f"{3 - frames} left out: a.mp4" in told.out
    assert "a.mp4: 47x35 became 48x36: sides have to be even" in told.err
    assert code == (2 if ending else 0)
    said = "error: camera 0 failed after 3 frames: select() timeout\n" if ending else "camera 0 gives no more frames\n"
    assert f"zoo: {said}" in told.err
    assert [path.name for path in Path().iterdir()] == ["a.mp4"]


def test_ctrl_c_finishes_the_file_and_a_camera_that_hangs_ends(
    tiny_linknet: Path, given: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    hanging = threading.Event()
    monkeypatch.setattr(camera, "FAREWELL", 0.01)

    def hang() -> None:
        signal.raise_signal(signal.SIGINT)
        assert hanging.wait(20)

    handler = signal.getsignal(signal.SIGINT)
    command = ["predict", str(tiny_linknet), "--camera=0", "--device", "cpu"]
    changed = threading.Semaphore(0)
    monkeypatch.setattr(live, "_change", lambda _: lambda rgb: changed.release() or rgb)
    wait = lambda: changed.acquire(timeout=20) and frame(99)  # noqa: E731
    for name in ("camera_overlay.mp4", "camera_overlay_2.mp4"):
        changed = threading.Semaphore(0)
        given(capture := Fake([frame(99), wait, wait, hang]))  # when the second is changed, the first is in the file
        assert main.main(command) == 0
        assert set(levels(Path(name))) <= {98, 99, 100}
        told = capsys.readouterr()
        assert told.err == f"zoo: no window, since there is no display: Ctrl-C ends, and finishes {name}\n"
        assert capture.released == 0
    hanging.set()
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_window_ends_it(tiny_linknet: Path, given: Callable, monkeypatch: pytest.MonkeyPatch):
    given(capture := Fake(repeat(frame(99))))
    shown: list[tuple[tuple[int, ...], str]] = []

    class Three:
        def __init__(self, title: str) -> None: ...

        def attend(self) -> bool:
            return len(shown) < 3

        def show(self, made: np.ndarray, title: str) -> None:
            shown.append((made.shape, title))

        def close(self) -> None:
            shown.append(((), "closed"))

    monkeypatch.setattr(live, "Window", Three)
    assert main.main(["predict", str(tiny_linknet), "--camera", "0", "--device", "cpu"]) == 0
    assert [shape for shape, _ in shown] == 3 * [(36, 48, 3)] + [()]
    assert shown[2][1].endswith(" frames a second")
    assert not list(Path().iterdir())
    assert capture.released == 1


def test_a_frame_that_cannot_be_changed(tmp_path: Path):
    def change(rgb: np.ndarray) -> np.ndarray:
        used.release()
        if rgb[0, 0, 0] > 50:
            raise ZooError("memory ran out")
        return rgb

    for first, files in ((200, []), (20, ["a.mp4"])):
        used = threading.Semaphore(1)
        shots = map(lambda level: lambda: used.acquire(timeout=20) and frame(level), (first, 99))  # noqa: B023
        with pytest.raises(ZooError, match=r"^memory ran out$"):
            run(Fake(shots), change, tmp_path / "a.mp4")
        assert [path.name for path in tmp_path.iterdir()] == files


def test_a_camera_without_frames_leaves_nothing(tiny_linknet: Path, given: Callable, capsys: pytest.CaptureFixture):
    given(Fake([]))
    assert main.main(["predict", str(tiny_linknet), "--camera", "0", "-o", "a.mp4", "--device", "cpu"]) == 2
    assert "error: camera 0 opens, but gives no frame; close other programs that use it, or" in capsys.readouterr().err
    assert not list(Path().iterdir())


def test_frames_of_any_kind_and_size():
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 2] = 200
    assert camera.rgb(red)[0, 0].tolist() == [200, 0, 0]
    assert camera.rgb(np.dstack([red, red[..., :1]]))[0, 0].tolist() == [200, 0, 0]
    for shape in ((4, 6), (4, 6, 1)):
        assert camera.rgb(frame(7, shape)).tolist() == frame(7, (4, 6, 3)).tolist()
    used = threading.Semaphore(0)
    newest = Newest(Fake(chain([frame(1, (8, 9, 3))], [lambda: used.acquire(timeout=20) and frame(5, (40, 31))])))
    with closing(newest):
        newest.start()
        assert newest.take(20).frame.shape == (8, 9, 3)
        used.release()
        assert newest.take(20).frame.tolist() == frame(5, (8, 9, 3)).tolist()


def test_cameras_that_open_are_listed(monkeypatch: pytest.MonkeyPatch):
    level = cv2.utils.logging.getLogLevel()
    monkeypatch.setattr("cv2.VideoCapture", lambda number: Fake([]) if number in (2, 4) else Closed([]))
    with pytest.raises(ZooError, match=r"^camera 0 does not open; cameras that open here: 2, 4$"):
        camera.opened(0)
    assert cv2.utils.logging.getLogLevel() == level
    monkeypatch.setattr("cv2.VideoCapture", lambda _: Closed([]))
    with pytest.raises(ZooError, match=r"^camera 7 does not open; nor does any other: connect one, close programs"):
        camera.opened(7)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a.jpg", "--camera", "0"], "--camera predicts what a camera sees; leave out a.jpg"),
        (["--camera", "0", "a.jpg"], "--camera predicts what a camera sees; leave out a.jpg"),
        (["--camera", "-1"], "--camera must be the number of a camera, from 0 on, not '-1'"),
        (["--camera=front"], "--camera must be the number of a camera, from 0 on, not 'front'"),
        (["--camera"], "--camera: expected one argument"),
        (["--camera", "0", "-o", "out"], "-o out: with --camera name a file that ends in .mp4"),
        (
            ["--camera", "0", "-o", "old.mp4"],
            "old.mp4 is there already; name another file with -o, or give --overwrite",
        ),
        (["--camera", "0", "--skip-existing"], "--skip-existing: of no use with --camera; leave it out"),
        (["--camera", "0", "--devices", "2", "--batch-size", "3"], "--devices --batch-size: of no use with --camera"),
        (["--camera", "0", "--outputs", "csv"], "--outputs: of no use with --camera; leave it out"),
    ],
)
def test_needless_and_wrong_words_are_refused(
    tiny_linknet: Path, given: Callable, capsys: pytest.CaptureFixture, words: list[str], told: str
):
    given(Fake([]))
    Path("old.mp4").touch()
    assert main.main(["predict", str(tiny_linknet), *words]) == 2
    assert told in capsys.readouterr().err


def test_models_without_video_are_refused(capsys: pytest.CaptureFixture):
    for name, takes in (("xfeat", "2 pictures"), ("neural_style", "pictures only")):
        assert main.main(["predict", name, "--camera", "0"]) == 2
        assert capsys.readouterr().err == (
            f"zoo: error: {name} takes {takes}; --camera is for models that take videos\n"
        )


def test_without_a_display_there_is_no_window(monkeypatch: pytest.MonkeyPatch):
    if sys.platform == "linux":
        monkeypatch.delenv("DISPLAY", raising=False)
        with pytest.raises(ZooError, match=r"^(there is no display|this Python has no Tk)$"):
            Window("a")
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(ZooError, match=r"^this Python has no Tk$"):
        Window("a")


WINDOWS = """
import numpy as np
from zoo.pictures.window import Window

for key in ("<q>", "<Escape>"):
    window = Window("a")
    for shape, shown in (((36, 48, 3), (48, 36)), ((36, 48, 3), (48, 36)), ((500, 700, 3), (126, 90))):
        window.show(np.full(shape, 90, np.uint8), "title")
        assert (window._shown.width(), window._shown.height()) == shown
    assert window.attend()
    window._root.focus_force()
    window._root.update()
    window._root.event_generate(key)
    assert not window.attend()
    window.close()
"""


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="there is no Xvfb, which stands in for a display")
def test_a_real_window():
    """In a process of its own, which Tk ends when the display goes."""
    pytest.importorskip("tkinter")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "200x100x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            display = {"DISPLAY": f":{server.stdout.readline().strip()}"}
            done = subprocess.run(
                [sys.executable, "-c", WINDOWS], env={**os.environ, **display}, capture_output=True, text=True
            )
        finally:
            server.terminate()
    assert (done.returncode, done.stderr) == (0, "")
