"""The server of ``zoo demo --serve`` as its visitors meet it: many at once, rude ones, and what is left of them."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving import Served, png, processes, soon, write_export
from zoo import load
from zoo.base.scratch import temporary_folder
from zoo.commands import main
from zoo.serving import jobs
from zoo.serving.job import Upload

pytest.importorskip("uvicorn", reason="the extra demo is not installed")
pytest.importorskip("onnx", reason="the extra export is not installed")
posix = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc to look for processes in")
MEGABYTE = 10**6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tiny_linknet: Path) -> Path:
    """A tiny LinkNet as an ONNX file, whose jobs need no torch."""
    return write_export(tiny_linknet, tmp_path_factory.mktemp("exported") / "tiny.onnx")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served"), str(model), "--jobs", "2") as running:
        yield running


def segment(server: Served, content: bytes, name: str = "street.png", **headers: str) -> str:
    return server.begin("tiny", {"picture": (name, content)}, **headers)


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from serving import Served
import serving
served = Served.__new__(Served)
served.port = int(sys.argv[2])
content, during = open(sys.argv[3], "rb").read(), sys.argv[4]
cookie = served.visitor()
if during == "upload":
    asked = {"model": "tiny", "files": {"picture": "a.png"}}
    job = served.ask("POST", "/api/jobs", asked, Cookie=cookie).json["id"]
    connection = served.connect()
    connection.putrequest("PUT", f"/api/jobs/{job}/files/picture")
    connection.putheader("Content-Length", str(2 * len(content)))
    connection.endheaders()
    connection.send(content)
else:
    job = served.begin("tiny", {"picture": ("a.png", content)}, Cookie=cookie)
    next(served.events(job))
print(job, flush=True)
import time
time.sleep(60)
"""


def killed_client(server: Served, picture: Path, during: str) -> str:
    """A client whose process is killed while it sends its picture, or while it waits; gives its job."""
    arguments = [str(Path(__file__).parents[1]), str(server.port), str(picture), during]
    client = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE, text=True)
    job = client.stdout.readline().strip()
    client.kill()
    client.wait()
    client.stdout.close()
    return job


def endless_client(server: Served, cookie: str) -> tuple[int, int]:
    """Sends 200 MB piece by piece without saying how many; gives the status, and how many bytes went out before it."""
    asked = {"model": "tiny", "files": {"picture": "large.png"}}
    job = server.ask("POST", "/api/jobs", asked, Cookie=cookie).json["id"]
    piece, sent = b"10000\r\n" + bytes(1 << 16) + b"\r\n", 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        head = f"PUT /api/jobs/{job}/files/picture HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.sendall(head.encode())
        line.setblocking(False)
        while sent < 200 * MEGABYTE:
            with contextlib.suppress(BlockingIOError):
                return int(line.recv(1 << 16).split()[1]), sent
            line.settimeout(30)
            line.sendall(piece)
            line.setblocking(False)
            sent += 1 << 16
        line.settimeout(30)
        return int(line.recv(1 << 16).split()[1]), sent


def silent_client(server: Served, content: bytes, cookie: str, held: contextlib.ExitStack) -> str:
    """Asks for the events of its job, and never reads them."""
    job = segment(server, content, Cookie=cookie)
    line = held.enter_context(socket.socket())
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    line.connect(("127.0.0.1", server.port))
    line.sendall(f"GET /api/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return job


def test_twenty_clients_at_once_get_their_pictures_whatever_the_others_do(server: Served, model: Path, tmp_path: Path):
    net, sizes = load(model), {n: (40 + 3 * n, 60 - 2 * n) for n in range(16)}
    (tmp_path / "a.png").write_bytes(png(64, 48, seed=99))
    worst, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            start = time.monotonic()
            assert server.ask("GET", "/").status == 200
            worst[0] = max(worst[0], time.monotonic() - start)

    def client(number: int) -> np.ndarray:
        job = segment(server, png(*sizes[number], seed=number), Cookie=server.visitor())
        last = server.finished(job)
        assert last["state"] == "done", last
        result = server.ask("GET", f"/api/jobs/{job}/results/picture_mask.png")
        return np.asarray(Image.open(io.BytesIO(result.body)))

    with ThreadPoolExecutor(22) as pool, contextlib.ExitStack() as held:
        held.callback(over.set)  # or a failure would wait for the watcher
        watching = pool.submit(watch)
        killed = [pool.submit(killed_client, server, tmp_path / "a.png", during) for during in ("upload", "waiting")]
        large = pool.submit(endless_client, server, server.visitor())
        silent = pool.submit(silent_client, server, png(64, 48, seed=50), server.visitor(), held)
        masks = list(pool.map(client, sizes))
        for number, mask in enumerate(masks):
            expected = net.predict(Image.open(io.BytesIO(png(*sizes[number], seed=number)))).mask
            assert np.array_equal(mask, expected)
        status, sent = large.result()
        assert status == 413
        assert sent < 130 * MEGABYTE  # the limit, and what the system's buffers of a connection hold
        soon(lambda: server.ask("GET", f"/api/jobs/{silent.result()}").json["state"] == "done", 20)
        cut, left = (each.result() for each in killed)
        assert server.ask("GET", f"/api/jobs/{cut}").status == 404
        soon(lambda: server.ask("GET", f"/api/jobs/{left}").json["state"] == "done", 20)
        over.set()
        watching.result()
    assert worst[0] < 1, "the event loop computes"
    assert not processes(server.jobs)
    assert not (server.jobs / cut).exists()


def test_a_file_that_says_its_size_is_refused_before_it_comes(server: Served):
    job = server.ask("POST", "/api/jobs", {"model": "tiny", "files": {"picture": "large.png"}}).json["id"]
    with contextlib.closing(server.connect(5)) as connection:
        connection.putrequest("PUT", f"/api/jobs/{job}/files/picture")
        connection.putheader("Content-Length", str(200 * MEGABYTE))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.loads(answer.read())["error"] == "A file may have at most 100 MB here."
    assert not (server.jobs / job).exists()


@posix
def test_stop_ends_the_process_at_once_and_leaves_nothing(server: Served):
    job = segment(server, png(4000, 4000))
    soon(lambda: processes(server.jobs / job))
    states = server.events(job)
    assert next(states)["state"] == "working"
    start = time.monotonic()
    assert server.ask("DELETE", f"/api/jobs/{job}").status == 204
    assert time.monotonic() - start < 0.3
    assert not processes(server.jobs / job)
    assert not (server.jobs / job).exists()
    assert list(states)[-1]["state"] == "stopped"
    assert server.ask("GET", f"/api/jobs/{job}").status == 404


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_the_server(number: signal.Signals, model: Path, tmp_path: Path):
    with Served(tmp_path, str(model)) as own:
        job = segment(own, png(4000, 4000))
        folder = own.jobs / job
        soon(lambda: processes(folder))
        watching = own.events(job)
        next(watching)
        code = own.end(number)
        if number == signal.SIGKILL:  # nobody is left who could remove the files
            soon(lambda: not processes(folder))
            assert folder.exists()
            with temporary_folder(own.temporary, "zoo-demo-"):  # as the next server does
                assert not folder.exists()
            own.process.returncode = 0
        else:
            assert code == 0
            assert not own.left()
            assert list(watching)[-1]["state"] == "stopped"


def test_no_path_of_the_server_can_be_read(server: Served, model: Path):
    job = segment(server, png(40, 30))
    server.finished(job)
    (server.jobs / "secret.png").write_bytes(b"secret")
    places = (
        "/../jobs/secret.png", "/%2e%2e/jobs/secret.png", "/..%2fjobs/secret.png", "/run/..%2f..%2fjobs%2fsecret.png",
        "//etc/passwd", f"/{server.jobs}/secret.png", f"/api/jobs/{job}/results/../secret.png",
        f"/api/jobs/{job}/results/..%2f..%2fsecret.png", f"/api/jobs/{job}/results/errors.txt",
        f"/api/jobs/{job}/results/..%2ferrors.txt", f"/api/jobs/{job}/results/.zoo-predict.jsonl", "/api/jobs/..",
        "/api/jobs/../secret.png/results/x", "/api/jobs/%2e%2e", "/api/jobs",
    )  # fmt: skip
    for place in places:
        answer = server.ask("GET", place)
        assert answer.status in (404, 405), place
        assert b"secret" not in answer.body
    assert server.ask("PUT", f"/api/jobs/{job}/files/..%2fx", b"x").status in (404, 405, 409)
    (server.jobs / "secret.png").unlink()
    known = json.dumps([server.ask("GET", "/run/tiny.json").json, server.ask("GET", f"/api/jobs/{job}").json])
    assert str(server.temporary) not in known
    assert str(model.parent) not in known


NAMES = (
    "../../../x.png",
    "/etc/passwd",
    "..\\..\\x.PNG",
    "a\0b.png",
    "x.py",
    "-o.png",
    "x" * 5000 + ".png",
    "",
    "a.tar/b",
)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files_lead_nowhere(name: str, tmp_path: Path):
    upload = Upload.of("picture", name, tmp_path)
    assert upload.path in (tmp_path / "picture.png", tmp_path / "picture.picture")
    assert upload.name.isprintable()
    assert 0 < len(upload.name) <= 80


def test_a_strange_name_is_no_trouble(server: Served):
    assert server.finished(segment(server, png(40, 30), "-o/\0 é.png"))["state"] == "done"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("broken.png", png(64, 48, seed=1)[:3000], "broken.png: damaged picture"),
        ("letter.jpg", b"dear", "letter.jpg: not a picture"),
        ("empty.png", b"", "empty.png: an empty file"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.svg: not a picture"),
        (
            "large.png",
            png(8000, 7000, "1"),
            "large.png has 8000x7000 pixels, and this server takes up to 50 megapixels",
        ),
        ("bomb.png", png(20_000, 20_000, "1"), "bomb.png: 20000x20000 pixels (400 megapixels) may be a"),
        ("film.mp4", b"\0\0\0\x18ftypmp42", "film.mp4: "),
    ],
)
def test_files_that_are_no_pictures_get_a_sentence(name: str, content: bytes, told: str, server: Served):
    last = server.finished(segment(server, content, name, Cookie=server.visitor()))
    assert last["state"] == "failed"
    assert last["text"].startswith(told), last["text"]
    assert last["text"].count("\n") <= 1
    assert str(server.temporary) not in last["text"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example:80"}, 403),
        ({"Host": "192.0.2.1"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Host": "localhost"}, 404),
        ({"Host": "[::1]:80"}, 404),
        ({"Host": "localhost:9", "Origin": "http://localhost:9", "Sec_Fetch_Site": "same-origin"}, 404),
    ],
)
def test_other_sites_cannot_begin_jobs(headers: dict[str, str], status: int, server: Served):
    assert server.ask("POST", "/api/jobs", {"model": "none"}, **headers).status == status


def test_a_rebound_name_reads_nothing(server: Served):
    assert server.ask("GET", "/", Host="evil.example:80").status == 403
    page = server.ask("GET", "/")
    assert page.status == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert {"HttpOnly", "SameSite=Strict"} <= set(page.headers["set-cookie"].split("; "))
    assert "access-control-allow-origin" not in page.headers


def test_a_client_has_a_few_unfinished_jobs_at_most(server: Served):
    cookie, asked = server.visitor(), {"model": "tiny", "files": {"picture": "a.png"}}
    begun = [server.ask("POST", "/api/jobs", asked, Cookie=cookie) for _ in range(5)]
    assert [each.status for each in begun] == [201, 201, 201, 201, 429]
    assert begun[-1].told == "You have 4 unfinished jobs already: wait for one of them, or stop it."
    other = server.ask("POST", "/api/jobs", asked, Cookie=server.visitor())
    for each in (*begun[:-1], other):
        assert server.ask("DELETE", f"/api/jobs/{each.json['id']}").status == 204


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"model": "other"}, 404, "There is no such model here. There are: tiny."),
        ({"model": "tiny"}, 400, "tiny needs a file for picture."),
        ({"model": "tiny", "files": {"picture": "a", "style": "b"}}, 400, "tiny takes files for picture only."),
        ({"model": "tiny", "files": {"picture": 3}}, 400, "The files must be an object of names."),
        ({"model": "tiny", "options": {"output": "/"}, "files": {"picture": "a"}}, 400, "tiny has no option output."),
        ({"model": "tiny", "options": {"\ud800": 1}, "files": {"picture": "a"}}, 400, "tiny has no option ?."),
        ({"model": "tiny", "options": [1], "files": {"picture": "a"}}, 400, "The options must be an object."),
    ],
)
def test_what_no_page_asks_is_refused_in_a_sentence(asked: dict, status: int, told: str, server: Served):
    answer = server.ask("POST", "/api/jobs", asked)
    assert (answer.status, answer.told) == (status, told)


def test_only_loopback_is_answered_on(server: Served):
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if line.split()[3] == "0A"]
    assert f"0100007F:{server.port:04X}" in listening
    assert f"00000000:{server.port:04X}" not in listening


def test_a_port_in_use_takes_a_line(model: Path, capsys: pytest.CaptureFixture):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main.main(["demo", "--serve", str(model), "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert error == f"zoo: error: port {port} of 127.0.0.1 is in use; name another with --port, or --port 0 for any\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "192.0.2.1"], "--host 192.0.2.1: no address of this machine"),
        (["--port", "70000"], "--port must be 0 to 65535, not 70000"),
        (["--jobs", "0"], "--jobs must be 1 or more, not 0"),
        (["--keep", "0"], "--max-upload and --keep must be more than 0"),
        (["--fix", "vgg"], "--fix vgg: give an option of zoo predict and its value"),
        (["--fix", "styl=x"], "no model here has an option styl"),
        (["-o", "site"], "-o and --overwrite write a folder; leave them out with --serve"),
    ],
)
def test_wrong_options_take_a_line(words: list[str], told: str, model: Path, capsys: pytest.CaptureFixture):
    assert main.main(["demo", "--serve", str(model), "--port", "0", *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") <= 2


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main.main(["demo", "--serve"]) == 2
    needs = "zoo demo --serve needs packages that are not installed: pip install 'lightning-zoo[demo]'"
    assert capsys.readouterr().err == f"zoo: error: {needs}\n"


def test_the_program_of_a_job_exists():
    __import__(jobs.PROGRAM)
