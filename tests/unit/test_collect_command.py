"""`zoo collect` as people use it: what goes in, what comes out, what is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from PIL import Image

from gallery import Gallery
from loopback import Answer, Redirect, Request, Status
from zoo.collect import hosts
from zoo.collect.hosts import Host
from zoo.collect.ledger import read
from zoo.commands import main

QUICK = ["--allow-private", "--delay", "0", "--contact", "tests", "--retries", "0"]


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with Gallery() as server:
        yield server


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZOO_CONTACT", "OPENVERSE_TOKEN", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def collect(*arguments: object) -> int:
    return main.main(["collect", *map(str, arguments)])


def ledger(folder: Path) -> list[dict[str, Any]]:
    return list(read(folder / "ledger.jsonl"))


def statuses(folder: Path) -> list[str]:
    return [record["status"] for record in ledger(folder)]


def listed(path: Path, *addresses: str) -> Path:
    path.write_text("\n".join(addresses))
    return path


def fine(gallery: Gallery, *names: object) -> list[str]:
    return [f"{gallery.endpoint}/fine/{name}.jpg" for name in names]


def test_a_thumbnail_takes_the_place_of_a_picture_that_cannot_be_had(gallery: Gallery, tmp_path: Path):
    source = tmp_path / "list.csv"
    rows = [
        f"{gallery.endpoint}/missing/1.jpg,{gallery.endpoint}/fine/2.jpg",
        f"{gallery.endpoint}/html/1.jpg,{gallery.endpoint}/fine/3.jpg",
        f"{gallery.endpoint}/private/1.jpg,{gallery.endpoint}/fine/4.jpg",
        f"{gallery.endpoint}/missing/2.jpg,{gallery.endpoint}/down/5.jpg",
        f"{gallery.endpoint}/html/3.jpg,{gallery.endpoint}/missing/6.jpg",
        f"{gallery.endpoint}/tiny/1.jpg,{gallery.endpoint}/fine/7.jpg",
        f"{gallery.endpoint}/fine/1.jpg,{gallery.endpoint}/fine/8.jpg",
    ]
    source.write_text("\n".join(["url,thumbnail", *rows]))
    assert collect(source, "-o", tmp_path / "out", *QUICK) == 0
    records = ledger(tmp_path / "out")
    assert [record["status"] for record in records] == ["thumbnail"] * 3 + ["failed"] * 2 + ["rejected", "saved"]
    assert records[0]["reason"] == "HTTP 404 Not Found"
    assert records[0]["final_url"].endswith("/fine/2.jpg")
    assert records[0]["requests"] == 2
    assert records[3]["reason"].startswith("HTTP 404 Not Found; thumbnail: HTTP 500")
    assert not gallery.asked("GET", r"/fine/[78]\.jpg")  # no smaller one of what is too small, none of what is there


def test_the_limit_is_kept_and_may_be_raised(gallery: Gallery, tmp_path: Path):
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(40)))
    assert collect(source, "-o", tmp_path / "out", "--limit", 7, *QUICK) == 0
    assert statuses(tmp_path / "out") == ["saved"] * 7
    assert len(gallery.asked("GET", "fine")) == 7  # and nothing is asked for in vain
    assert (
        collect("--resume", tmp_path / "out", "--limit", 12, "--allow-private") == 0
    )  # the other options are those of before
    assert statuses(tmp_path / "out") == ["saved"] * 12
    assert len(gallery.asked("GET", "fine")) == 12


def test_what_failed_is_tried_again_and_nothing_else(gallery: Gallery, tmp_path: Path, capsys):
    names = ["fine/1", "shaky/2", "missing/3", "shaky/4"]
    source = listed(tmp_path / "list.txt", *(f"{gallery.endpoint}/{name}.jpg" for name in names))
    out = tmp_path / "out"
    assert collect(source, "-o", out, *QUICK) == 0
    assert statuses(out) == ["saved", "failed", "failed", "failed"]
    assert "--retry-failed" in capsys.readouterr().out
    for expected in (["saved", "failed", "failed", "failed"], ["saved", "saved", "failed", "saved"]):
        gallery.requests.clear()
        assert collect("--resume", out, "--retry-failed", "--allow-private") == 0
        assert statuses(out) == expected
        assert not gallery.asked("GET", "fine")
    assert [record["url"].partition(gallery.endpoint + "/")[2][:-4] for record in ledger(out)] == names


def test_the_same_command_again_asks_for_nothing(gallery: Gallery, tmp_path: Path, capsys):
    source = listed(tmp_path / "list.txt", *fine(gallery, 1, 2, 3))
    assert collect(source, "-o", tmp_path / "out", *QUICK) == 0
    before = (tmp_path / "out" / "ledger.jsonl").read_bytes()
    gallery.requests.clear()
    capsys.readouterr()
    assert collect(source, "-o", tmp_path / "out", *QUICK) == 0
    assert capsys.readouterr().out.startswith("nothing new\nPictures: ")
    assert not gallery.requests
    assert (tmp_path / "out" / "ledger.jsonl").read_bytes() == before


def test_another_list_adds_to_a_collection_and_moves_nothing(gallery: Gallery, tmp_path: Path):
    out = tmp_path / "out"
    assert collect(listed(tmp_path / "one.txt", *fine(gallery, *range(30))), "-o", out, *QUICK) == 0
    before = {record["file"] for record in ledger(out)}
    more = listed(tmp_path / "two.txt", *fine(gallery, *range(20, 60)))
    assert collect(more, "-o", out, "--label", "more", "--allow-private") == 0
    records = ledger(out)
    assert len(records) == 60  # ten were known
    assert before == {record["file"] for record in records[:30]}
    assert all((out / record["file"]).is_file() for record in records)
    assert {record["file"].split("/")[0] for record in records} == {"train", "val", "test"}
    assert all(record["file"].split("/")[1] == "more" for record in records[30:])


def test_a_collection_goes_on_without_its_list(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(9)))
    assert collect("list.txt", "-o", "out", "--limit", 3, *QUICK) == 0
    source.unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert collect("--resume", "../out", "--limit", 9, "--allow-private") == 0
    assert statuses(tmp_path / "out") == ["saved"] * 9


def test_private_networks_are_not_asked_whatever_leads_there(gallery: Gallery, tmp_path: Path, capsys):
    port = gallery.endpoint.rpartition(":")[2]
    hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433", "0x7f000001"]
    source = listed(tmp_path / "list.txt", *(f"http://{host}:{port}/fine/1.jpg" for host in hosts))
    assert collect(source, "-o", tmp_path / "out", "--contact", "tests", "--delay", "0", "--retries", "0") == 2
    assert set(statuses(tmp_path / "out")) == {"blocked"}
    assert not gallery.requests
    assert "--allow-private" in capsys.readouterr().err


def test_a_redirect_to_a_private_network_is_not_followed(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The server stands for a public one: its port alone counts as public."""
    from zoo.collect import guard

    port = int(gallery.endpoint.rpartition(":")[2])
    with Gallery() as private:
        made = guard.guarded_socket

        def public_port(allow_private: bool):
            make = made(allow_private)
            return lambda info: made(True)(info) if info[4][1] == port else make(info)

        monkeypatch.setattr("zoo.collect.fetch.guarded_socket", public_port)
        gallery.fault("GET", "/fine/1.jpg", Redirect(private.endpoint + "/fine/1.jpg"))
        gallery.fault("GET", "/fine/2.jpg", Redirect("file:///etc/passwd"))
        gallery.fault("GET", "/fine/3.jpg", Redirect("//169.254.169.254/latest/meta-data.jpg"))
        source = listed(tmp_path / "list.txt", *fine(gallery, 1, 2, 3, 4))
        assert collect(source, "-o", tmp_path / "out", "--delay", "0", "--contact", "tests", "--retries", "0") == 0
        assert statuses(tmp_path / "out") == ["blocked"] * 3 + ["saved"]
        assert not private.requests


def test_a_name_that_comes_to_mean_a_private_address_is_not_asked(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whatever the resolver says, and however often it changes its mind, the connection itself is looked at."""
    import aiohttp

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        result = {"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 6, "flags": 4}
        return [result]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    port = gallery.endpoint.rpartition(":")[2]
    source = listed(tmp_path / "list.txt", f"http://pictures.example:{port}/fine/1.jpg")
    assert collect(source, "-o", tmp_path / "out", "--contact", "tests", "--retries", "0") == 2
    assert statuses(tmp_path / "out") == ["blocked"]
    assert not gallery.requests


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[float, float]]]:
    """The requests to each host: how long it was overdue, and how long the next one has to wait, in seconds."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    start = Host.start

    def watched(host: Host, alone: bool) -> None:
        now = hosts.now()
        overdue = now - host.next_time
        with monkeypatch.context() as patch:
            patch.setattr(hosts, "now", lambda: now)  # or the next time would depend on the machine
            start(host, alone)
        found[host.name].append((overdue, host.next_time - now))

    monkeypatch.setattr(Host, "start", watched)
    return found


def test_the_pace_of_a_host_is_kept(gallery: Gallery, tmp_path: Path, starts: dict[str, list[tuple[float, float]]]):
    delay, count = 0.05, 12
    with Gallery("User-agent: *\nCrawl-delay: 0.1\n") as slower:
        addresses = [
            one for pair in zip(fine(gallery, *range(count)), fine(slower, *range(count)), strict=True) for one in pair
        ]
        options = ["--allow-private", "--contact", "tests", "--delay", delay, "--connections", 16]
        assert collect(listed(tmp_path / "list.txt", *addresses), "-o", tmp_path / "out", *options) == 0
        for server, least in ((gallery, delay), (slower, 0.1)):
            requests = starts[server.endpoint]
            assert len(server.requests) == len(requests) == count + 1  # and robots.txt
            assert all(overdue >= 0 for overdue, _ in requests)
            pauses = [pause for _, pause in requests[1:]]
            assert all(least - 1e-6 <= pause <= 1.5 * least + 1e-6 for pause in pauses)
            assert len({round(pause, 4) for pause in pauses}) > 5  # jitter


def test_retry_after_holds_the_whole_host(
    gallery: Gallery,
    tmp_path: Path,
    starts: dict[str, list[tuple[float, float]]],
    monkeypatch: pytest.MonkeyPatch,
):
    held: list[float] = []
    hold = Host.hold

    def watched(host: Host, wait: float) -> None:
        held.append(wait)
        hold(host, wait)

    monkeypatch.setattr(Host, "hold", watched)
    gallery.fault("GET", "/fine/1.jpg", Status(429, {"Retry-After": "1"}))
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(12)))
    options = ["--allow-private", "--contact", "tests", "--delay", "0", "--per-host", 1]
    assert collect(source, "-o", tmp_path / "out", *options) == 0
    assert statuses(tmp_path / "out") == ["saved"] * 12
    assert held.count(1.0) == 1
    assert all(overdue >= 0 for overdue, _ in starts[gallery.endpoint])  # nothing went out before that was over


def test_a_host_that_asks_for_more_than_patience_is_left_alone(gallery: Gallery, tmp_path: Path):
    gallery.fault("GET", "/fine/0.jpg", Status(503, {"Retry-After": "3600"}))
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(12)))
    assert collect(source, "-o", tmp_path / "out", *QUICK, "--per-host", 1, "--retries", 3) == 2
    assert statuses(tmp_path / "out") == ["failed"] * 12
    assert "the server asks to wait 3600 s" in ledger(tmp_path / "out")[11]["reason"]
    assert len(gallery.requests) == 2


def test_rules_that_cannot_be_had_close_a_host(gallery: Gallery, tmp_path: Path):
    gallery.fault("GET", "/robots.txt", Status(500), times=9)
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(5)))
    assert collect(source, "-o", tmp_path / "out", *QUICK) == 2
    assert statuses(tmp_path / "out") == ["failed"] * 5
    assert [request.path for request in gallery.requests] == ["/robots.txt"]


def test_no_robots_txt_forbids_nothing(gallery: Gallery, tmp_path: Path):
    gallery.fault("GET", "/robots.txt", Status(404))
    assert (
        collect(listed(tmp_path / "list.txt", f"{gallery.endpoint}/private/1.jpg"), "-o", tmp_path / "o", *QUICK) == 0
    )


def test_who_asks_is_told(gallery: Gallery, tmp_path: Path, capsys):
    assert collect(listed(tmp_path / "a.txt", *fine(gallery, 1)), "-o", tmp_path / "a", *QUICK[:3]) == 0
    assert "--contact" in capsys.readouterr().err
    agent = gallery.requests[-1].headers["User-Agent"]
    assert agent.startswith("lightning-zoo/")
    assert "(zoo collect; +https://" in agent
    assert collect(listed(tmp_path / "b.txt", *fine(gallery, 1)), "-o", tmp_path / "b", *QUICK) == 0
    assert gallery.requests[-1].headers["User-Agent"].endswith("(zoo collect; +tests)")
    assert "--contact" not in capsys.readouterr().err


class Wiki(Gallery):
    """A catalogue of the server's own pictures, three a page."""

    lag = 0  # answers that put it off

    def answer(self, request: Request) -> Answer:
        if not request.path.startswith("/api.php"):
            return super().answer(request)
        if self.lag:
            self.lag -= 1
            return Answer.of({"error": {"code": "maxlag", "info": "waiting for a database"}})
        start = int(request.path.partition("gsroffset=")[2].partition("&")[0] or 0)
        pages = [
            {
                "index": n,
                "imageinfo": [
                    {
                        "url": f"{self.endpoint}/fine/{n}.jpg",
                        "mime": "image/jpeg",
                        "descriptionurl": f"{self.endpoint}/wiki/{n}",
                        "extmetadata": {"LicenseShortName": {"value": "CC0"}, "Artist": {"value": "<b>Ann</b>"}},
                    }
                ],
            }
            for n in range(start, start + 3)
        ]
        answer: dict[str, Any] = {"query": {"pages": pages}}
        if start < 30:
            answer["continue"] = {"gsroffset": start + 3, "continue": "gsroffset||"}
        return Answer.of(answer)


def test_a_catalogue_is_asked_for_no_more_than_is_wanted(tmp_path: Path):
    with Wiki() as wiki:
        endpoint = ["--endpoint", f"{wiki.endpoint}/api.php"]
        assert collect("commons:bicycle", "-o", tmp_path / "out", *endpoint, "--limit", 4, *QUICK) == 0
        assert len(wiki.asked("GET", "api.php")) == 2
        record = ledger(tmp_path / "out")[3]
        assert [record[name] for name in ("license", "creator", "status")] == ["CC0", "Ann", "saved"]
        assert record["page"] == f"{wiki.endpoint}/wiki/3"
        wiki.requests.clear()
        assert collect("--resume", tmp_path / "out", "--limit", 8, "--allow-private") == 0
        assert len(statuses(tmp_path / "out")) == 8
        assert len(wiki.asked("GET", "api.php")) == 1  # it goes on where it was


def test_a_catalogue_that_is_out_of_order(tmp_path: Path, capsys):
    with Wiki() as wiki:
        wiki.fault("GET", "api.php", Status(500), times=9)
        endpoint = ["--endpoint", f"{wiki.endpoint}/api.php"]
        assert collect("commons:bicycle", "-o", tmp_path / "out", *endpoint, *QUICK) == 2
        assert "HTTP 500" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_a_wiki_that_lags_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.collect.api.LAG", 0.1)
    with Wiki() as wiki:
        wiki.lag = 2
        endpoint = ["--endpoint", f"{wiki.endpoint}/api.php"]
        assert collect("commons:bicycle", "-o", tmp_path / "out", *endpoint, "--limit", 2, *QUICK, "--retries", 2) == 0
        assert len(wiki.asked("GET", "api.php")) == 3


def test_pictures_are_turned_upright_on_request(gallery: Gallery, tmp_path: Path):
    file = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.radial_gradient("L").resize((96, 64)).save(file, exif=exif)
    answer = gallery.answer
    gallery.answer = lambda request: Answer(body=file.read_bytes()) if "turned" in request.path else answer(request)
    source = listed(tmp_path / "list.txt", f"{gallery.endpoint}/turned.jpg")
    for more, size in (([], (96, 64)), (["--upright"], (64, 96))):
        out = tmp_path / f"out{len(more)}"
        assert collect(source, "-o", out, *QUICK, *more) == 0
        [record] = ledger(out)
        with Image.open(out / record["file"]) as image:
            assert image.size == size == tuple(record["size"])
            assert image.getexif().get(0x0112, 1) == (1 if more else 6)
        assert (out / record["file"]).stat().st_size == record["bytes"]


def test_a_log_gets_a_line_now_and_then(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr("zoo.collect.progress.LINE", 0.0)
    source = listed(tmp_path / "list.txt", *fine(gallery, 1, 2), f"{gallery.endpoint}/missing/3.jpg")
    assert collect(source, "-o", tmp_path / "out", *QUICK) == 0
    assert "3 of 3: 2 saved 0 thumbs 0 same 1 failed" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(gallery: Gallery, tmp_path: Path):
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(500)))
    command = [
        sys.executable,
        "-m",
        "zoo.commands.main",
        "collect",
        source,
        "-o",
        tmp_path / "out",
        *QUICK,
        "--delay",
        "0.05",
    ]
    process = subprocess.Popen(
        [*map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
    )
    ledger_file = tmp_path / "out" / "ledger.jsonl"
    while not (ledger_file.exists() and ledger_file.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert f"resume with: zoo collect --resume {tmp_path / 'out'} --allow-private\n" in errors
    assert 0 < len(statuses(tmp_path / "out")) < 500


@pytest.mark.skipif(os.name == "nt", reason="no such device there")
def test_a_full_disk_ends_in_a_line(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(6)))

    def full(path: Path) -> None:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    monkeypatch.setattr("zoo.collect.store._sync", full)
    assert collect(source, "-o", tmp_path / "out", *QUICK) == 2
    assert "no space left" in capsys.readouterr().err
    monkeypatch.undo()
    assert collect("--resume", tmp_path / "out", "--allow-private") == 0
    assert statuses(tmp_path / "out") == ["saved"] * 6
    assert not any((tmp_path / "out" / ".collect" / "parts").iterdir())


def test_one_process_at_a_time(gallery: Gallery, tmp_path: Path, capsys):
    source = listed(tmp_path / "list.txt", *fine(gallery, 1))
    assert collect(source, "-o", tmp_path / "out", *QUICK) == 0
    with FileLock(tmp_path / "out" / ".collect" / "lock"):
        assert collect("--resume", tmp_path / "out") == 2
    assert "another zoo collect is running in this folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "SOURCE and -o DIR are required"),
        (["list.txt"], "zoo collect SOURCE -o DIR"),
        (["nosuch.txt", "-o", "new"], "nosuch.txt: no such file"),
        (["flickr:cats", "-o", "new"], "no catalogue 'flickr'"),
        (["list.xlsx", "-o", "new"], "list.xlsx"),
        (["list.txt", "-o", "new", "--limit", "0"], "--limit must be at least 1, not 0"),
        (["list.txt", "-o", "new", "--near", "40"], "--near must be between 0 and 32, not 40"),
        (["list.txt", "-o", "new", "--limt", "3"], "did you mean --limit?"),
        (["list.txt", "-o", "new", "--max-bytes", "3X"], "3X"),
        (
            ["list.txt", "-o", "new", "--max-bytes", "infM"],
            "argument --max-bytes: must be such as 500K or 20M, not 'infM'",
        ),
        (["list.txt", "-o", "new", "--max-bytes", "nanG"], "must be such as 500K or 20M, not 'nanG'"),
        (["list.txt", "-o", "new", "--max-bytes", "1e999K"], "must be such as 500K or 20M, not '1e999K'"),
        (["list.txt", "-o", "new", "--max-bytes", "9" * 5000], "must be such as 500K or 20M, not '999"),
        (["list.txt", "-o", "new", "--max-bytes=-5M"], "must be such as 500K or 20M, not '-5M'"),
        (["list.txt", "-o", "new", "--max-bytes", "999G"], "--max-bytes must be between 1 and 1073741824, not 107"),
        (["list.txt", "-o", "new", "--max-pixels", "9" * 5000], "--max-pixels: must be a whole number"),
        (["list.txt", "-o", "new", "--max-pixels", "9" * 400], "--max-pixels must be between 1 and"),
        (["list.txt", "-o", "new", "--near", "inf"], "argument --near: must be a whole number or off, not 'inf'"),
        (["list.txt", "-o", "new", "--max-aspect", "nan"], "--max-aspect must be at least 1, not nan"),
        (["list.txt", "-o", "new", "--val-fraction", "nan"], "--val-fraction must be between 0 and 0.49, not nan"),
        (["list.txt", "-o", "new", "--delay", "1e999"], "--delay must be between 0 and 3600, not inf"),
        (["list.txt", "-o", "full"], "full: neither empty nor a collection"),
        (["list.txt", "-o", "list.txt"], "list.txt: a file, not a folder"),
        (["--resume", "full"], "full: no collection to resume"),
        (["--resume", "new", "-o", "new"], "leave out -o"),
        (["--resume", "full", "--base", "x"], "need a SOURCE"),
        (["empty.txt", "-o", "new"], "SOURCE names no pictures"),
        (["empty.txt", "-o", "new", "--limit", "9" * 400, "--max-side", "9" * 400], "SOURCE names no pictures"),
        (["list.csv", "-o", "new"], "--column url="),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_leaves_nothing(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.chdir(tmp_path)
    listed(tmp_path / "list.txt", "http://127.0.0.1:9/x.jpg")
    listed(tmp_path / "list.xlsx", "")
    listed(tmp_path / "empty.txt", "# nothing")
    listed(tmp_path / "list.csv", "where,what", "here,there")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    before = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert collect(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) <= 4
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == before


PACKAGES = ["aiohttp", "imagehash", "jinja2", "pathvalidate", "protego"]


def hidden(packages: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own that cannot import these packages."""
    code = f"import sys; sys.modules.update(dict.fromkeys({packages})); from zoo.commands.main import main"
    command = [sys.executable, "-c", f"{code}; sys.exit(main(sys.argv[1:]))", "collect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("packages", [PACKAGES, *([one] for one in PACKAGES)])
def test_without_the_extra_the_line_that_installs_it_is_said(tmp_path: Path, packages: list[str]):
    source = listed(tmp_path / "list.txt", "http://127.0.0.1:9/x.jpg")
    for arguments in ([source, "-o", tmp_path / "out"], ["--resume", tmp_path, "--report"]):
        done = hidden(packages, *arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        line = "zoo collect needs packages that are not installed: pip install 'lightning-zoo[collect]'"
        assert done.stderr.splitlines() == [f"zoo: error: {line}"]
    assert [path.name for path in tmp_path.iterdir()] == ["list.txt"]


def test_help_needs_no_extra():
    done = hidden([*PACKAGES, "torch", "PIL", "numpy"], "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for words in (
        "--val-fraction FRACTION",
        "parallel connections (32)",
        "(32M)",
        "(50,000,000)",
        "retries per address (3)",
    ):
        assert words in done.stdout


def test_a_damaged_ledger_is_named_with_its_line(gallery: Gallery, tmp_path: Path, capsys):
    assert collect(listed(tmp_path / "list.txt", *fine(gallery, 1, 2)), "-o", tmp_path / "out", *QUICK) == 0
    path = tmp_path / "out" / "ledger.jsonl"
    path.write_text(path.read_text().replace('"status"', '"state"', 1))
    assert collect("--resume", tmp_path / "out") == 2
    assert "ledger.jsonl, line 1" in capsys.readouterr().err


def test_settings_of_a_stranger_are_checked(gallery: Gallery, tmp_path: Path, capsys):
    assert collect(listed(tmp_path / "list.txt", *fine(gallery, 1)), "-o", tmp_path / "out", *QUICK) == 0
    path = tmp_path / "out" / ".collect" / "settings.json"
    whole = json.loads(path.read_text())
    for options in ({"delay": "slow"}, {"connections": None}, {"limit": [1]}, {"nosuch": 1}, {"near": 2.5}, "x"):
        path.write_text(json.dumps({**whole, "options": options}))
        assert collect("--resume", tmp_path / "out") == 2, options
        error, way_out = capsys.readouterr().err.splitlines()
        assert "settings.json" in error
        assert way_out == "correct it, or delete it and give SOURCE and options again"
    path.unlink()
    gallery.requests.clear()
    assert collect("--resume", tmp_path / "out") == 2
    assert capsys.readouterr().err.endswith(f"start one with zoo collect SOURCE -o {tmp_path / 'out'}\n")
    assert collect(tmp_path / "list.txt", "-o", tmp_path / "out", *QUICK) == 0
    assert statuses(tmp_path / "out") == ["saved"]
    assert not gallery.asked("GET", "fine"), "what is there was known"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--near", "x"], "--near: must be a whole number or off, not 'x'"),
        (["--max-bytes", "x"], "--max-bytes: must be such as 500K or 20M, not 'x'"),
        (["--limit", "1.5"], "--limit: must be a whole number, not '1.5'"),
        (["--delay", "x"], "--delay: must be a number, not 'x'"),
        (["--timeout", "nan"], "--timeout must be between 0.1 and 3600, not nan"),
        (["--contact", "a\nb"], "--contact or ZOO_CONTACT must be one line without control characters, not 'a"),
    ],
)
def test_wrong_values_are_told_in_words(tmp_path: Path, capsys, options: list[str], told: str):
    assert collect(listed(tmp_path / "list.txt", "http://127.0.0.1:9/x.jpg"), "-o", tmp_path / "out", *options) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_recipe_of_pictures_takes_a_collection(gallery: Gallery, tmp_path: Path):
    from zoo.data import HomographyPairs, PictureCrops, SuperResolutionPairs

    out = tmp_path / "out"
    assert (
        collect(listed(tmp_path / "list.txt", *fine(gallery, *range(60))), "-o", out, *QUICK, "--val-fraction", 0.2)
        == 0
    )
    by_split = dict.fromkeys(("train", "val", "test"), 0)
    for record in ledger(out):
        by_split[record["split"]] += 1
    for data in (HomographyPairs(out), PictureCrops(out, held_out_pictures=60), SuperResolutionPairs(out)):
        assert {split: len(data.names(split)) for split in by_split} == by_split


def test_addresses_that_no_server_could_have(gallery: Gallery, tmp_path: Path):
    source = tmp_path / "list.jsonl"
    odd = ["http://xn--/x.jpg", gallery.endpoint + "/fine/\ud800.jpg", gallery.endpoint + "/a/../private/1.jpg"]
    source.write_text("".join(json.dumps({"url": url}) + "\n" for url in [*odd, *fine(gallery, 1)]))
    gallery.fault("GET", "/fine/1.jpg", Redirect("http://xn--/y.jpg"))
    gallery.fault("GET", "/fine/2.jpg", Status(503, {"Retry-After": "9" * 400}))
    assert collect(source, "-o", tmp_path / "out", *QUICK) in (0, 2)
    assert statuses(tmp_path / "out")[0] == "blocked"
    assert statuses(tmp_path / "out")[2:] == ["forbidden", "blocked"]
    assert collect(listed(tmp_path / "list.txt", *fine(gallery, 2)), "-o", tmp_path / "other", *QUICK) == 2
    assert statuses(tmp_path / "other") == ["failed"]


def test_a_crawl_delay_beyond_patience_closes_the_host(tmp_path: Path):
    with Gallery("User-agent: *\nCrawl-delay: 1000000000\n") as server:
        source = listed(tmp_path / "list.txt", *fine(server, 1, 2))
        assert collect(source, "-o", tmp_path / "out", *QUICK) == 2
        assert statuses(tmp_path / "out") == ["forbidden"] * 2
        assert "1e+09 s between requests" in ledger(tmp_path / "out")[0]["reason"]


def test_rules_without_end_are_read_from_their_beginning(tmp_path: Path):
    with Gallery("# \n" * 600_000) as server:
        assert collect(listed(tmp_path / "list.txt", *fine(server, 1)), "-o", tmp_path / "out", *QUICK) == 0


def test_leave_for_private_networks_is_given_each_time(gallery: Gallery, tmp_path: Path, capsys):
    source, out = listed(tmp_path / "list.txt", *fine(gallery, 1, 2)), tmp_path / "out"
    assert collect(source, "-o", out, "--limit", 1, *QUICK) == 0
    gallery.requests.clear()
    settings = json.loads((out / ".collect/settings.json").read_text())
    assert "allow_private" not in settings["options"]
    for options in (settings["options"], {**settings["options"], "allow_private": True}):  # also as a zoo once kept it
        (out / ".collect/settings.json").write_text(json.dumps({**settings, "options": options}))
        assert collect("--resume", out, "--limit", 2) == 0
        assert statuses(out) == ["saved", "blocked"]
    assert not gallery.requests
    command = capsys.readouterr().out.rpartition("Private:  1 left out  (zoo ")[2].rstrip(")\n")
    assert command == f"collect --resume {out} --allow-private"
    assert main.main(command.split()) == 0
    assert statuses(out) == ["saved", "saved"]
    assert "Private:" not in capsys.readouterr().out


def test_the_advice_about_private_addresses_helps(gallery: Gallery, tmp_path: Path, capsys):
    """However often it was tried without, by the list again or not, and where a thumbnail is concerned."""
    source, out = tmp_path / "list.csv", tmp_path / "out"
    source.write_text(f"url,thumbnail\n{gallery.endpoint}/fine/1.jpg,\nftp://x/1.jpg,{gallery.endpoint}/fine/2.jpg\n")
    options = ["--delay", "0", "--contact", "tests", "--retries", "0"]
    for arguments in ([source, "-o", out], [source, "-o", out], ["--resume", out], ["--resume", out, "--retry-failed"]):
        assert collect(*arguments, *options) == 2
        error, command = capsys.readouterr().err.splitlines()[-2:]
        assert error == "zoo: error: no picture from 2 addresses; most often: 127.0.0.1 is not a public address"
        assert command == f"zoo collect --resume {out} --allow-private"
    assert main.main(command.split()[1:]) == 0
    assert statuses(out) == ["saved", "thumbnail"]
    assert "Private:" not in capsys.readouterr().out


def test_a_collection_that_never_asked_says_so(gallery: Gallery, tmp_path: Path, capsys):
    source, out = listed(tmp_path / "list.txt", *fine(gallery, 1)), tmp_path / "out"
    assert collect(source, "-o", out, "--retry-failed", *QUICK) == 2  # nothing failed yet
    error, way_out = capsys.readouterr().err.splitlines()[-2:]
    assert error == "zoo: error: no picture from 1 addresses: none was requested yet"
    assert way_out.startswith("leave out --retry-failed")
    assert collect(source, "-o", out, *QUICK) == 0


def test_a_host_that_puts_everything_off_is_given_up(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.collect.hosts.SLOWEST", 0.05)
    gallery.fault("GET", "/fine/", Status(429, {"Retry-After": "0"}), times=1000)
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(30)))
    assert collect(source, "-o", tmp_path / "out", *QUICK, "--retries", 1) == 2
    assert statuses(tmp_path / "out") == ["failed"] * 30
    assert "the server refused 10 addresses in a row" in ledger(tmp_path / "out")[29]["reason"]
    assert len(gallery.asked("GET", "fine")) <= 2 * 10 + 4


def test_an_error_of_the_disk_ends_the_run(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from zoo.collect.ledger import Ledger

    def full(self: Ledger, record: dict[str, Any]) -> None:
        raise OSError(28, "No space left on device", str(self.path))

    monkeypatch.setattr(Ledger, "append", full)
    addresses = ["ftp://127.0.0.1/x.jpg", *fine(gallery, *range(9))]
    assert collect(listed(tmp_path / "list.txt", *addresses), "-o", tmp_path / "out", *QUICK) == 2


def test_a_collection_killed_before_it_began_begins(gallery: Gallery, tmp_path: Path):
    (tmp_path / "out" / ".collect" / "parts").mkdir(parents=True)
    (tmp_path / "out" / "ledger.jsonl").touch()
    assert collect(listed(tmp_path / "list.txt", *fine(gallery, 1)), "-o", tmp_path / "out", *QUICK) == 0


def test_labels_keep_their_folders(gallery: Gallery, tmp_path: Path):
    source = tmp_path / "list.jsonl"
    rows = [("CAT", "/shaky/1.jpg"), ("cat", "/fine/2.jpg")]
    source.write_text(
        "".join(json.dumps({"url": gallery.endpoint + path, "label": label}) + "\n" for label, path in rows)
    )
    out = tmp_path / "out"
    assert collect(source, "-o", out, *QUICK) == 0
    for _ in range(2):
        assert collect("--resume", out, "--retry-failed", "--allow-private") == 0
    before = {record["label"]: record["file"].split("/")[1] for record in ledger(out)}
    for label, path in rows:
        more = listed(tmp_path / f"{label}.txt", f"{gallery.endpoint}{path}?again={label}".replace("shaky", "fine/x"))
        assert collect(more, "-o", out, "--label", label, "--allow-private") == 0
    assert {(record["label"], record["file"].split("/")[1]) for record in ledger(out)} == set(before.items())


def test_a_link_in_the_folder_leads_nowhere(gallery: Gallery, tmp_path: Path, capsys):
    out, outside = tmp_path / "out", tmp_path / "outside"
    source = listed(tmp_path / "list.txt", *fine(gallery, *range(9)))
    assert collect(source, "-o", out, "--limit", 1, *QUICK) == 0
    outside.mkdir()
    for split in ("train", "val", "test"):
        (out / split).rename(tmp_path / split)
        (out / split).symlink_to(outside)
    assert collect("--resume", out, "--limit", 9, "--label", "x", "--allow-private") == 2
    assert "leads out of" in capsys.readouterr().err
    assert not any(outside.iterdir())
