"""The queue of jobs: each is a process of its own, and what expires leaves nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from zoo.serving.job import TYPES, Job
from zoo.serving.limits import Limits, RefusedError
from zoo.serving.offer import Offer
from zoo.serving.process import Process

PROGRAM = "zoo.commands.job"  # a name only: what is below the commands cannot import it
PRINTED = 1 << 14  # bytes of what a process printed that are read
BUG = 70  # exit code of the command


class Jobs:
    """All jobs of a server.

    Args:
        folder: existing folder for their files.
        limits: what visitors may ask for.
        say: prints what the operator should know.
    """

    def __init__(self, folder: Path, limits: Limits, say: Callable[[str], None] = print) -> None:
        self.folder, self.limits, self._say = folder, limits, say
        self._jobs = dict[str, Job]()
        self._waiting = deque[Job]()
        self._running = dict[Job, asyncio.Task[None]]()

    def get(self, name: str) -> Job:
        """The job of an id, which counts as being asked for.

        Raises:
            RefusedError: there is none, or no longer.
        """
        job = self._jobs.get(name)
        if job is None:
            raise RefusedError(404, "There is no such job, or its results have expired.")
        job.seen = time.monotonic()
        return job

    def begin(self, offer: Offer, words: list[str], names: dict[str, str], client: str) -> Job:
        """Makes a job that waits for its files.

        Raises:
            RefusedError: there are too many jobs.
        """
        unfinished = [job for job in self._jobs.values() if not job.over]
        own = sum(job.client == client for job in unfinished)
        if own >= self.limits.each:
            raise RefusedError(429, f"You have {own} unfinished jobs already: wait for one of them, or stop it.")
        if len(unfinished) >= self.limits.unfinished:
            raise RefusedError(503, f"{len(unfinished)} jobs are waiting here already: try again later.")
        job = Job(offer, words, client, self.folder, names)
        for folder in (job.folder, job.inputs, job.temporary):
            folder.mkdir()
        self._jobs[job.id] = job
        return job

    def enqueue(self, job: Job) -> None:
        """Puts a job whose files are all here at the end of the queue."""
        self._waiting.append(job)
        job.change(state="waiting")
        self._advance()

    async def remove(self, job: Job) -> None:
        """Ends a job if it is not over, and removes all that is left of it."""
        if self._jobs.pop(job.id, None) is None:
            return
        if job in self._waiting:
            self._waiting.remove(job)
        if not job.over:
            job.change(state="stopped", place=0)
        if task := self._running.get(job):
            task.cancel()
            await asyncio.wait([task])
        await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)
        self._advance()

    async def sweep(self, pause: float = 1.0) -> None:
        """Removes what has expired, again and again."""
        while True:
            await asyncio.sleep(pause)
            for job in self._expired():
                await self.remove(job)

    async def close(self) -> None:
        """Ends and removes all jobs."""
        self._waiting.clear()
        await asyncio.gather(*(self.remove(job) for job in list(self._jobs.values())))

    def _expired(self) -> list[Job]:
        now, limits = time.monotonic(), self.limits
        over = sorted((job for job in self._jobs.values() if job.over), key=lambda job: job.ended)
        found = over[: max(0, len(over) - limits.finished)]
        for job in self._jobs.values():
            unwatched = not job.watchers and now - job.seen > limits.patience
            slow = job.state == "uploading" and now - job.created > limits.keep
            if now - job.ended > limits.keep if job.over else unwatched or slow:
                found.append(job)
        return list(dict.fromkeys(found))

    def _advance(self) -> None:
        """Starts jobs while there is room, and tells the others their places."""
        while self._waiting and len(self._running) < self.limits.running:
            job = self._waiting.popleft()
            job.change(state="working", place=0)
            self._running[job] = asyncio.create_task(self._run(job))
        for place, job in enumerate(self._waiting, 1):
            if job.place != place:
                job.change(place=place)

    async def _run(self, job: Job) -> None:
        try:
            code = await asyncio.wait_for(self._computed(job), self.limits.seconds)
            printed = await asyncio.to_thread(_tail, job.errors)
            self._finish(job, code, job.told(printed), await asyncio.to_thread(_results, job.outputs))
        except asyncio.TimeoutError:
            job.change(
                state="failed", text=f"Ended after {self.limits.seconds / 60:.0f} minutes, the longest time here."
            )
        except OSError as error:  # no process or no file can be made
            self._say(f"{job.offer.name}: {error}")
            job.change(state="failed", text=f"The server could not start the job: {error.strerror}.")
        finally:
            self._running.pop(job, None)
            self._advance()
            for folder in (job.inputs, job.temporary):  # only results are kept
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _computed(self, job: Job) -> int:
        """Runs the job's process and passes on what it reports; gives its exit code."""
        taken = [str(each.path) for each in job.files.values()]
        settings = {"preview": str(job.picture), "pictures": taken, "pixels": self.limits.pixels}
        own = {"TMPDIR": str(job.temporary), "PYTHONWARNINGS": "ignore"}
        process = await Process.start([PROGRAM, json.dumps(settings), *job.command], job.errors, own)
        try:
            async for report in process.reports():
                job.hear(report)
            return await process.wait()
        finally:
            await process.end()

    def _finish(self, job: Job, code: int, told: Sequence[str], results: dict[str, int]) -> None:
        if code == 0 and results:
            job.change(state="done", notes=list(told), results=results, done=job.total)
            return
        if code < 0:
            text = "The job was ended by the system, most likely because memory ran out."
        elif code == BUG or not told:
            self._say(f"{job.offer.name}: exit code {code}: {' '.join(told)}")
            text = "The job failed by a fault of the program; the server's log says more."
        else:
            text = told[-1]
        job.change(state="failed", text=text)


def _tail(path: Path) -> str:
    """The end of a text file."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - PRINTED))
        return file.read().decode(errors="replace")
    return ""


def _results(folder: Path) -> dict[str, int]:
    """Bytes of each result of a job, by name."""
    with suppress(OSError):
        found = sorted(path for path in folder.iterdir() if path.suffix in TYPES and path.is_file())
        return {path.name: path.stat().st_size for path in found if not path.name.startswith(".")}
    return {}
