"""What the server answers: pages, and jobs by their random ids. Nothing here computes."""

from __future__ import annotations

import asyncio
import errno
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from zoo.serving.guard import visitor_of
from zoo.serving.job import TYPES, Job, Upload
from zoo.serving.jobs import Jobs
from zoo.serving.limits import MEGABYTE, RefusedError
from zoo.serving.offer import Offer

LARGEST_REQUEST = 1 << 16  # bytes of the JSON that begins a job
PIECE = 1 << 20  # bytes that are written at a time
PAUSE = 0.05  # seconds between two events
BEAT = 15.0  # seconds after which a stream without news shows that it lives
STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # proxies would wait for the end
FULL = (errno.ENOSPC, errno.EDQUOT)


class Service:
    """The answers to requests about jobs.

    Args:
        jobs: the jobs.
        offers: the models.
    """

    def __init__(self, jobs: Jobs, offers: Sequence[Offer]) -> None:
        self.jobs, self.offers = jobs, {offer.name: offer for offer in offers}

    async def begin(self, request: Request) -> Response:
        """Makes a job from ``{"model": NAME, "options": {...}, "files": {...: NAME}}``; its files come next."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise RefusedError(415, "A job begins with JSON.")
        body = b"".join([piece async for piece in self._body(request, LARGEST_REQUEST, "That is too long a request.")])
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, Mapping):
            raise RefusedError(400, "A job begins with a JSON object.")
        offer = self.offers.get(str(asked.get("model")))
        if offer is None:
            raise RefusedError(404, f"There is no such model here. There are: {', '.join(self.offers)}.")
        words, names = offer.words(asked.get("options") or {}), offer.slots(asked.get("files") or {})
        job = self.jobs.begin(offer, words, names, self._client(request))
        return JSONResponse(job.snapshot(), 201)

    async def receive(self, request: Request) -> Response:
        """Takes a file of a job; after the last one the job is put into the queue."""
        job = self.jobs.get(request.path_params["id"])
        upload = job.files.get(request.path_params["slot"])
        if upload is None or job.state != "uploading":
            raise RefusedError(409, "This job takes no such file, or no longer.")
        try:
            await self._store(request, job, upload)
        except RefusedError:
            await self.jobs.remove(job)
            raise
        except ClientDisconnect:
            await self.jobs.remove(job)
            return Response(status_code=400)  # which nobody gets
        except OSError as error:
            await self.jobs.remove(job)
            full = error.errno in FULL
            raise RefusedError(
                507, "The server's disk is full." if full else "The file could not be stored."
            ) from error
        upload.complete = True
        if job.state == "uploading" and all(each.complete for each in job.files.values()):
            self.jobs.enqueue(job)
        return Response(status_code=204)

    async def _store(self, request: Request, job: Job, upload: Upload) -> None:
        most = self.jobs.limits.upload
        with await asyncio.to_thread(upload.path.open, "wb") as file:
            pieces, size = list[bytes](), 0
            async for piece in self._body(request, most, f"A file may have at most {most / MEGABYTE:g} MB here."):
                job.seen = time.monotonic()
                if job.state != "uploading":
                    raise RefusedError(410, "This job has been stopped.")
                pieces.append(piece)
                size += len(piece)
                if size >= PIECE:
                    await asyncio.to_thread(file.write, b"".join(pieces))
                    pieces, size = [], 0
            await asyncio.to_thread(file.write, b"".join(pieces))

    async def _body(self, request: Request, most: int, told: str) -> AsyncIterator[bytes]:
        """The body of a request piece by piece.

        Raises:
            RefusedError: it has more bytes than ``most``, which ``told`` says, or pauses for too long.
        """
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > most:
            raise RefusedError(413, told)
        stream, size = request.stream(), 0
        while True:
            try:
                piece = await asyncio.wait_for(anext(stream, None), self.jobs.limits.silence)
            except asyncio.TimeoutError:
                raise RefusedError(408, "The file stopped coming.") from None
            if piece is None:
                return
            size += len(piece)
            if size > most:
                raise RefusedError(413, told)
            yield piece

    async def show(self, request: Request) -> Response:
        """The state of a job."""
        return JSONResponse(self.jobs.get(request.path_params["id"]).snapshot())

    async def events(self, request: Request) -> Response:
        """The states of a job as they change, until it is over."""
        job = self.jobs.get(request.path_params["id"])
        return StreamingResponse(_events(job), media_type="text/event-stream", headers=STREAM)

    async def stop(self, request: Request) -> Response:
        """Ends a job and removes all of it."""
        await self.jobs.remove(self.jobs.get(request.path_params["id"]))
        return Response(status_code=204)

    async def preview(self, request: Request) -> Response:
        """The last preview of a job."""
        return _file(self.jobs.get(request.path_params["id"]).picture)

    async def result(self, request: Request) -> Response:
        """One of the files that a job made, by its name in the list of results."""
        job, name = self.jobs.get(request.path_params["id"]), request.path_params["name"]
        if name not in job.results:
            raise RefusedError(404, "The job made no such file.")
        return _file(job.outputs / name)

    def _client(self, request: Request) -> str:
        """Whose job it is: a browser's, or an address's."""
        return visitor_of(request.headers) or (request.client.host if request.client else "")


async def _events(job: Job) -> AsyncIterator[str]:
    """Whole states: whoever reads slowly misses some, and nothing is kept for them."""
    version, job.watchers = -1, job.watchers + 1
    try:
        while True:
            if job.version == version:
                yield ": nothing new\n\n"
            version = job.version
            yield f"data: {json.dumps(job.snapshot())}\n\n"
            if job.over:
                return
            await asyncio.sleep(PAUSE)
            await job.news(version, BEAT)
    finally:
        job.watchers, job.seen = job.watchers - 1, time.monotonic()


def _file(path: Path) -> Response:
    """A file of a job; its name is none of a visitor's."""
    if not path.is_file():
        raise RefusedError(404, "There is no such file yet, or no longer.")
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{path.name}"'}
    return FileResponse(path, headers=headers, media_type=TYPES.get(path.suffix))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return JSONResponse({"error": error.told}, error.status)


async def _missing(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": f"{error.detail}."}, error.status_code, error.headers)


def application(jobs: Jobs, offers: Sequence[Offer], pages: Path, guard: Middleware) -> Starlette:
    """The server as an ASGI application.

    Args:
        jobs: the jobs.
        offers: the models.
        pages: folder of the pages, all of which anybody may read.
        guard: what every request goes through first.
    """
    service = Service(jobs, offers)
    routes = [
        Route("/api/jobs", service.begin, methods=["POST"]),
        Route("/api/jobs/{id}", service.show, methods=["GET"]),
        Route("/api/jobs/{id}", service.stop, methods=["DELETE"]),
        Route("/api/jobs/{id}/files/{slot}", service.receive, methods=["PUT"]),
        Route("/api/jobs/{id}/events", service.events, methods=["GET"]),
        Route("/api/jobs/{id}/preview", service.preview, methods=["GET"]),
        Route("/api/jobs/{id}/results/{name}", service.result, methods=["GET"]),
        Mount("/", StaticFiles(directory=pages, html=True)),
    ]
    handlers: Any = {RefusedError: _refused, HTTPException: _missing}
    return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)
