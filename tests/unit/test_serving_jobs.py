"""The queue of jobs, with programs that misbehave; and what is offered of models."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from starlette.responses import PlainTextResponse

from serving import processes
from zoo.base.errors import ZooError
from zoo.base.registry import architectures
from zoo.commands import serve
from zoo.commands.offers import offer, read_fixed
from zoo.exports.demo import runtime, site
from zoo.models.fast_style.blend import weights_of
from zoo.serving import jobs as serving
from zoo.serving import pages
from zoo.serving.guard import Guard
from zoo.serving.job import Job
from zoo.serving.jobs import Jobs
from zoo.serving.limits import Limits, RefusedError
from zoo.serving.offer import Field, Offer

OFFER = Offer("tiny", "tiny.onnx", "a task", "a sentence", ("picture",))
pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc to look for processes in")

PROGRAMS = {
    "quick": 'print(\'{"doing": "Parts", "done": 1, "total": 2}\'); out.mkdir(); (out / "a.png").write_bytes(b"png")',
    "stubborn": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); "
        "time.sleep(60)', str(out)])\n"
        'print(\'{"doing": "Parts", "done": 1, "total": 2}\', flush=True); time.sleep(60)'
    ),
    "babbling": 'print("x" * 300000); print("[1]"); print("{"); out.mkdir(); (out / "a.json").write_text("{}")',
    "killed": "import os; os.kill(os.getpid(), 9)",
    "failing": 'print("zoo: error: " + sys.argv[4] + ": too dark\\nuse a lamp", file=sys.stderr); sys.exit(2)',
    "faulty": 'print("zoo: bug: ValueError: x", file=sys.stderr); sys.exit(70)',
    "empty": "",
}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a small program the one that jobs run."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")

    def choose(name: str) -> None:
        start = "import pathlib, signal, subprocess, sys, time\nout = pathlib.Path(sys.argv[-1])\n"
        (tmp_path / f"program_{name}.py").write_text(start + PROGRAMS[name])
        monkeypatch.setattr(serving, "PROGRAM", f"program_{name}")

    return choose


def run(work: Callable[[Jobs], Coroutine[Any, Any, None]], folder: Path, **limits: Any) -> None:
    """Does some work with jobs, and checks that nothing of them is left."""
    place = folder / "jobs"
    place.mkdir()

    async def main() -> None:
        jobs = Jobs(place, Limits(**limits), lambda _: None)
        try:
            await asyncio.wait_for(work(jobs), 20)
        finally:
            await jobs.close()

    asyncio.run(main())
    assert not list(place.iterdir())
    assert not processes(place)


def begin(jobs: Jobs, client: str = "a") -> Job:
    job = jobs.begin(OFFER, [], {"picture": "cat.png"}, client)
    job.files["picture"].path.write_bytes(b"x")
    jobs.enqueue(job)
    return job


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_a_process_that_does_not_want_to_end_is_ended_with_all_that_it_started(program, tmp_path: Path):
    program("stubborn")

    async def work(jobs: Jobs) -> None:
        job = begin(jobs)
        await until(lambda: job.doing)
        assert len(processes(job.folder)) == 2
        start = time.monotonic()
        await jobs.remove(job)
        assert time.monotonic() - start < 0.3
        assert not processes(job.folder)
        assert not job.folder.exists()
        assert job.state == "stopped"

    run(work, tmp_path)


def test_a_job_that_takes_too_long_is_ended(program, tmp_path: Path):
    program("stubborn")

    async def work(jobs: Jobs) -> None:
        job = begin(jobs)
        await until(lambda: job.over)
        assert (job.state, job.text) == ("failed", "Ended after 0 minutes, the longest time here.")
        assert not processes(job.folder)

    run(work, tmp_path, seconds=1)


def test_jobs_wait_for_their_turn_and_know_their_place(program, tmp_path: Path):
    program("stubborn")

    async def work(jobs: Jobs) -> None:
        first, second, third = begin(jobs), begin(jobs), begin(jobs)
        await until(lambda: first.doing)
        assert [job.snapshot()["place"] for job in (first, second, third)] == [0, 1, 2]
        version = third.version
        await jobs.remove(second)
        assert third.place == 1
        assert third.version > version  # so that its page hears of it
        await jobs.remove(first)
        await until(lambda: third.doing)
        assert (third.state, third.place) == ("working", 0)
        program("quick")
        fourth = begin(jobs)
        await jobs.remove(third)
        await until(lambda: fourth.over)
        assert fourth.results == {"a.png": 3}
        assert not fourth.inputs.exists()

    run(work, tmp_path)


@pytest.mark.parametrize(
    ("name", "state", "text"),
    [
        ("babbling", "done", ""),
        ("killed", "failed", "The job was ended by the system, most likely because memory ran out."),
        ("failing", "failed", "cat.png: too dark\nuse a lamp"),
        ("faulty", "failed", "The job failed by a fault of the program; the server's log says more."),
        ("empty", "failed", "The job failed by a fault of the program; the server's log says more."),
    ],
)
def test_each_end_of_a_process_has_a_sentence(program, name: str, state: str, text: str, tmp_path: Path):
    program(name)

    async def work(jobs: Jobs) -> None:
        job = begin(jobs)
        await until(lambda: job.over)
        assert (job.state, job.text) == (state, text)

    run(work, tmp_path)


def test_results_uploads_and_jobs_that_nobody_watches_expire(program, tmp_path: Path):
    program("quick")

    async def work(jobs: Jobs) -> None:
        sweeping = asyncio.create_task(jobs.sweep(0.02))
        done, slow = begin(jobs), jobs.begin(OFFER, [], {"picture": "a.png"}, "b")
        slow.watchers = 1
        await until(lambda: done.over)
        assert done.folder.exists()
        await until(lambda: not done.folder.exists() and not slow.folder.exists())
        with pytest.raises(RefusedError, match="expired"):
            jobs.get(done.id)
        program("stubborn")
        watched, left = begin(jobs), begin(jobs)
        watched.watchers = 1
        await until(lambda: left.state == "stopped" and not left.folder.exists())
        assert watched.state == "working"
        sweeping.cancel()

    run(work, tmp_path, keep=0.5, patience=0.3, running=2)


def test_jobs_and_results_are_limited_in_number(program, tmp_path: Path):
    program("quick")

    async def work(jobs: Jobs) -> None:
        for client in "abc":
            jobs.begin(OFFER, [], {"picture": "a.png"}, client)
        with pytest.raises(RefusedError) as refused:
            jobs.begin(OFFER, [], {"picture": "a.png"}, "d")
        assert (refused.value.status, refused.value.told) == (503, "3 jobs are waiting here already: try again later.")
        await jobs.close()
        made = [begin(jobs, client) for client in "abc"]
        await until(lambda: all(job.over for job in made))
        sweeping = asyncio.create_task(jobs.sweep(0.02))
        await until(lambda: sum(job.folder.exists() for job in made) == 1)
        sweeping.cancel()

    run(work, tmp_path, unfinished=3, finished=1)


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("zoo: error: {0}/in/picture.png: damaged\nzoo: note", ["my cat.png: damaged", "note"]),
        ("/lib/x.py:3: Warning: odd\nzoo: error: /home/me/vgg.pt: no such file", ["vgg.pt: no such file"]),
        ("zoo: error: see https://a.example/b/c, 3/4 and a/b", ["see https://a.example/b/c, 3/4 and a/b"]),
        ("zoo: error: C:\\models\\a.onnx: refused\ntake another", ["a.onnx: refused\ntake another"]),
        ("zoo: error: 1\n2\n3\n4", ["1\n2\n3"]),
    ],
)
def test_what_a_process_says_names_no_folder_of_the_server(printed: str, told: list[str], tmp_path: Path):
    job = Job(OFFER, [], "a", tmp_path, {"picture": "my cat.png"})
    assert job.told(printed.format(job.folder)) == told


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("make the picture smaller: --size 384 or size=384", "make the picture smaller: size 384"),
        ("64x51 pixels; --size makes it larger", "64x51 pixels; the option size makes it larger"),
        ("confirm with --yes or yes=True", "confirm with --yes or yes=True"),  # no field of the page
    ],
)
def test_what_a_process_says_is_in_the_words_of_the_page(printed: str, told: str, tmp_path: Path):
    offer = dataclasses.replace(OFFER, fields=(Field("size", "number", ""),))
    assert Job(offer, [], "a", tmp_path, {}).told(f"zoo: {printed}") == [told]


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        (Field("size", "number", "", low=1, high=64, whole=True), 8, "--size=8"),
        (Field("size", "number", "", low=1, high=64, whole=True), 65, None),
        (Field("size", "number", "", low=1, whole=True), 10**400, None),
        (Field("size", "number", "", low=1, whole=True), 1.5, None),
        (Field("size", "number", "", low=1, whole=True), True, None),
        (Field("size", "number", "", low=1, whole=True), "8", None),
        (Field("strength", "number", "", low=0, high=1), 0.5, "--strength=0.5"),
        (Field("strength", "number", "", low=0, high=1), float("nan"), None),
        (Field("start", "choice", "", ("noise",)), "noise", "--start=noise"),
        (Field("start", "choice", "", ("noise",)), "--yes", None),
        (Field("style", "blend", "", ("a", "b")), "b", "--style=b"),
        (Field("style", "blend", "", ("a", "b")), {"a": 0.25, "b": 0.75}, "--style={a: 0.25, b: 0.75}"),
        (Field("style", "blend", "", ("a", "b")), {"a": 0.25, "c": 0.75}, None),
        (Field("style", "blend", "", ("a", "b")), {"a": 0, "b": 0}, None),
        (Field("style", "blend", "", ("a", "b")), {"a": -1, "b": 1}, None),
        (Field("style", "blend", "", ("a", "b")), {"a": float("nan"), "b": 1}, None),
        (Field("style", "blend", "", ("a", "b")), {"a": True}, None),
        (Field("style", "blend", "", ("a", "b")), {}, None),
        (Field("style", "blend", "", ("a", "b")), ["a", "b"], None),
        (Field("grey", "tick", ""), True, "--grey"),
        (Field("grey", "tick", ""), "yes", None),
        (Field("size", "text", "", ("original",)), "-o /", "--size=-o /"),  # one word, so that it stays a value
        (Field("size", "text", ""), "a\nb", None),
        (Field("size", "text", ""), "x" * 201, None),
    ],
)
def test_values_of_options_become_one_word_or_are_refused(field: Field, value: object, word: str | None):
    if word is not None:
        assert field.word(value) == word
        return
    with pytest.raises(RefusedError, match=f"The option {field.name} must be "):
        field.word(value)


def test_an_empty_field_is_left_out_unless_the_server_has_its_own_default():
    assert Field("size", "number", "", default="3").word("") is None
    assert Field("size", "number", "", default="3", preset=True).word("") == "--size=3"


@pytest.mark.parametrize("name", [name for each in architectures().values() for name in each.weights[:1]])
def test_no_option_that_takes_a_path_is_offered(name: str):
    found = offer(name, {}, None)
    offered = {field.name for field in found.fields}
    assert not offered & {"vgg", "yes", "tile", "output", "device", "engine", "overwrite", *found.pictures}
    assert all(field.help for field in found.fields)
    assert name in found.command({slot: Path("a.png") for slot in found.inputs}, [], Path("out"))
    assert "model" not in found.to_dict()


def test_neural_style_is_offered_with_its_style_and_previews():
    found = offer("neural_style", read_fixed(["vgg=null", "size=64"], ["neural_style"]), "cpu")
    assert (found.inputs, found.needed, found.video) == (("content",), ("style",), False)
    assert "--preview-every=10" in found.words({})
    assert found.fixed == ("--vgg=null", "--size=64", "--device=cpu")
    with pytest.raises(RefusedError, match="no option size"):
        found.words({"size": 1000})
    with pytest.raises(RefusedError, match="needs a file for style"):
        found.slots({"content": "a.png"})
    words = found.command({"content": Path("c.png"), "style": Path("s.png")}, [], Path("out"))
    assert words == ["predict", "neural_style", "c.png", "-o", "out", *found.fixed, "--style=s.png"]


def test_fast_style_is_offered_with_the_names_of_its_styles_and_video():
    found = offer("fast_style", {}, None)
    (style,) = (field for field in found.fields if field.name == "style")
    assert style.kind == "blend"
    assert "starry_night" in style.choices
    (word,) = found.words({"style": {"starry_night": 0.5, "scream": 0.5}})
    assert weights_of(yaml.safe_load(word.partition("=")[2]), style.choices).max() == 0.5
    assert found.video
    assert list(found.pictures) == ["mask"]
    assert not found.needed


def test_a_model_that_does_not_exist_is_named():
    with pytest.raises(ZooError, match="no model 'nothing'"):
        offer("nothing", {}, None)


@pytest.mark.parametrize(
    ("host", "names", "headers", "status"),
    [
        ("127.0.0.1", [], {"host": "demo.example.org"}, 403),
        ("127.0.0.1", ["Demo.example.org"], {"host": "demo.example.org"}, 200),
        ("127.0.0.1", ["demo.example.org"], {"host": "127.0.0.1:8000", "origin": "https://demo.example.org"}, 200),
        ("127.0.0.1", ["demo.example.org"], {"host": "127.0.0.1:8000", "origin": "https://example.org"}, 403),
        ("0.0.0.0", [], {"host": "192.0.2.7:8000", "origin": "http://192.0.2.7:8000"}, 200),
        ("0.0.0.0", [], {"host": "192.0.2.7:8000", "origin": "http://192.0.2.8:8000"}, 403),
        ("0.0.0.0", [], {"host": "demo.example.org"}, 403),
        ("192.0.2.7", [], {"host": "[2001:db8::1"}, 403),
    ],
)
def test_a_server_goes_by_its_own_names_only(host: str, names: list[str], headers: dict[str, str], status: int):
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/jobs"}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(Guard(PlainTextResponse("fine"), host, names)(scope, None, send))
    assert sent[0]["status"] == status


def test_the_pages_link_to_each_other_and_to_no_other_site(tmp_path: Path):
    site.write([], {}, tmp_path / "site", lambda _: None)
    strange = Offer(
        "my #1 <b>", "m.onnx", "a task", "a sentence", ("picture",), fields=(Field("grey", "tick", "a help"),)
    )
    pages.write([OFFER, strange], tmp_path / "site", Limits(), {"tiny"})
    (tmp_path / "site" / "tiny.html").write_text("")  # that of zoo demo
    index = (tmp_path / "site" / "index.html").read_text()
    assert index.count("Run on the server") == 2
    assert index.count("Run in the browser") == 1
    for page in (tmp_path / "site" / "index.html", *(tmp_path / "site" / "run").glob("*.html")):
        text = page.read_text()
        assert "$" not in text
        assert "<b>" not in text
        for target in re.findall(r'(?:src|href|data-model)="(?!data:)([^"]+)"', text):
            assert (page.parent / unquote(target)).is_file(), target
    for script in (tmp_path / "site" / "run").iterdir():
        assert not re.findall(r"https?://", script.read_text())
        for target in re.findall(r'from "(\.[^"]+)"', script.read_text()):
            assert (script.parent / target).is_file(), target
    assert max(path.read_text().count("\n") for path in pages.PAGE.iterdir()) <= 300


def test_without_the_runtime_of_browsers_the_server_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def offline(*_: object) -> None:
        raise ZooError("onnxruntime-web is not in the cache\nfetch it")

    monkeypatch.setattr(runtime, "find", offline)
    models = ["linknet", "linknet_camvid", "neural_style"]
    assert serve._write_site(models, None, tmp_path / "site") == set()
    told = "no pages that run in the browser: onnxruntime-web is not in the cache\n"
    assert capsys.readouterr().err == told
    assert (tmp_path / "site" / "page" / "style.css").is_file()
    with pytest.raises(ZooError, match="not in the cache"):  # the operator named it
        serve._write_site(models, tmp_path, tmp_path / "other")


def test_the_server_imports_no_torch(tmp_path: Path):
    code = "import sys, zoo.serving.app, zoo.serving.run, zoo.serving.pages; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0
