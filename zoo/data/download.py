"""Downloads from the web: a file arrives complete or not at all."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from zoo.base.errors import ZooError
from zoo.base.files import CHUNK
from zoo.base.progress import Bars, bars

BACKOFF = 0.5  # seconds before the first retry; doubles with each one


class DownloadError(ZooError):
    """The network, a proxy or the server did not give the file."""


class _CutError(Exception):
    """The connection broke or the server is busy: worth a retry."""


def fetch(url: str, path: Path, *, retries: int = 5, timeout: float = 30.0) -> Path:
    """Download a file, resuming a broken download of this or an earlier call.

    Bytes collect in ``path`` + ``.part``; only a complete file gets the name ``path`` and replaces an older one.
    Proxies come from the environment.

    Args:
        url: http or https address of a file that does not change: resuming would mix two versions.
        path: where the file goes; missing folders are made.
        retries: number of retries after a cut connection or a busy server (HTTP 429 or 5xx).
        timeout: seconds without data after which a connection counts as cut.

    Returns:
        ``path``

    Raises:
        DownloadError: no network, no such host, an error of a proxy or an HTTP status, or too many cut connections.
        ZooError: wrong kind of address, or the file can't be written.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ZooError(f"{url}: only http and https addresses can be downloaded")
    part, attempts = path.with_name(path.name + ".part"), 0
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with naming_disk_errors(path), bars(TextColumn("{task.description}"), *columns) as progress:
        task = progress.add_task(path.name, total=None)
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                _transfer(url, part, timeout, progress, task)
                return part.replace(path)
            except _CutError as error:
                attempts += 1
                if attempts > retries:
                    raise DownloadError(f"{url}: {error}; gave up after {attempts} attempts") from error
            time.sleep(BACKOFF * 2 ** (attempts - 1))


@contextmanager
def naming_disk_errors(path: Path) -> Iterator[None]:
    """Turn the OSErrors of writing ``path`` into a ZooError that names it."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "; free some space and run it again" if full else ""
        raise ZooError(f"cannot write {path}: {_reason(error)}{hint}") from error


def _transfer(url: str, part: Path, timeout: float, progress: Bars, task: TaskID) -> None:
    """Bring ``part`` to its full length over one connection, or raise what prevented it."""
    response, start = _open(url, part, timeout)
    with response:
        total = None if response.length is None else start + response.length
        progress.reset(task, total=total, completed=start)  # bytes of earlier downloads do not count for the speed
        with part.open("ab" if start else "wb") as file:
            for chunk in _chunks(response):
                file.write(chunk)
                progress.advance(task, len(chunk))
            file.flush()
            os.fsync(file.fileno())
    size = part.stat().st_size
    if total is not None and size != total:
        raise _CutError(f"the connection was cut at {size} of {total} bytes")


def _open(url: str, part: Path, timeout: float) -> tuple[HTTPResponse, int]:
    """Request the rest of ``part``; also returns the answer's first byte, 0 if the server does not support ranges."""
    start = part.stat().st_size if part.exists() else 0
    query = request.Request(url, headers={"User-Agent": "lightning-zoo"})  # noqa: S310  # http or https, as checked
    if start:
        query.add_header("Range", f"bytes={start}-")
    try:
        response: HTTPResponse = request.build_opener().open(query, timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # the part already has all bytes
            part.unlink()
        if error.code in (416, 429) or error.code >= 500:
            raise _CutError(f"HTTP {error.code} {error.reason}") from error
        raise DownloadError(f"{url}: HTTP {error.code} {error.reason}") from error
    except URLError as error:  # no connection: a retry would only delay the message
        raise DownloadError(f"{url}: no connection{_via_proxy(url)}: {_reason(error.reason)}") from error
    except (OSError, HTTPException) as error:
        raise _CutError(_reason(error)) from error
    if response.status != 206:
        return response, 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        response.close()
        part.unlink()
        raise _CutError("the server sent another part of the file than requested")
    return response, start


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _CutError(_reason(error)) from error


def _via_proxy(url: str) -> str:
    parts = urlsplit(url)
    proxied = parts.scheme in request.getproxies() and not request.proxy_bypass(parts.hostname or "")
    return f" through the proxy of {parts.scheme}_proxy" if proxied else ""


def _reason(error: BaseException | str) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
