"""What ``zoo predict`` does to one prediction: reading, the network, and writing; see :mod:`zoo.commands.pipeline`."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base import progress
from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, import_object
from zoo.commands.failures import failure, names
from zoo.commands.frames import Expected, change_of
from zoo.commands.inputs import Inputs
from zoo.commands.lines import about
from zoo.commands.outputs import ForeignError, Outputs
from zoo.commands.overheard import overheard
from zoo.commands.pipeline import Job, Outcome, is_video
from zoo.commands.plan import say
from zoo.engines import auto_batch
from zoo.pictures import video
from zoo.pictures.images import decoded

if TYPE_CHECKING:
    from zoo.base.progress import Bars
    from zoo.models.prediction import Predicts


@dataclass(frozen=True)
class Predictions:
    """Predictions with the same options: keyword arguments of the network's ``predict``, and of results' ``save``."""

    net: Predicts
    declared: Architecture
    options: dict[str, Any]
    saving: dict[str, Any]
    chain: bool  # predicts pairs of successive pictures, not all together
    steady: bool  # blends each frame of a video with the frame before
    outputs: Outputs
    bars: Bars

    def read(self, job: Job) -> Job:
        """Decodes the pictures; a chain may have too many, and a video is no picture."""
        if self.chain or is_video(job.paths):
            job.pictures = job.paths
        else:
            job.error = blamed(job.paths, partial(self._decode, job), Path())
        return job

    def _decode(self, job: Job) -> None:
        job.pictures = tuple(decoded(path) for path in job.paths)

    def predict(self, batch: list[Job]) -> list[Job]:
        """Makes the results of one or several jobs."""
        start = time.perf_counter()
        if len(batch) > 1:
            with suppress(ZooError, OSError, MemoryError):  # one by one shows which picture fails
                results = self.net.predict([job.pictures[0] for job in batch], **self.options)
                for job, result in zip(batch, results, strict=True):
                    job.result, job.seconds = result, (time.perf_counter() - start) / len(batch)
                return batch
        for job in batch:
            if not job.error:
                work = self._video if is_video(job.paths) else self._one
                job.error = blamed(job.paths, partial(work, job), self._place(job))
        return batch

    def batch(self, size: tuple[int, int]) -> int:
        """How many pictures of a width and height to predict at a time."""
        count = self.options.get("batch_size", 1)
        return auto_batch(self.net.engine.device, *size) if count == "auto" else int(count)

    def _place(self, job: Job) -> Path:
        return self.outputs.folder / job.destination

    def _one(self, job: Job) -> None:
        start = time.perf_counter()
        if self.chain:
            job.result = import_object(self.declared.chain)(self._links(job.paths))
        else:
            job.result = self.net.predict(*job.pictures, **self.options)
        job.seconds = time.perf_counter() - start

    def _links(self, paths: Inputs) -> Iterator[Any]:
        task = self.bars.add_task("Pairs", total=len(paths) - 1)
        for pair in pairwise(paths):
            yield self.net.predict(*pair, **self.options)
            self.bars.advance(task)

    def write(self, job: Job) -> Outcome:
        """Writes the results."""
        if not job.error and job.result is not None:
            job.error = blamed(job.paths, partial(self._save, job), self._place(job))
        line = about(job.paths)
        if job.error:
            who, error = failure(job.paths, job.error)
            return Outcome(job.number, who, error, line={**line, "error": error})
        return Outcome(job.number, names(job.paths), **{**job.told, "line": {**line, **job.told["line"]}})

    def _save(self, job: Job) -> None:
        result: Any = job.result
        with overheard() as warned:
            files = self.outputs.save(job.destination, partial(result.save, **self.saving))
        notes = tuple(dict.fromkeys([*getattr(result, "notes", ()), *warned]))  # a warning may repeat a note
        line = {"seconds": round(job.seconds, 4), **getattr(result, "summary", result.to_dict)()}
        job.told = {"notes": notes, "trusted": getattr(result, "trusted", True), "line": line, "files": files}

    def _video(self, job: Job) -> None:
        """Predicts each frame, and writes ``DESTINATION_KIND.mp4`` meanwhile."""
        path, destination = job.paths[0], job.destination
        if not self.declared.video:
            raise ZooError(f"{path}: a video; {self.declared.net.rpartition('.')[2]} takes pictures only")
        told = progress.listener() is not None  # it is shown how far the video is
        change = Expected(path, change_of(self.net, self.options, self.steady), (lambda _: None) if told else say)
        self.outputs.check(destination, [ending := f"_{self.declared.video}.mp4"])  # before the long work
        task, start, written = self.bars.add_task("Frames", total=None), time.perf_counter(), list[video.Written]()

        def show(done: int, total: int | None) -> None:
            self.bars.update(task, completed=done, total=total)
            change.tell(done, total)

        def write(place: Path) -> None:
            written.append(video.change_frames(path, place.with_name(f"{place.name}{ending}"), change, show))

        try:
            files = self.outputs.save(destination, write)
        finally:
            self.bars.remove_task(task)
        seconds, frames = time.perf_counter() - start, written[0].frames
        printed = f"{path}: {frames} frames, {frames / seconds:.1f} a second"
        notes, line = tuple(dict.fromkeys(written[0].notes)), {"seconds": round(seconds, 4), "frames": frames}
        job.told = {"notes": notes, "printed": printed, "line": line, "files": files}


def blamed(paths: Inputs, work: Callable[[], Any], place: Path) -> str:
    """Does work; returns what went wrong with these pictures, or an empty text.

    Args:
        paths: the pictures.
        work: the work.
        place: what an error of the system belongs to if it names none of the pictures.

    Raises:
        ForeignError: files are in the way.
        OSError: no space is left.
    """
    try:
        work()
    except ForeignError:
        raise
    except ZooError as error:
        return str(error)
    except OSError as error:  # such as a name too long for the results
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = "" if error.filename in map(str, paths) else f"{place}: "
        return f"{where}{error.strerror or error}"
    except MemoryError:
        return "memory ran out"
    return ""
