"""Files from the web that arrive whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from zoo.base.errors import ZooError
from zoo.base.files import CHUNK
from zoo.base.progress import bars

BACKOFF = 0.5  # seconds before the first retry; doubles with each one


class DownloadError(ZooError):
    """The network, a proxy or the server did not give the file."""


class _CutError(Exception):
    """The connection broke or the server is busy: worth another try."""


def fetch(url: str, path: Path, *, retries: int = 5, timeout: float = 30.0) -> Path:
    """Download a file, resuming where a broken download, of this or an earlier call, left off.

    Bytes collect in ``path`` + ``.part``; only a whole file gets the name ``path``, whatever had it before. Proxies
    come from the environment.

    Args:
        url: an http or https address.
        path: where the file goes; missing folders are made.
        retries: further attempts after a cut connection or a busy server (HTTP 429 or 5xx).
        timeout: seconds of silence after which a connection counts as cut.

    Returns:
        ``path``

    Raises:
        DownloadError: no network, no such host, a proxy or an HTTP status in the way, too many cuts.
        ZooError: wrong kind of address, or the file can't be written.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ZooError(f"{url}: only http and https addresses can be downloaded")
    part = path.with_name(path.name + ".part")
    with naming_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _progress_bar(path.name) as progress:
            _transfer_patiently(url, part, retries, timeout, progress)
        _validator_file(part).unlink(missing_ok=True)
        part.replace(path)
    return path


@contextmanager
def naming_disk_errors(path: Path) -> Iterator[None]:
    """Turn the OSErrors of writing ``path`` into a ZooError that names it."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "; free some space and run it again" if full else ""
        raise ZooError(f"cannot write {path}: {_reason(error)}{hint}") from error


def _transfer_patiently(url: str, part: Path, retries: int, timeout: float, progress: Progress) -> None:
    cut = _CutError()
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(BACKOFF * 2 ** (attempt - 1))
        try:
            return _transfer(url, part, timeout, progress)
        except _CutError as error:
            cut = error
    raise DownloadError(f"{url}: {cut}; gave up after {retries + 1} attempts") from cut


def _transfer(url: str, part: Path, timeout: float, progress: Progress) -> None:
    """Bring ``part`` to its full length over one connection, or raise what prevented it."""
    (task,) = progress.task_ids
    with _open(url, *_resumable(part), timeout) as response:
        start = _first_byte(response)
        total = None if response.length is None else start + response.length
        progress.reset(task, total=total, completed=start)  # what was there before does not count into the rate
        with part.open("ab" if start else "wb") as file:
            if not start:
                _validator_file(part).write_text(_validator(response.headers), encoding="utf-8")
            for chunk in _chunks(response):
                file.write(chunk)
                progress.advance(task, len(chunk))
            file.flush()
            os.fsync(file.fileno())
    size = part.stat().st_size
    if total is not None and size != total:
        raise _CutError(f"the connection was cut at {size} of {total} bytes")


def _open(url: str, offset: int, validator: str, timeout: float) -> HTTPResponse:
    """Ask for the bytes from ``offset`` on; where the server has no such bytes of the same file, for all of it."""
    query = request.Request(url, headers={"User-Agent": "lightning-zoo"})  # noqa: S310  # the opener knows no other
    if offset:
        query.add_header("Range", f"bytes={offset}-")
        query.add_header("If-Range", validator)
    try:
        response: HTTPResponse = _opener().open(query, timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416 and offset:
            return _open(url, 0, "", timeout)
        if error.code == 429 or error.code >= 500:
            raise _CutError(f"HTTP {error.code} {error.reason}") from error
        raise DownloadError(f"{url}: HTTP {error.code} {error.reason}") from error
    except URLError as error:  # no connection came about, and a retry would only delay the message
        raise DownloadError(f"{url}: no connection{_via_proxy(url)}: {_reason(error.reason)}") from error
    except (OSError, HTTPException) as error:
        raise _CutError(_reason(error)) from error
    changed = _validator(response.headers) not in ("", validator)
    if offset and response.status == 206 and (changed or _first_byte(response) != offset):
        response.close()
        return _open(url, 0, "", timeout)
    return response


def _opener() -> request.OpenerDirector:
    """The usual opener without file:, ftp: and data:, to which a redirect could lead."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.UnknownHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _first_byte(response: HTTPResponse) -> int:
    """Where the response's bytes belong in the file: at its beginning where the server ignores ranges."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", "")) if response.status == 206 else None
    return int(found[1]) if found else 0


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _CutError(_reason(error)) from error


def _resumable(part: Path) -> tuple[int, str]:
    """Length and validator of a broken download; nothing can be added to one without a validator."""
    try:
        validator = _validator_file(part).read_text(encoding="utf-8")
        return (part.stat().st_size, validator) if validator else (0, "")
    except FileNotFoundError:
        return 0, ""


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _validator(headers: Message) -> str:
    """What If-Range needs: a strong ETag or a date, "" without either."""
    etag = headers.get("ETag", "")
    value = headers.get("Last-Modified", "") if not etag or etag.startswith("W/") else etag
    return " ".join(value.split())


def _via_proxy(url: str) -> str:
    parts = urlsplit(url)
    proxied = parts.scheme in request.getproxies() and not request.proxy_bypass(parts.hostname or "")
    return f" through the proxy of {parts.scheme}_proxy" if proxied else ""


def _reason(error: BaseException | str) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _progress_bar(name: str) -> Progress:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    progress = bars(TextColumn("{task.description}"), *columns)
    progress.add_task(name, total=None)
    return progress
