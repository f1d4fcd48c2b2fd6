import asyncio
import gzip
import io
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopback import Answer, Cut, Loopback, Request, Slow, Stall, Status
from zoo.collect import fetch
from zoo.collect.fetch import Client, FetchError, Redirect, parse, retry_after
from zoo.collect.options import Options
from zoo.collect.trouble import RejectedError

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40


class Pictures(Loopback):
    """Answers any path with one body."""

    body = JPEG

    def answer(self, request: Request) -> Answer:
        return Answer(body=self.body)


@pytest.fixture
def server() -> Iterator[Pictures]:
    with Pictures() as running:
        yield running


def ask(url: str, body: io.BytesIO, limit: int = 1 << 20, picture: bool = False, **options: Any) -> Redirect | None:
    async def get() -> Redirect | None:
        async with Client(Options(allow_private=True, **options)) as client:
            return await client.get(parse(url), body, limit=limit, picture=picture)

    return asyncio.run(get())


def raw(answer: bytes, body: io.BytesIO, limit: int = 1 << 20) -> tuple[Redirect | None, bytes]:
    """What comes of a server that sends these bytes, and what it was asked."""
    asked = b""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def get() -> Redirect | None:
        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with Client(Options(allow_private=True)) as client:
                return await client.get(parse(f"http://127.0.0.1:{port}/a/b?c"), body, limit=limit)

    return asyncio.run(get()), asked


@pytest.fixture
def body() -> io.BytesIO:
    return io.BytesIO()


# addresses


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "no scheme"),
        ("example.org/1.jpg", "no scheme"),
        ("//example.org/1.jpg", "no scheme"),
        ("ftp://example.org/1.jpg", "ftp scheme"),
        ("file:///etc/passwd", "file scheme"),
        ("javascript:alert(1)", "javascript scheme"),
        ("data:image/png;base64,AA", "data scheme"),
        ("http://", "no host"),
        ("http:///1.jpg", "no host"),
        ("http:\\\\example.org\\1.jpg", "no host"),
        ("http://[::1/", "not an address"),
        ("http://[::1]x/", "not an address"),
        ("http://example.org:99999/", "not an address"),
        ("http://example.org:-1/", "not an address"),
        ("http://\ud800/", "not an address"),
        ("http://ex\u2100mple/", "not an address"),
        ("http://user@example.org/", "password"),
        ("http://user:secret@example.org/", "password"),
        ("http://:secret@example.org/", "password"),
        ("http://example.org/" + "x" * 8192, "longer than 8192"),
    ],
)
def test_what_is_no_address_of_the_web_is_blocked(url, reason):
    with pytest.raises(FetchError, match=reason) as caught:
        parse(url)
    assert caught.value.status == "blocked"
    assert not caught.value.again
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://EXAMPLE.org/A b", "http://example.org/A%20b"),
        ("http://example.org:8080/?q=a+b#here", "http://example.org:8080/?q=a+b#here"),
        ("http://bücher.example/é", "http://xn--bcher-kva.example/%C3%A9"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http://example.org/a/../b", "http://example.org/b"),
        ("http://exam\nple.org/", "http://example.org/"),
    ],
)
def test_addresses_are_asked_as_browsers_do(url, expected):
    assert str(parse(url)) == expected


@pytest.mark.parametrize("host", ["a\0b", "a..b", ".", "a" * 64 + ".example", "*", "%2f", "a b"])
def test_a_host_that_cannot_be_looked_up_is_told(host, body):
    try:
        url = str(parse(f"http://{host}/"))
    except FetchError as error:
        assert error.status == "blocked"  # noqa: PT017
        return
    with pytest.raises(FetchError) as caught:
        ask(url, body)
    assert caught.value.reason


# Retry-After


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("0", 0), ("120", 120), (" 7 ", 7), ("-5", 0), ("+3", 3), ("99999999", 99999999)],
)
def test_retry_after_in_seconds(value, expected):
    assert retry_after(value) == expected


def test_retry_after_as_a_date(monkeypatch):
    now = datetime(2026, 2, 3, tzinfo=timezone.utc)
    monkeypatch.setattr(fetch, "time", now.timestamp)
    assert retry_after(format_datetime(now + timedelta(seconds=90), usegmt=True)) == 90
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(
    "value", ["", "soon", "1.5", "nan", "inf", "1e3", "0x10", "Mon, 32 Foo 2026", "\udcff", "9" * 5000]
)
def test_retry_after_that_says_nothing(value):
    assert retry_after(value) is None


@given(st.text(max_size=40) | st.text("0123456789-:+ ,MonGTJan", max_size=60))
def test_any_retry_after_is_seconds_or_nothing(value):
    wait = retry_after(value)
    assert wait is None or wait >= 0


# requests


def test_what_a_server_is_told(server, body):
    answer = ask(f"{server.endpoint}/a%20b?c=%2F", body, contact="me@example.org")
    assert answer is None
    assert body.getvalue() == JPEG
    [request] = server.requests
    assert request.path == "/a%20b?c=/"
    assert request.headers["User-Agent"].startswith("lightning-zoo/")
    assert "+me@example.org" in request.headers["User-Agent"]
    assert request.headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)


@pytest.mark.parametrize("to", ["http://10.0.0.1/x.jpg", "/other", "file:///etc/passwd"])
def test_redirects_are_told_and_not_followed(server, body, to):
    server.fault("GET", "/start", Status(302, {"Location": to}))
    answer = ask(f"{server.endpoint}/start", body)
    assert answer == Redirect(f"{server.endpoint}/other" if to == "/other" else to)
    assert len(server.requests) == 1
    assert body.tell() == 0


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_every_redirect_is_one(server, body, code):
    server.fault("GET", "/", Status(code, {"Location": "../x#part"}))
    assert ask(f"{server.endpoint}/a/b/c", body) == Redirect(f"{server.endpoint}/a/x")


@pytest.mark.parametrize("location", [b"http://[", b"http://a:99999/", b"http://\xe2\x84\x80/"])
def test_a_redirect_to_no_address_is_a_failure(location, body):
    with pytest.raises(FetchError, match="redirected to an invalid address") as caught:
        raw(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n", body)
    assert not caught.value.again


@pytest.mark.parametrize("location", [b"", b"//", b"\xff\xfe", b"\xed\xa0\x80", b"?\xff"])
def test_an_odd_redirect_is_one_to_some_address(location, body):
    answer, _ = raw(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n", body)
    assert isinstance(answer, Redirect)
    parse(answer.url)


@pytest.mark.parametrize(
    ("code", "again", "busy"),
    [
        (206, False, False),
        (300, False, False),
        (400, False, False),
        (403, False, False),
        (404, False, False),
        (410, False, False),
        (408, True, False),
        (425, True, False),
        (429, True, True),
        (500, True, False),
        (503, True, True),
        (599, True, False),
    ],
)
def test_what_a_status_means(server, body, code, again, busy):
    server.fault("GET", "/", Status(code, {"Retry-After": "3"}))
    with pytest.raises(FetchError, match=f"HTTP {code}") as caught:
        ask(f"{server.endpoint}/", body)
    assert (caught.value.again, caught.value.busy) == (again, busy)
    assert caught.value.wait == (3 if again else None)
    assert caught.value.status == "failed"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified", b"101 Upgrade", b"302 Found", b"999 \xff"])
def test_answers_without_a_picture_are_failures(status, body):
    with pytest.raises(FetchError, match=f"^HTTP {status[:3].decode()}"):
        raw(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n", body)


# limits


def test_more_than_the_limit_is_refused_by_what_is_stated(server, body):
    with pytest.raises(RejectedError, match=r"^10,244 bytes, more than 10,243$"):
        ask(f"{server.endpoint}/", body, limit=10_243)
    assert body.tell() == 0
    assert ask(f"{server.endpoint}/", body, limit=10_244) is None


def test_more_than_the_limit_is_refused_by_what_comes(body):
    with pytest.raises(RejectedError, match=r"^more than 1,000 bytes$"):
        raw(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(2000), body, limit=1000)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"100\r\n" + bytes(256) + b"\r\n"
    with pytest.raises(RejectedError, match=r"^more than 1,000 bytes$"):
        raw(chunked + (b"100\r\n" + bytes(256) + b"\r\n") * 4 + b"0\r\n\r\n", io.BytesIO(), limit=1000)


def test_what_is_packed_although_it_was_not_asked_for_is_held_to_the_limit(body):
    packed = gzip.compress(bytes(80 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    with pytest.raises(RejectedError, match="more than 1,000,000 bytes"):
        raw(head.encode() + packed, body, limit=1_000_000)


@pytest.mark.parametrize("content", [b"<html>" + b"x" * 5000, b"GIF89a" + bytes(5000), b"", b"<svg/>"])
def test_what_is_no_picture_is_given_up(server, body, content):
    server.body = content
    with pytest.raises(RejectedError, match=r"HTML|GIF|empty|SVG"):
        ask(f"{server.endpoint}/", body, picture=True)


def test_what_is_no_picture_is_given_up_at_its_first_bytes(server, body):
    server.body = b"<html>" + b"x" * 4_000_000
    server.fault("GET", "/", Slow(40_000))
    with pytest.raises(RejectedError, match="HTML"):
        ask(f"{server.endpoint}/", body, limit=8 << 20, picture=True)
    assert body.tell() < 100_000


# what goes wrong on the way


def test_a_connection_that_is_cut_may_be_tried_again_and_is_not_by_itself(server, body):
    server.fault("GET", "/", Cut(100))
    with pytest.raises(FetchError, match="connection lost") as caught:
        ask(f"{server.endpoint}/", body)
    assert caught.value.again
    assert not caught.value.unreachable
    assert len(server.requests) == 1


def test_a_connection_that_ends_while_it_is_kept_is_not_asked_anew_at_once():
    """Which aiohttp would do, past the pace of the host."""
    asked = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        await reader.readuntil(b"\r\n\r\n")  # the next one by the same connection
        asked += 1
        writer.close()

    async def twice() -> None:
        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            url = parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
            async with Client(Options(allow_private=True)) as client:
                await client.get(url, io.BytesIO(), limit=100)
                with pytest.raises(FetchError, match="connection lost") as caught:
                    await client.get(url, io.BytesIO(), limit=100)
                assert caught.value.again

    asyncio.run(twice())
    assert asked == 2


def test_a_server_that_says_nothing_is_given_up(server, body, monkeypatch):
    monkeypatch.setattr(fetch, "SILENCE", 0.2)
    monkeypatch.setattr("zoo.collect.trouble.SILENCE", 0.2)
    server.fault("GET", "/", Stall(30))
    with pytest.raises(FetchError, match=r"no data for 0\.2 s") as caught:
        ask(f"{server.endpoint}/", body)
    assert caught.value.again


def test_a_server_that_dribbles_is_given_up(server, body):
    server.fault("GET", "/", Slow(1000))
    with pytest.raises(FetchError, match="timed out") as caught:
        ask(f"{server.endpoint}/", body, timeout=0.3)
    assert caught.value.again


def test_nobody_listening_is_told(server, body):
    endpoint = server.endpoint
    server.__exit__(None, None, None)
    with pytest.raises(FetchError, match="no connection") as caught:
        ask(f"{endpoint}/", body)
    assert caught.value.unreachable
    assert caught.value.again


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"\0" * 100,
        b"HTTP/1.1 200\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 50_000 + b"\r\n",
    ],
)
def test_what_is_no_http_is_told(answer, body):
    with pytest.raises(FetchError, match=r"not HTTP|lost") as caught:
        raw(answer, body)
    assert caught.value.again
    assert len(caught.value.reason) <= 200


@pytest.mark.parametrize(
    "header", [b"Set-Cookie: a=\xff; domain=\xff", b"Content-Type: \xff/\xff; charset=\xff", b"Content-Encoding: bogus"]
)
def test_odd_headers_do_not_matter(header, body):
    answer, _ = raw(b"HTTP/1.1 200 OK\r\n" + header + b"\r\nContent-Length: 3\r\n\r\nabc", body)
    assert answer is None
    assert body.getvalue() == b"abc"


def test_cookies_are_not_kept(server):
    async def twice() -> None:
        async with Client(Options(allow_private=True)) as client:
            for _ in range(2):
                body = io.BytesIO()
                with pytest.raises(FetchError):
                    await client.get(parse(f"http://localhost:{port}/"), body, limit=100)

    port = server.endpoint.rpartition(":")[2]
    server.fault("GET", "/", Status(404, {"Set-Cookie": "who=me"}), times=2)
    asyncio.run(twice())
    assert [request.headers["Cookie"] for request in server.requests] == [None, None]
