"""What goes wrong on this side of the connection, each in a line or two that names it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.files import read_json
from zoo.commands import main
from zoo.hub import cache, client, locate

REPO = "someone/linknet-mine"
COMMIT = "0123456789" * 4


@pytest.fixture
def published(hub: Any, tiny_linknet: Path) -> str:
    return hub.put(REPO, {path.name: path.read_bytes() for path in tiny_linknet.iterdir()})


def zoo(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and error of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "zoo.commands.main", *arguments],
        capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SSL_CERT_FILE": "/nonexistent"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": __file__}, "SSL_CERT_FILE"),
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "ALL_PROXY"),
        ({"HTTP_PROXY": "foo://me:secret@127.0.0.1:9"}, "HTTP_PROXY"),
        ({"HF_ENDPOINT": "http://["}, "HF_ENDPOINT is not a URL"),
        ({"HF_ENDPOINT": "http://127.0.0.1:99999"}, "HF_ENDPOINT is not a URL"),
    ],
)
@pytest.mark.parametrize("command", [["info", REPO], ["list", "--remote", "someone"]])
def test_settings_that_are_wrong(hub: Any, command: list[str], environment: dict[str, str], message: str):
    code, error = zoo(*command, **environment)
    assert code == 2
    assert message in error
    assert error.count("\n") <= 2
    assert "secret" not in error
    assert "is out of reach" not in error


def test_a_password_is_not_shown(hub: Any):
    code, error = zoo("info", REPO, HF_ENDPOINT="http://me:secret@127.0.0.1:9")
    assert (code, "is out of reach" in error, "secret" in error) == (2, True, False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EACCES])
def test_a_disk_that_takes_no_more_is_no_trouble_of_the_connection(
    hub: Any, published: str, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from huggingface_hub import HfApi

    def full(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))  # as where a file that is open is written to

    monkeypatch.setattr(HfApi, "hf_hub_download", full)
    assert main.main(["pull", REPO]) == 2
    error = capsys.readouterr().err
    assert f"cannot write to {os.environ['HF_HOME']}/hub: {os.strerror(number)}" in error
    assert "out of reach" not in error


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_connection_the_cache_is_pulled_and_bundled(
    hub: Any, published: str, offline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    assert main.main(["pull", REPO]) == 0
    if offline:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    else:
        hub.__exit__(None, None, None)
    capsys.readouterr()
    assert main.main(["pull", REPO, "--to", str(tmp_path / "copy")]) == 0
    out, error = capsys.readouterr()
    assert published in out
    assert f"is out of reach; using {REPO}@{published[:7]} of the cache" in error
    assert main.main(["bundle", REPO, "-o", str(tmp_path / "carried.zip")]) == 0
    assert not load(tmp_path / "carried.zip").training


def test_without_a_connection_nothing_is_listed(hub: Any, capsys: pytest.CaptureFixture[str]):
    hub.__exit__(None, None, None)
    assert main.main(["list", "--remote", "someone"]) == 2
    error = capsys.readouterr().err
    assert "is out of reach" in error
    assert "bundle" not in error
    assert "cache" not in error


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"main\n", b"../../x"])
def test_a_damaged_record_is_asked_for_again(hub: Any, published: str, content: bytes):
    load(REPO)
    record = client.home() / "hub" / REPO.replace("/", "--") / "main.json"
    assert read_json(record)["commit"] == published
    record.write_bytes(content)
    assert locate.find(REPO).commit == published
    assert read_json(record)["commit"] == published


@pytest.mark.parametrize(
    "files", ["{}", "[]", '{"a": 5}', '{"a": {"size": "5", "blob": "x"}}', '{"a": {"size": 5}}', '{"a": {"sise": 5}}']
)
@pytest.mark.parametrize("commit", [COMMIT, "main", 5])
def test_a_damaged_record_is_none(tmp_path: Path, files: str, commit: str):
    (tmp_path / "main.json").write_text(f'{{"commit": {json.dumps(commit)}, "files": {files}}}')
    assert cache.recall(tmp_path, "main") is None


def test_a_commit_may_be_shortened_where_that_is_clear(tmp_path: Path):
    files = {"a": cache.Listed(5, "x")}
    cache.keep(tmp_path, f"{COMMIT[:8]}-branch", COMMIT, files)
    assert cache.recall(tmp_path, COMMIT[:8]) == cache.recall(tmp_path, COMMIT) == (COMMIT, files)
    assert cache.recall(tmp_path, "main") is None
    cache.keep(tmp_path, "main", f"{COMMIT[:-1]}f", files)
    assert cache.recall(tmp_path, COMMIT[:8]) is None
    assert cache.recall(tmp_path, COMMIT) == (COMMIT, files)


def test_a_file_that_another_has_mended_is_not_removed(hub: Any, published: str, monkeypatch: pytest.MonkeyPatch):
    """Two find the same damage; the slower of them must not take away what the faster has fetched."""
    load(REPO)
    snapshot = locate.find(REPO)
    (snapshot.folder / "model.safetensors").resolve().write_bytes(b"damaged")
    real, both = cache.Listed.difference, threading.Barrier(2)

    def seen(self: cache.Listed, path: Path) -> str:
        found = real(self, path)
        if found and not threading.current_thread().__dict__.get("waited"):
            threading.current_thread().__dict__["waited"] = True
            both.wait()
        return found

    monkeypatch.setattr(cache.Listed, "difference", seen)
    before, errors = len(hub.asked("GET", "/lfs/")), []

    def fetch() -> None:
        try:
            assert snapshot.file("model.safetensors", 1 << 30).stat().st_size > 1000
        except (ZooError, OSError, AssertionError) as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(hub.asked("GET", "/lfs/")) == before + 1
