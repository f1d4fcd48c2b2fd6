"""A job of the server: a verb in a process that reports what it does, one JSON object a line.

The server runs ``python -m zoo.commands.job SETTINGS predict ...``. Reports go to standard output, messages to standard
error, as always; what the verb prints beside them is dropped.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from zoo.base import progress
from zoo.base.errors import ZooError
from zoo.base.text import printable
from zoo.commands import main as command
from zoo.pictures import video
from zoo.pictures.images import opened
from zoo.pictures.results import save_png

if TYPE_CHECKING:
    from PIL import Image

PERIOD = 0.1  # seconds between two reports
PREVIEW_SIDE = 1024  # most pixels of the longer side of a preview


def main(argv: Sequence[str]) -> int:
    """Runs a verb as a job.

    Args:
        argv: a JSON object with ``preview`` (path of the previews), ``pictures`` (paths of what visitors gave) and
            ``pixels`` (most pixels of one of them); then the verb and its arguments.

    Returns:
        The exit code of :func:`zoo.commands.main.main`.
    """
    settings = json.loads(argv[0])
    reports = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    try:
        for path in map(Path, settings["pictures"]):
            _check(path, settings["pixels"])
    except ZooError as error:
        print(printable(f"zoo: error: {error}", keep="\n"), file=sys.stderr)  # noqa: T201
        return command.USER_ERROR
    progress.listen(Reporter(reports, Path(settings["preview"])))
    return command.main(argv[1:])


def _end_with_the_server() -> None:
    """Ends this process when the server's end of the pipe is closed, even if the server was killed."""
    while os.read(0, 1):
        pass
    os._exit(command.INTERRUPTED)


def _check(path: Path, most: int) -> None:
    """Refuses what is no picture, or one with more pixels than the server takes, by its header."""
    if path.suffix in video.SUFFIXES:
        return
    with opened(path) as picture:
        width, height = picture.size
    if width * height > most:
        raise ZooError(f"{path} has {width}x{height} pixels, and this server takes up to {most / 1e6:g} megapixels")


class Reporter:
    """Writes reports.

    Args:
        output: takes one JSON object a line.
        preview: path of the previews.
    """

    def __init__(self, output: TextIO, preview: Path) -> None:
        self._output, self._preview, self._last = output, preview, 0.0

    def progress(self, description: str, done: float, total: float | None) -> None:
        if done == total or time.monotonic() - self._last >= PERIOD:
            self._last = time.monotonic()
            self._tell(doing=description, done=done, total=total)

    def preview(self, number: int, picture: Image.Image) -> None:
        shown = picture.copy()
        shown.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        save_png(shown, self._preview)
        self._tell(preview=number)

    def _tell(self, **report: Any) -> None:
        print(json.dumps(report), file=self._output, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
