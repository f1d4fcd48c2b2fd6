"""Refuses requests that other sites make in a visitor's browser, and adds the headers that every answer has."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
COOKIE = "zoo_visitor"
VISITOR = re.compile(r"[\w-]{16,64}", re.ASCII)
READING = ("GET", "HEAD")
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",  # this and the next give WebAssembly its threads
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_local(host: str) -> bool:
    """Whether an address is reached from its own machine only."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


class Guard:
    """An ASGI application before another one.

    A page of another site may have its own name point to this machine (DNS rebinding), or post to this one's address.
    The name in the request tells the first, the origin the second.

    Args:
        app: the application.
        host: the address that the server is bound to.
        names: further names by which visitors reach it, such as that of a proxy before it.
    """

    def __init__(self, app: ASGIApp, host: str, names: Sequence[str] = ()) -> None:
        self.app, self._anywhere, self._given = app, not is_local(host), {name.lower() for name in names}
        own = {socket.gethostname().lower()} if self._anywhere else set()
        self._names = LOCAL | {host.lower(), *self._given, *own, *(f"{name}.local" for name in own)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if told := self._wrong(scope["method"], headers):
            await PlainTextResponse(f"{told}\n", 403)(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                added.update(HEADERS)
                added.setdefault("Cache-Control", "no-cache")
                if scope["path"].endswith((".html", "/")) and visitor_of(headers) is None:
                    cookie = f"{COOKIE}={secrets.token_urlsafe(16)}; HttpOnly; SameSite=Strict; Path=/"
                    added.append("Set-Cookie", cookie)
            await send(message)

        await self.app(scope, receive, sent)

    def _wrong(self, method: str, headers: Headers) -> str:
        """Why a request is refused; empty: it is not."""
        host = headers.get("host", "")
        if not self._is_own(_name_of(f"//{host}")):
            return "This server does not go by that name."
        if method in READING:
            return ""
        origin = headers.get("origin")
        foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        same = origin is None or origin.partition("//")[2] == host or _name_of(origin) in self._given
        return "" if same and not foreign else "Requests of other sites are refused."

    def _is_own(self, name: str) -> bool:
        if name in self._names:
            return True
        with suppress(ValueError):  # a number is no name that could be pointed here
            return self._anywhere and bool(ip_address(name))
        return False


def _name_of(address: str) -> str:
    with suppress(ValueError):
        return (urlsplit(address).hostname or "").rstrip(".")
    return ""


def visitor_of(headers: Headers) -> str | None:
    """The random name that this server gave a browser; None where there is none."""
    cookies = SimpleCookie()
    with suppress(CookieError):
        cookies.load(headers.get("cookie", ""))
    found = cookies.get(COOKIE)
    return found.value if found and VISITOR.fullmatch(found.value) else None
