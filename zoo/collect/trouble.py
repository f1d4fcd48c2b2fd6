"""Errors on the way to a picture, in the words of a ledger."""

from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import KW_ONLY, dataclass

import aiohttp

from zoo.collect.guard import PrivateAddressError

CONNECT, SILENCE = 10.0, 20.0  # seconds
UNKNOWN_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


@dataclass(eq=False)
class FetchError(Exception):
    """There is no picture to use."""

    reason: str  # in words
    status: str = "failed"  # status of the address in the ledger, if no retry follows
    _: KW_ONLY
    again: bool = False  # whether a retry may help
    wait: float | None = None  # seconds that the server asks for; None: nothing said
    busy: bool = False  # whether the server says that it is busy
    unreachable: bool = False  # whether the connection failed
    silent: bool = False  # whether the connection was made, and no data came
    smaller: bool = True  # whether a smaller version of the same picture might do

    def __str__(self) -> str:
        return self.reason


class RejectedError(FetchError):
    """The content is not a picture, or not a wanted one."""

    def __init__(self, reason: str, smaller: bool = True) -> None:
        super().__init__(reason, "rejected", smaller=smaller)


def told(error: Exception) -> FetchError:
    """The error, in the words of a ledger."""
    if isinstance(error, aiohttp.InvalidURL):
        return FetchError(f"not an address: {error.description or error.url}"[:200], "blocked")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return FetchError(f"invalid certificate: {error.certificate_error}"[:200])
    if isinstance(error, aiohttp.ClientConnectorError):
        return _not_connected(error.os_error)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return FetchError("no connection: timed out", again=True, unreachable=True)
    if isinstance(error, aiohttp.SocketTimeoutError):
        return FetchError(f"no data for {SILENCE:g} s", again=True, silent=True)
    if isinstance(error, asyncio.TimeoutError):
        return FetchError("timed out", again=True, silent=True)
    if isinstance(error, aiohttp.ClientResponseError):
        return FetchError(f"not HTTP: {' '.join(error.message.split())}"[:200], again=True)
    if isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, ConnectionError)):
        return FetchError("connection lost", again=True)
    return FetchError(f"{type(error).__name__}: {error}"[:200])


def _not_connected(cause: OSError) -> FetchError:
    if isinstance(cause, PrivateAddressError):
        return FetchError(str(cause), "blocked")
    if isinstance(cause, socket.gaierror) and cause.errno in UNKNOWN_HOST:
        return FetchError("no such host", unreachable=True)
    if cause.errno in (errno.EMFILE, errno.ENFILE):
        return FetchError("too many open files", again=True)
    return FetchError(f"no connection: {cause.strerror or cause}", again=True, unreachable=True)
