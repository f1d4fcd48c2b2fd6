"""HTTP servers on 127.0.0.1 that write down what they are asked and misbehave on request."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

PIECE = 1 << 14  # bytes


@dataclass
class Request:
    """What came in, and with what it was answered."""

    method: str
    path: str  # with the query
    host: str  # and port
    headers: Message  # any case of names
    body: bytes = field(default=b"", repr=False)
    status: int = 0  # 0 while there is no answer, or where there was none
    time: float = field(default_factory=time.monotonic)

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")

    @property
    def range(self) -> str | None:
        return self.headers.get("Range")


@dataclass
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, content: Any, status: int = 200, **headers: str) -> Answer:
        """JSON; ``X_Error_Code="..."`` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, {"Content-Type": "application/json", **named}, json.dumps(content, default=str).encode())


@dataclass(frozen=True)
class Status:
    """Another status, without doing what was asked."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Redirect:
    """302 to another address, ``to`` followed by the path where it ends in no path of its own."""

    to: str


@dataclass(frozen=True)
class Cut:
    """The connection ends after so many bytes of what is sent, or of what is received where that has a body."""

    after: int


@dataclass(frozen=True)
class Lost:
    """What was asked is done, and the connection ends without a word about it."""


@dataclass(frozen=True)
class Slow:
    bytes_per_second: float


@dataclass(frozen=True)
class Stall:
    """The connection is accepted, and nothing is said for so long, or while the server runs; then it ends."""

    seconds: float | None = None


@dataclass(frozen=True)
class Other:
    """Another body under the headers of the right one: repeated or shortened to its length."""

    body: bytes


Fault = Status | Redirect | Cut | Lost | Slow | Stall | Other


@dataclass
class _Planned:
    method: str
    path: re.Pattern[str]
    fault: Fault
    times: int


class Loopback:
    """A server in a context manager; subclasses say what it answers."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.errors: list[Exception] = []  # errors of the server itself
        self._planned: list[_Planned] = []
        self._running = contextlib.ExitStack()
        self.endpoint = ""

    def answer(self, request: Request) -> Answer:
        """Called by one thread at a time."""
        raise NotImplementedError

    def safe_answer(self, request: Request) -> Answer:
        """An error of the server itself reaches the test when the context ends."""
        with self.lock:
            try:
                return self.answer(request)
            except Exception as error:
                self.errors.append(error)
                return Answer.of({"error": repr(error)}, 501)

    def fault(self, method: str, path: str, fault: Fault, times: int = 1) -> None:
        """The next so many requests of a method, whose path with query contains a match, go wrong."""
        self._planned.append(_Planned(method, re.compile(path), fault, times))

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self._planned.clear()

    def asked(self, method: str, path: str = "") -> list[Request]:
        """The requests so far of a method, whose path with query contains a match."""
        return [one for one in self.requests if one.method == method and re.search(path, one.path)]

    def __enter__(self) -> Any:
        self.endpoint = self.listen()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stopping.set()
        self._running.close()
        if self.errors:
            raise self.errors[0]

    def listen(self) -> str:
        """Opens a port and returns its address."""
        server = self._running.enter_context(_Server(("127.0.0.1", 0), type("_", (_Handler,), {"loopback": self})))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        self._running.callback(thread.join)
        self._running.callback(server.shutdown)
        thread.start()
        return f"http://127.0.0.1:{server.server_port}"

    def take(self, request: Request) -> Fault | None:
        """The fault that this request meets."""
        with self.lock:
            self.requests.append(request)
            for planned in self._planned:
                if planned.times and planned.method == request.method and planned.path.search(request.path):
                    planned.times -= 1
                    return planned.fault
        return None


class Front(Loopback):
    """Passes everything on to another server, so that faults can be put before it."""

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.upstream = upstream

    def answer(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=10)
        with contextlib.closing(connection):
            headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            hop = {"Connection", "Transfer-Encoding", "Date", "Server"}
            kept = {name.title(): value for name, value in response.getheaders() if name.title() not in hop}
            return Answer(response.status, kept, response.read())


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds until a silent client is given up
    loopback: Loopback

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):  # the other side has gone
            super().handle_one_request()
        self.close_connection = True

    def respond(self) -> None:
        loopback = self.loopback
        request = Request(self.command, self.path, self.headers["Host"], self.headers)
        fault = loopback.take(request)
        expects = self.headers["Content-Length"] or self.headers["Transfer-Encoding"]
        if isinstance(fault, Stall):
            loopback.stopping.wait(fault.seconds)
        elif isinstance(fault, Cut) and expects:
            self.rfile.read(min(fault.after, int(self.headers["Content-Length"] or fault.after)))
        else:
            request.body = b"".join(self.received())
            self.send(request, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = respond  # noqa: N815

    def received(self) -> Iterator[bytes]:
        if self.headers["Transfer-Encoding"] != "chunked":
            yield self.rfile.read(int(self.headers["Content-Length"] or 0))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def send(self, request: Request, fault: Fault | None) -> None:
        if isinstance(fault, Status):
            answer = Answer.of({"error": "a fault of the test"}, fault.code)
            answer.headers = {**answer.headers, **fault.headers}
        elif isinstance(fault, Redirect):
            rest = "" if urlsplit(fault.to).path else request.path
            answer = Answer(302, {"Location": fault.to + rest})
        else:
            answer = self.loopback.safe_answer(request)
        if isinstance(fault, Lost):
            return
        request.status = answer.status
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(answer.body, fault)

    def send_body(self, body: bytes, fault: Fault | None) -> None:
        if isinstance(fault, Other):
            body = (fault.body * (len(body) // len(fault.body) + 1))[: len(body)]
        if isinstance(fault, Cut):
            body = body[: fault.after]
        step = max(1, int(fault.bytes_per_second / 20)) if isinstance(fault, Slow) else PIECE
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            if isinstance(fault, Slow) and self.loopback.stopping.wait(step / fault.bytes_per_second):
                return

    def log_message(self, *args: object) -> None:
        pass
