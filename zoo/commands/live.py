"""``zoo predict MODEL --camera N``: the frames of a camera, in a window, to a file, or both."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.base import progress
from zoo.base.errors import ZooError
from zoo.base.scratch import temporary_folder
from zoo.cards import exported
from zoo.commands.devices import chosen_device
from zoo.commands.frames import change_of
from zoo.commands.loading import is_pure, loaded, prepare
from zoo.commands.plan import Watch, read_watch, say
from zoo.pictures import camera, encoder, video
from zoo.pictures.window import Window

if TYPE_CHECKING:
    import numpy as np
    from av.container import OutputContainer

    from zoo.base.progress import Bars

TICK = 0.02  # seconds within which window and signals are attended to
RECENT = 16  # frames whose time gives the frames a second
NOMINAL = Fraction(30)  # frames a second that the file's header tells; each frame has its own time
UNIT = Fraction(1, 1000)  # seconds: unit of the times of frames
BAR = "{task.description}: {task.completed} frames, {task.fields[rate]:.1f} a second"
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # which end the file as it should


def main(argv: list[str]) -> int:
    """Predicts the newest frame of a camera again and again, until it is told to end.

    Returns:
        0.

    Raises:
        ZooError: an option is wrong, the camera does not open or fails, or packages are missing. What was written of a
            file until then is kept.
    """
    watch = read_watch(argv)
    with ExitStack() as stack:
        newest = camera.Newest(camera.opened(watch.number))
        stack.callback(newest.close)
        window, file = _outputs(watch)
        if window is not None:
            stack.callback(window.close)
        change = _change(watch)
        stop = stack.enter_context(stopped_by_signals())
        newest.start()
        with progress.bars(BAR) as bars:
            Live(watch.number, newest, change, window, file, bars).run(stop)
    return 0


def _outputs(watch: Watch) -> tuple[Window | None, Path | None]:
    """Where frames go: a window where there is a display, and a file if one is named or there is no window."""
    file, window = watch.output, None
    try:
        window = Window(f"{watch.name}: loading")
    except ZooError as error:
        file = file or _free(Path(f"camera_{watch.declared.video}.mp4"))
        say(f"no window, since {error}: Ctrl-C ends, and finishes {file}")
    if file is not None:
        encoder.import_av()
    if window is not None:
        say(f"camera {watch.number}: q, Esc or Ctrl-C ends" + (f", and finishes {file}" if file else ""))
    return window, file


def _free(path: Path) -> Path:
    """The path, with a number added if there is such a file."""
    free, count = path, 1
    while free.exists():
        count += 1
        free = path.with_stem(f"{path.stem}_{count}")
    return free


@contextmanager
def _film(path: Path) -> Iterator[OutputContainer]:
    """Opens a video to write; the next one in the same folder removes what a killed process left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(path.parent, ".zoo-camera-") as folder:
        with encoder.writing(folder / path.name) as output:
            yield output
        (folder / path.name).replace(path)


def _change(watch: Watch) -> video.Change:
    """Loads the network."""
    device = chosen_device(watch.verb["device"], exported.engine_of(watch.name, watch.verb["engine"]))
    net = loaded(watch.name, watch.verb["engine"], device, watch.verb["bfloat16"])
    if is_pure(net, watch.options):
        prepare(net, watch.verb["bfloat16"])
    return change_of(net, watch.options, watch.verb["steady"])


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Lets the first signal that would end the process set an event; a second one interrupts as always."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Live:
    """The frames of a camera, changed one after the other.

    Args:
        number: the camera's number, for messages.
        newest: its frames.
        change: function that changes a frame ``(H, W, 3)`` uint8.
        window: shows the frames.
        file: path of a video of them.
        bars: show how many they are.
    """

    def __init__(
        self,
        number: int,
        newest: camera.Newest,
        change: video.Change,
        window: Window | None,
        file: Path | None,
        bars: Bars,
    ) -> None:
        self._name, self._newest, self._change = f"camera {number}", newest, change
        self._window, self._file, self._bars = window, file, bars
        self._times = deque[float](maxlen=RECENT)
        self._frames, self._task = 0, bars.add_task(f"Camera {number}", total=None, rate=0.0)
        self._writer: encoder.Writer | None = None

    def run(self, stop: threading.Event) -> None:
        """Goes on until the event is set, the window is closed or the camera ends; then finishes the file.

        Raises:
            ZooError: the camera fails or gives no frame, or a frame cannot be changed. The file is finished if there is
                a frame in it.
        """
        start, trouble = time.monotonic(), None
        with ExitStack() as files:
            try:
                with ThreadPoolExecutor(1, thread_name_prefix="network") as pool:
                    self._go_on(stop, pool, files)
                self._check(stop)
            except Exception as error:
                trouble = error
            if self._writer is not None:
                self._writer.finish()
        if self._frames:
            self._tell(time.monotonic() - start)
        if trouble is not None:
            raise trouble

    def _go_on(self, stop: threading.Event, pool: ThreadPoolExecutor, files: ExitStack) -> None:
        while self._is_wanted(stop):
            ended = self._newest.ended  # asked before, or the last frame could come in between
            if (shot := self._newest.take(TICK)) is not None:
                future = pool.submit(self._change, shot.frame)
                while not future.done() and self._is_wanted(stop):
                    wait([future], TICK)
                if future.done():  # else the end was asked for meanwhile
                    self._take(future, shot.seconds, files)
            elif ended:
                return

    def _is_wanted(self, stop: threading.Event) -> bool:
        if self._window is not None and not self._window.attend():
            stop.set()
        return not stop.is_set()

    def _take(self, future: Future[np.ndarray], seconds: float, files: ExitStack) -> None:
        """Shows and writes a frame."""
        made = future.result()
        self._frames += 1
        self._times.append(time.monotonic())
        recent = self._times[-1] - self._times[0]
        rate = (len(self._times) - 1) / recent if recent else 0.0
        self._bars.update(self._task, completed=self._frames, rate=rate)
        if self._window is not None:
            self._window.show(made, f"{self._name}: {rate:.1f} frames a second")
        if self._file is not None:
            if self._writer is None:
                self._writer = encoder.Writer(files.enter_context(_film(self._file)), NOMINAL, UNIT)
            self._writer.write(made, round(seconds / UNIT))

    def _check(self, stop: threading.Event) -> None:
        """Tells why the camera ended, unless it was told to.

        Raises:
            ZooError: it failed, or gave no frame.
        """
        if stop.is_set():
            return
        if self._newest.error:
            raise ZooError(f"{self._name} failed after {self._newest.read} frames: {self._newest.error}")
        if not self._newest.read:
            way_out = "close other programs that use it, or give another number"
            raise ZooError(f"{self._name} opens, but gives no frame; {way_out}")
        say(f"{self._name} gives no more frames")

    def _tell(self, seconds: float) -> None:
        left = self._newest.read - self._frames
        told = f"{self._frames} frames, {self._frames / max(seconds, 1e-9):.1f} a second, {left} left out"
        print(f"{self._name}: {told}" + (f": {self._file}" if self._writer else ""))  # noqa: T201
        for note in self._writer.notes if self._writer else ():
            say(f"{self._file}: {note}")
