"""Binds the server to its address, and runs it until it is told to end."""

from __future__ import annotations

import asyncio
import errno
import mimetypes
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from zoo.base.errors import ZooError
from zoo.serving.app import application
from zoo.serving.jobs import Jobs
from zoo.serving.limits import Limits
from zoo.serving.offer import Offer

CONNECTIONS = 512  # at a time; further ones are answered 503
FAREWELL = 1  # seconds that open connections get at the end
PENDING = 128  # connections that the system holds until they are accepted
SIGNALS = ("SIGTERM", "SIGHUP")  # which end the server as Ctrl-C does
SCRIPTS = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}  # Windows may differ


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address.

    Raises:
        ZooError: the port is in use or forbidden, or the address is none of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=PENDING)
    except (socket.gaierror, OverflowError):
        raise ZooError(f"--host {host}: no address of this machine; 0.0.0.0 stands for all of them") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ZooError(f"port {port} of {host} is in use; name another with --port, or --port 0 for any") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise ZooError(f"--host {host}: no address of this machine; 0.0.0.0 stands for all of them") from None
        raise ZooError(f"cannot listen on port {port} of {host}: {error.strerror}; name another with --port") from None


def address_of(bound: socket.socket) -> str:
    """The address of the pages, as a browser on this machine takes it."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}/"


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Lets signals that end a process raise KeyboardInterrupt, so that what is open is closed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(
    bound: socket.socket,
    guard: Middleware,
    offers: Sequence[Offer],
    folder: Path,
    limits: Limits,
    say: Callable[[str], None],
) -> None:
    """Answers requests until the process is told to end; all jobs end with it.

    Args:
        bound: socket to answer on.
        guard: what every request goes through first, see :mod:`zoo.serving.guard`.
        offers: the models.
        folder: folder with the pages in ``site``; jobs get another one there.
        limits: what visitors may ask for.
        say: prints what the operator should know.
    """
    for suffix, kind in SCRIPTS.items():
        mimetypes.add_type(kind, suffix)
    (folder / "jobs").mkdir()
    with bound, suppress(KeyboardInterrupt):  # uvicorn raises the signal again that it ended with
        jobs = Jobs(folder / "jobs", limits, say)
        asyncio.run(_serve(bound, jobs, application(jobs, offers, folder / "site", guard)))


async def _serve(bound: socket.socket, jobs: Jobs, app: Starlette) -> None:
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", log_level="error", access_log=False, server_header=False,
        proxy_headers=False, limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=FAREWELL,
    )  # fmt: skip
    sweeping = asyncio.create_task(jobs.sweep())
    try:
        await _Server(config, jobs).serve(sockets=[bound])
    finally:
        sweeping.cancel()
        await jobs.close()


class _Server(uvicorn.Server):
    """Ends the jobs before the connections, whose last news is that the jobs were stopped."""

    def __init__(self, config: uvicorn.Config, jobs: Jobs) -> None:
        super().__init__(config)
        self._jobs = jobs

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._jobs.close()
        await super().shutdown(sockets)
