"""A server of ``zoo demo --serve`` in a process of its own, and clients of it."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image


@dataclass
class Answered:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def told(self) -> str:
        """The sentence of a refusal."""
        return self.json["error"]


class Served:
    """A running server in a context manager; leaving it checks that nothing is left.

    Args:
        folder: folder for its temporary files.
        words: models and options.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        command = [sys.executable, "-m", "zoo.commands.main", "demo", "--serve", *words]
        self.process = subprocess.Popen(
            command if "--port" in words else [*command, "--port", "0"], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), line
        self.address = line.split()[0].rstrip("/")
        self.port = urlsplit(self.address).port

    def __enter__(self) -> Served:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        code = self.end(signal.SIGTERM)
        if kind is None:
            assert code == 0
            assert not self.left()

    def end(self, number: signal.Signals) -> int:
        """Sends a signal and gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    @property
    def jobs(self) -> Path:
        """The folder with the folders of jobs."""
        (found,) = self.temporary.glob("zoo-demo-*/jobs")
        return found

    def left(self) -> list[str]:
        """What is left of the server: processes of jobs, and files."""
        return [*processes(self.temporary), *(str(path) for path in self.temporary.iterdir())]

    def connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        """Makes a request; a mapping is sent as JSON, and ``X_Y="z"`` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, Mapping):
            body, named = json.dumps(body), {"Content-Type": "application/json", **named}
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answered(response.status, response.read(), dict(response.getheaders()))

    def begin(
        self,
        model: str,
        files: Mapping[str, tuple[str, bytes]],
        options: Mapping[str, Any] | None = None,
        **headers: str,
    ) -> str:
        """Begins a job, sends its files, and gives its id."""
        asked = {"model": model, "options": options or {}, "files": {slot: name for slot, (name, _) in files.items()}}
        answer = self.ask("POST", "/api/jobs", asked, **headers)
        assert answer.status == 201, answer.body
        for slot, (_, content) in files.items():
            sent = self.ask("PUT", f"/api/jobs/{answer.json['id']}/files/{slot}", content, **headers)
            assert sent.status == 204, sent.body
        return answer.json["id"]

    def events(self, job: str) -> Iterator[dict[str, Any]]:
        """The states of a job, until it is over."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", f"/api/jobs/{job}/events")
            for line in connection.getresponse():
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def finished(self, job: str) -> dict[str, Any]:
        """The last state of a job."""
        return list(self.events(job))[-1]

    def visitor(self) -> str:
        """A cookie as a browser gets it."""
        return self.ask("GET", "/").headers["set-cookie"].partition(";")[0]


def png(width: int, height: int, mode: str = "RGB", seed: int | None = None) -> bytes:
    """A picture of one colour, or of noise."""
    buffer = io.BytesIO()
    picture = Image.new(mode, (width, height))
    if seed is not None:
        picture = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def write_export(model: Path, path: Path) -> Path:
    """What ``zoo export`` writes of a model, without comparing it on every runtime: its jobs need no torch."""
    from zoo.exports import convert, metadata
    from zoo.exports.settings import Settings
    from zoo.exports.subject import Subject

    subject = Subject.load(model, Settings("onnx"))
    graph = convert.to_onnx(subject.net, subject.example, "torchscript", None)
    shapes = convert.named_shapes(subject.net, subject.example, None)
    path.write_bytes(metadata.describe(graph, metadata.of_model(subject, "torchscript"), shapes))
    return path


def processes(folder: Path) -> list[str]:
    """Command lines of running processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            line = path.read_bytes()
            if os.fsencode(folder) in line:
                found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def soon(condition: Any, seconds: float = 5.0) -> float:
    """Waits until a function returns something true; gives the seconds that it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it did not become true"
        time.sleep(0.01)
    return time.monotonic() - start
