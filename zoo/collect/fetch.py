"""One request: reads the answer within the limits, and says what it means."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from types import TracebackType
from typing import IO, Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from zoo.collect.guard import PRIVATE, guarded_socket, is_public
from zoo.collect.options import Options
from zoo.collect.picture import HEAD, refuse_kind
from zoo.collect.trouble import CONNECT, SILENCE, FetchError, RejectedError, told

MAX_ADDRESS = 8192  # characters of an address
REDIRECTS = {301, 302, 303, 307, 308}
BUSY = {429, 503}
TRY_AGAIN = {408, 425, 429}  # and 5xx


@dataclass(frozen=True)
class Redirect:
    url: str


def parse(url: str) -> URL:
    """Parses an address and checks that its form may be requested.

    Raises:
        FetchError: the form may not be requested.
    """
    if len(url) > MAX_ADDRESS:
        raise FetchError(f"longer than {MAX_ADDRESS} characters", "blocked")
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
    except ValueError as error:  # also for an invalid host name
        raise FetchError(f"not an address: {error}", "blocked") from None
    if parsed.scheme not in ("http", "https"):
        raise FetchError(f"{parsed.scheme or 'no'} scheme; only http and https are supported", "blocked")
    if not host or port is None:
        raise FetchError("not an address: no host", "blocked")
    if parsed.user is not None or parsed.password is not None:
        raise FetchError("the address contains a password", "blocked")
    return parsed


class Client:
    """An HTTP client that goes to public addresses only and says who it is."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._proxies = getproxies()

    async def __aenter__(self) -> Client:
        self._direct = self._session(guarded_socket(self._options.allow_private))
        # The proxy of a company lies in its private network, and it is the proxy that looks names up.
        self._proxied = self._session(guarded_socket(allow_private=True))
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self._direct.close()
        await self._proxied.close()

    def _session(self, sockets: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._options.connections, limit_per_host=0, socket_factory=sockets, ttl_dns_cache=60
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._options.user_agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(self._options.timeout, sock_connect=CONNECT, sock_read=SILENCE),
            trust_env=False,  # it would send the passwords of ~/.netrc
            middlewares=(_once,),
        )

    async def read(self, url: URL, limit: int, **options: Any) -> Redirect | bytes:
        """Requests small content once, like :meth:`get`, and returns it."""
        sink = io.BytesIO()
        return await self.get(url, sink, limit=limit, **options) or sink.getvalue()

    async def get(
        self,
        url: URL,
        sink: IO[bytes],
        *,
        limit: int,
        picture: bool = False,
        cut: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Redirect | None:
        """Requests an address once.

        Args:
            url: address from :func:`parse`.
            sink: file that takes the content.
            limit: largest size of the content in bytes.
            picture: whether to stop as soon as the first bytes are not a picture's.
            cut: whether to cut the content at the limit instead of refusing it.
            headers: further headers.

        Raises:
            FetchError: there is no usable answer.
            RejectedError: the content is too large, or not a picture.
            OSError: the disk fails.
        """
        session, proxy = self._route(url)
        try:
            async with session.get(url, allow_redirects=False, proxy=proxy, headers=headers) as response:
                if response.status in REDIRECTS and "Location" in response.headers:
                    return Redirect(_target(response))
                _refuse_status(response)
                await _receive(response, sink, limit, picture, cut)
        except _OnceError as error:
            raise told(error.cause) from error
        except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError, ssl.SSLError, ValueError) as error:
            raise told(error) from error
        return None

    def _route(self, url: URL) -> tuple[aiohttp.ClientSession, str | None]:
        host = str(url.host)
        proxy = self._proxies.get(url.scheme)
        if proxy is None or proxy_bypass(host):
            return self._direct, None
        if not self._options.allow_private and _literally_private(host):
            raise FetchError(f"{host} {PRIVATE}", "blocked")
        return self._proxied, proxy if "://" in proxy else f"http://{proxy}"


@dataclass(eq=False)
class _OnceError(Exception):
    cause: Exception


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from retrying at once when a connection breaks: the host's pace decides when to retry."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _OnceError(error) from error


def _literally_private(host: str) -> bool:
    host = host.rstrip(".").lower()
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def _target(response: aiohttp.ClientResponse) -> str:
    try:
        return str(response.url.join(URL(response.headers["Location"])).with_fragment(None))
    except ValueError as error:
        raise FetchError(f"redirected to an invalid address: {error}") from None


def _refuse_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status in (200, 203):
        return
    again = status in TRY_AGAIN or status >= 500
    wait = retry_after(response.headers.get("Retry-After")) if again else None
    reason = f"HTTP {status}" + (f" {response.reason}" if response.reason else "")
    raise FetchError(reason[:200], again=again, wait=wait, busy=status in BUSY)


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, in either of its forms; None if it has no valid value."""
    try:
        return max(0.0, float(int(value or "")))
    except (ValueError, OverflowError):
        pass
    try:
        return max(0.0, parsedate_to_datetime(value or "").timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        return None


async def _receive(response: aiohttp.ClientResponse, sink: IO[bytes], limit: int, picture: bool, cut: bool) -> None:
    stated = response.content_length
    if stated is not None and stated > limit and not cut:
        raise RejectedError(f"{stated:,} bytes, more than {limit:,}")
    head, left = b"", limit
    async for chunk in response.content.iter_any():
        if len(chunk) > left and not cut:
            raise RejectedError(f"more than {limit:,} bytes")
        sink.write(chunk[:left])
        left -= len(chunk)
        if picture and len(head) < HEAD:
            head += chunk[: HEAD - len(head)]
            if len(head) == HEAD:
                refuse_kind(head)
        if left < 0:
            return
    if picture and len(head) < HEAD:
        refuse_kind(head)
