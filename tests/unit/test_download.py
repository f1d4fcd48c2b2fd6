from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from zoo.base.errors import ZooError
from zoo.data import download
from zoo.data.download import DownloadError, fetch

BODY = random.Random(0).randbytes(300_000)


@dataclass
class Site:
    """What the loopback server does, and what it was asked for."""

    url: str = ""
    body: bytes = BODY
    ranges: bool = True
    status: int = 200
    cuts: int = 0  # how many more answers end halfway
    chunked: bool = False
    silent: threading.Event | None = None  # until when it does not answer
    location: str = ""
    asked: list[str] = field(default_factory=list)  # the Range headers, "" without


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site, asked = self.site, self.headers.get("Range", "")
        site.asked.append(asked)
        self.close_connection = True
        if site.silent:
            site.silent.wait()
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if site.ranges else 0
        if site.status == 200 and start >= len(site.body):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if start and site.status == 200 else site.status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(site.body) - 1}/{len(site.body)}")
        if site.location:
            self.send_header("Location", site.location)
        with contextlib.suppress(ConnectionError):  # the other side may have gone
            self.send_body(site.body[start:])
        return None

    def send_body(self, body: bytes) -> None:
        sent = body
        if self.site.cuts:
            self.site.cuts -= 1
            sent = body[: len(body) // 2]
        if self.site.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s" % (len(body), sent))
            if sent == body:
                self.wfile.write(b"\r\n0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(sent)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(download, "BACKOFF", 0.0)
    site = Site()
    handler = type("SiteHandler", (Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/file.bin"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


def test_fetches_a_file_and_leaves_nothing_else(site: Site, tmp_path: Path) -> None:
    path = fetch(site.url, tmp_path / "new" / "file.bin")
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]


def test_fetches_anew_what_is_there(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    assert fetch(site.url, path).read_bytes() == BODY


def test_resumes_cut_connections_where_they_broke(site: Site, tmp_path: Path) -> None:
    site.cuts = 2
    assert fetch(site.url, tmp_path / "file.bin").read_bytes() == BODY
    assert site.asked == ["", f"bytes={len(BODY) // 2}-", f"bytes={len(BODY) * 3 // 4}-"]


def test_resumes_what_an_earlier_call_left(site: Site, tmp_path: Path) -> None:
    site.cuts = 1
    with pytest.raises(DownloadError, match="cut at 150000 of 300000 bytes; gave up after 1 attempts"):
        fetch(site.url, tmp_path / "file.bin", retries=0)
    assert not (tmp_path / "file.bin").exists()
    assert fetch(site.url, tmp_path / "file.bin", retries=0).read_bytes() == BODY
    assert site.asked[1] == "bytes=150000-"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file.bin"]


def test_starts_over_where_a_range_is_not_the_one_asked_for(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.cuts = 1
    real = Handler.send_header

    def send_header(self: Handler, name: str, value: str) -> None:
        real(self, name, "bytes 7-8/9" if name == "Content-Range" else value)

    monkeypatch.setattr(Handler, "send_header", send_header)
    assert fetch(site.url, tmp_path / "file.bin", retries=2).read_bytes() == BODY
    assert site.asked == ["", "bytes=150000-", ""]


def test_starts_over_where_the_server_ignores_ranges(site: Site, tmp_path: Path) -> None:
    site.cuts, site.ranges = 2, False
    assert fetch(site.url, tmp_path / "file.bin").read_bytes() == BODY
    assert len(site.asked) == 3


def test_starts_over_where_the_range_cannot_be_satisfied(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY)  # whole, but the process ended before it got its name
    assert fetch(site.url, tmp_path / "file.bin", retries=1).read_bytes() == BODY
    assert site.asked == ["bytes=300000-", ""]


def test_notices_a_cut_without_a_content_length(site: Site, tmp_path: Path) -> None:
    site.cuts, site.chunked = 1, True
    assert fetch(site.url, tmp_path / "file.bin").read_bytes() == BODY
    assert len(site.asked) == 2


def test_gives_up_after_the_retries(site: Site, tmp_path: Path) -> None:
    site.cuts, site.ranges = 10, False
    with pytest.raises(DownloadError, match="gave up after 3 attempts"):
        fetch(site.url, tmp_path / "file.bin", retries=2)
    assert len(site.asked) == 3


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (503, 3), (429, 3)])
def test_retries_a_busy_server_but_no_refusal(site: Site, tmp_path: Path, status: int, attempts: int) -> None:
    site.status = status
    with pytest.raises(DownloadError, match=f"file.bin: HTTP {status} "):
        fetch(site.url, tmp_path / "file.bin", retries=2)
    assert len(site.asked) == attempts
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_counts_as_cut(site: Site, tmp_path: Path) -> None:
    site.silent = threading.Event()
    with pytest.raises(DownloadError, match="timed out; gave up after 2 attempts"):
        fetch(site.url, tmp_path / "file.bin", retries=1, timeout=0.05)
    site.silent.set()


def test_names_a_closed_port(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url.rpartition("/")[0])
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file.bin"
        with pytest.raises(DownloadError, match="no connection: Connection refused"):
            fetch(url, tmp_path / "file.bin")


def test_names_a_host_that_does_not_resolve(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(DownloadError, match="no connection: Name or service not known"):
        fetch("http://127.0.0.2/file.bin", tmp_path / "file.bin")


def test_goes_through_the_proxy_of_the_environment(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", site.url.rpartition("/")[0])
    assert fetch("http://127.0.0.2/file.bin", tmp_path / "file.bin").read_bytes() == BODY
    monkeypatch.setenv("https_proxy", site.url.rpartition("/")[0])  # it knows no CONNECT
    with pytest.raises(DownloadError, match="through the proxy of https_proxy: Tunnel connection failed: 501"):
        fetch("https://127.0.0.2/file.bin", tmp_path / "file.bin")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,a", "file.bin"])
def test_only_http_and_https(tmp_path: Path, url: str) -> None:
    with pytest.raises(ZooError, match="only http and https"):
        fetch(url, tmp_path / "file.bin")


def test_no_redirect_to_a_file(site: Site, tmp_path: Path) -> None:
    site.status, site.location = 302, "file:///etc/passwd"
    with pytest.raises(DownloadError, match="is not allowed"):
        fetch(site.url, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_says_that_the_disk_is_full(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(ZooError, match=r"cannot write .*file\.bin: No space left on device; free some space"):
        fetch(site.url, tmp_path / "file.bin")
    assert len(site.asked) == 1


def test_says_where_it_cannot_write(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ZooError, match="cannot write"):
        fetch(site.url, tmp_path / "file" / "file.bin")


def test_shows_progress_on_a_terminal_only(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    fetch(site.url, tmp_path / "file.bin")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    monkeypatch.setenv("COLUMNS", "100")
    fetch(site.url, tmp_path / "file.bin")
    out, err = capsys.readouterr()
    assert out == ""
    assert "file.bin" in err
    assert "300.0/300.0 kB" in err
