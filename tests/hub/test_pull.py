"""Models of other people: found, fetched, verified, kept, and loaded again without a connection."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from loopback import Cut, Other, Redirect, Slow, Stall, Status
from zoo import load
from zoo.base import files
from zoo.base.errors import ZooError
from zoo.commands import main
from zoo.hub import archive, locate

REPO = "someone/linknet-mine"
WEIGHTS = r"/resolve/.*model\.safetensors|/lfs/"
NO_SOCKETS = """
import sys
def refuse(event, arguments):
    if event.startswith("socket."):
        raise RuntimeError(f"{event} {arguments}")
sys.addaudithook(refuse)
from zoo.commands import main
sys.exit(main.main(sys.argv[1:]))
"""


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def published(hub: Any, tiny_linknet: Path) -> str:
    """A model of somebody's on the Hub; the id of its commit."""
    return hub.put(REPO, contents_of(tiny_linknet))


@pytest.fixture
def changed(tiny_linknet: Path) -> dict[str, bytes]:
    """The same files with another description."""
    config = json.loads((tiny_linknet / "config.json").read_text())
    return {**contents_of(tiny_linknet), "config.json": json.dumps({**config, "input": "another"}).encode()}


def same(net: Any, folder: Path) -> bool:
    want = load(folder).state_dict()
    return all(torch.equal(tensor, want[name]) for name, tensor in net.state_dict().items())


def test_a_model_is_loaded_from_the_hub(hub: Any, published: str, tiny_linknet: Path):
    assert same(load(REPO), tiny_linknet)
    assert len(hub.asked("GET", r"/resolve/.*/config\.json")) == 1
    assert len(hub.asked("GET", "/resolve/|/lfs/")) == 2


def test_what_is_in_the_cache_is_loaded_without_a_connection(hub: Any, published: str, tiny_linknet: Path):
    load(REPO)
    before = len(hub.requests)
    for name in (REPO, f"{REPO}@{published}", f"{REPO}@{published[:7]}"):
        assert same(load(name), tiny_linknet)
    assert len(hub.requests) == before


@pytest.mark.parametrize("offline", [{"HF_HUB_OFFLINE": "1"}, {}])
def test_no_socket_is_opened_for_what_is_bundled_or_cached(hub: Any, published: str, offline: dict[str, str]):
    load(REPO)
    for name in (REPO, "homographynet"):
        done = subprocess.run(
            [sys.executable, "-c", NO_SOCKETS, "info", name],
            capture_output=True,
            text=True,
            env={**os.environ, **offline},
        )
        assert done.returncode == 0, done.stderr
    program = NO_SOCKETS.replace("from zoo.commands import main", "import zoo").replace(
        "main.main(sys.argv[1:])", "not zoo.load(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, REPO], capture_output=True, text=True, env={**os.environ, **offline}
    )
    assert done.returncode == 0, done.stderr


def test_a_branch_stays_at_its_commit_until_it_is_pulled(
    hub: Any, published: str, changed: dict[str, bytes], capsys: Any
):
    load(REPO)
    newer = hub.put(REPO, changed)
    assert locate.find(REPO).commit == published
    assert main.main(["pull", REPO]) == 0
    assert newer in capsys.readouterr().out
    assert locate.find(REPO).commit == newer
    assert locate.find(f"{REPO}@{published[:8]}").commit == published


def test_revisions(hub: Any, published: str, changed: dict[str, bytes]):
    on_branch = hub.put(REPO, changed, branch="next")
    assert locate.find(f"{REPO}@next").commit == on_branch
    assert locate.find(f"{REPO}@{published[:7]}").commit == published
    with pytest.raises(ZooError, match="no such revision"):
        load(f"{REPO}@nothing")


@pytest.mark.parametrize("name", ["a1b2c3d", "0" * 40])
def test_a_branch_is_no_commit(hub: Any, published: str, changed: dict[str, bytes], name: str):
    hub.put(REPO, changed, branch=name)
    with pytest.raises(ZooError, match="refused, on the Hub this is a branch or tag"):
        load(f"{REPO}@{name}")


def test_an_unknown_model(hub: Any):
    with pytest.raises(ZooError, match=r"no model someone/nothing on http://127.*or it is private\n.*hf auth login"):
        load("someone/nothing")


def test_a_private_model_needs_a_token(hub: Any, tiny_linknet: Path, monkeypatch: pytest.MonkeyPatch):
    hub.put("me/secret", contents_of(tiny_linknet), private=True)
    with pytest.raises(ZooError, match="or it is private"):
        load("me/secret")
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    assert same(load("me/secret"), tiny_linknet)


def test_a_gated_model(hub: Any, published: str):
    hub.repos[REPO].gated = True
    with pytest.raises(ZooError, match=f"{REPO}: access needs the owner's approval; ask for it on {hub.endpoint}"):
        load(REPO)


def test_a_repository_that_is_no_model(hub: Any):
    hub.put("someone/data", {"README.md": b"data"})
    with pytest.raises(ZooError, match=r"has no config\.json; is it a model of the zoo"):
        load("someone/data")


@pytest.mark.parametrize("times", [1, 3])
def test_a_cut_download_is_resumed(hub: Any, published: str, tiny_linknet: Path, times: int):
    hub.fault("GET", WEIGHTS, Cut(after=5000), times=times)
    assert same(load(REPO), tiny_linknet)


def test_a_cut_download_goes_on_where_it_was_cut(hub: Any):
    folder = locate.find("linknet_camvid").folder
    hub.put(REPO, contents_of(folder))
    hub.fault("GET", WEIGHTS, Cut(after=3_500_000), times=1)
    assert same(load(REPO), folder)
    assert [request.range for request in hub.asked("GET", "/lfs/")] == [None, f"bytes={3 << 20}-"]


def test_a_slow_download_arrives(hub: Any, published: str, tiny_linknet: Path):
    size = (tiny_linknet / "model.safetensors").stat().st_size
    hub.fault("GET", WEIGHTS, Slow(bytes_per_second=size / 2))
    assert same(load(REPO), tiny_linknet)


def test_another_file_than_the_hub_lists_is_refused_and_removed(hub: Any, published: str, tiny_linknet: Path):
    hub.fault("GET", WEIGHTS, Other(b"evil"), times=10)
    with pytest.raises(ZooError, match=r"model\.safetensors was refused and removed, it is not what the Hub lists"):
        load(REPO)
    assert not any(
        b"evilevil" in path.read_bytes() for path in Path(os.environ["HF_HOME"]).rglob("*") if path.is_file()
    )


def test_a_config_that_differs_is_refused(hub: Any, published: str):
    hub.fault("GET", r"config\.json", Other(b"{}  "), times=10)
    with pytest.raises(ZooError, match=r"config\.json was refused and removed"):
        load(REPO)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_in_the_cache_is_named_and_fetched_again(
    hub: Any, published: str, tiny_linknet: Path, damage: str, capsys: pytest.CaptureFixture[str]
):
    load(REPO)
    path = locate.find(REPO).folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.resolve().write_bytes({"flip": content, "cut": content[:-7], "empty": b""}[damage])
    assert same(load(REPO), tiny_linknet)
    assert re.search(r"model\.safetensors: damaged .*fetching it again", capsys.readouterr().err)


def test_a_damaged_file_without_a_connection(hub: Any, published: str, monkeypatch: pytest.MonkeyPatch):
    load(REPO)
    (locate.find(REPO).folder / "model.safetensors").resolve().write_bytes(b"")
    hub.fault("GET", ".", Status(503), times=100)
    hub.fault("HEAD", ".", Status(503), times=100)
    with pytest.raises(ZooError):
        load(REPO)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_refusal_is_one_message(hub: Any, published: str, status: int, capsys: pytest.CaptureFixture[str]):
    hub.fault("GET", "/api/models", Status(status, {"Retry-After": "7"} if status == 429 else {}), times=50)
    assert main.main(["pull", REPO]) == 2
    assert len(hub.requests) <= 6
    error = capsys.readouterr().err
    assert error.startswith("zoo: error: ")
    assert error.count("\n") <= 3
    if status in (403, 500, 503):
        assert f"HTTP {status}" in error


def test_no_network(hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The port is closed; the one message says what to do where there is a network."""
    hub.__exit__(None, None, None)
    assert main.main(["predict", REPO, "x.jpg", "-o", "out"]) == 2
    error = capsys.readouterr().err
    assert "is out of reach" in error
    assert f"zoo bundle {REPO} -o linknet-mine.zip" in error
    assert error.count("\n") == 2


def test_models_that_are_never_listed(hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("zoo.hub.client.TIMEOUT", 0.2)
    hub.fault("GET", "/api/models[?]", Stall(), times=100)
    assert main.main(["list", "--remote", "someone"]) == 2
    assert "is out of reach" in capsys.readouterr().err


def test_offline(hub: Any, published: str):
    program = "import sys; from zoo.commands import main; sys.exit(main.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, "info", REPO],
        capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "HF_HUB_OFFLINE is set" in done.stderr
    assert hub.requests == []


def test_a_token_does_not_follow_a_redirect_elsewhere(
    hub: Any, published: str, monkeypatch: pytest.MonkeyPatch, tiny_linknet: Path
):
    from standin import StandIn

    monkeypatch.setenv("HF_TOKEN", "hf_write")
    with StandIn(tokens={}) as other:
        other.put(REPO, contents_of(tiny_linknet))
        hub.fault("GET", r"/resolve/.*config\.json", Redirect(other.endpoint), times=10)
        with contextlib.suppress(ZooError):
            load(REPO)
        assert all(request.authorization is None for request in other.requests)
    assert any(request.authorization for request in hub.requests)


def test_four_processes_at_once(hub: Any, published: str, tiny_linknet: Path):
    program = "import sys, zoo; print(zoo.load(sys.argv[1]).classifier.bias.sum().item())"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, REPO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    done = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, [error for _, error in done]
    assert {out for out, _ in done} == {f"{load(tiny_linknet).classifier.bias.sum().item()}\n"}


@pytest.mark.parametrize("name", [REPO, "x.zip"])
def test_a_cache_that_cannot_be_written(
    hub: Any, published: str, tiny_linknet: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
):
    archive.pack({path.name: path for path in tiny_linknet.iterdir()}, tmp_path / "x.zip")
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "zoo.commands.main", "info", name],
        capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "HF_HOME": "file", "HF_HUB_CACHE": "file/hub", "HF_TOKEN_PATH": "file/token"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("zoo: error: file/")
    assert done.stderr.count("\n") == 1


def test_too_large_a_file_is_not_fetched(hub: Any, tiny_linknet: Path):
    hub.put(REPO, {**contents_of(tiny_linknet), "model.safetensors": bytes(20 << 20)})
    with pytest.raises(ZooError, match=r"model\.safetensors has 20,971,520 bytes, and at most"):
        load(REPO)
    assert hub.asked("GET", WEIGHTS) == []


def test_a_config_without_end_is_not_fetched(hub: Any, tiny_linknet: Path):
    hub.put(REPO, {**contents_of(tiny_linknet), "config.json": b"[" * (2 << 20)})
    with pytest.raises(ZooError, match=r"config\.json has 2,097,152 bytes"):
        load(REPO)
    assert hub.asked("GET", "/resolve/") == []


def test_a_config_of_a_giant_is_refused_before_its_weights_are_fetched(hub: Any, tiny_linknet: Path):
    config = json.loads((tiny_linknet / "config.json").read_text())
    config |= {"architecture": "fast_style", "arguments": {"channels": 4096, "blocks": 256}}
    hub.put(REPO, {**contents_of(tiny_linknet), "config.json": json.dumps(config).encode()})
    with pytest.raises(ZooError, match="describes a network of"):
        load(REPO)
    assert hub.asked("GET", WEIGHTS) == []


def test_files_that_do_not_belong_are_not_pulled(hub: Any, tiny_linknet: Path, tmp_path: Path):
    hostile = {
        "run.py": b"x",
        "samples/x.svg": b"<svg/>",
        "pytorch_model.bin": b"x",
        ".env": b"x",
        "samples/a.jpg": b"x",
    }
    hostile["other.safetensors"] = b"x" * 1000
    hub.put(REPO, {**contents_of(tiny_linknet), **hostile})
    assert main.main(["pull", REPO, "--to", str(tmp_path / "there")]) == 0
    assert set(contents_of(tmp_path / "there")) == {"config.json", "model.safetensors", "samples/a.jpg"}
    assert not hub.asked("GET", r"run\.py|svg|\.bin|env")


def test_a_link_in_a_repository_is_a_text(hub: Any, tiny_linknet: Path):
    """git keeps a link as a file that holds its target, and the Hub serves that."""
    hub.put(REPO, {**contents_of(tiny_linknet), "config.json": b"../../../../etc/passwd"})
    with pytest.raises(ZooError, match="not JSON"):
        load(REPO)


def test_pull_to_a_folder(
    hub: Any, published: str, tiny_linknet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    there = tmp_path / "there"
    assert main.main(["pull", f"{REPO}@main", "--to", str(there)]) == 0
    assert contents_of(there) == contents_of(tiny_linknet)
    out = capsys.readouterr().out
    assert published in out
    assert hashlib.sha256((there / "model.safetensors").read_bytes()).hexdigest() in out
    assert main.main(["pull", REPO, "--to", str(there)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".there")]


def test_bundle_of_a_hub_model(hub: Any, published: str, tiny_linknet: Path, tmp_path: Path):
    assert main.main(["bundle", REPO, "-o", str(tmp_path / "carried.zip")]) == 0
    assert same(load(tmp_path / "carried.zip"), tiny_linknet)


def test_a_bundled_card_without_weights_names_its_pin(
    hub: Any, published: str, tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "BUNDLED", tmp_path)
    card = tmp_path / "cards" / "linknet_camvid"
    shutil.copytree(tiny_linknet, card)
    (card / "model.safetensors").unlink()
    config = json.loads((card / "config.json").read_text())
    pinned = {**config, "weights": {**config["weights"], "hub": f"{REPO}@{published}"}}
    (card / "config.json").write_text(json.dumps(pinned))
    assert same(load("linknet"), tiny_linknet)
    pinned["weights"]["sha256"] = "0" * 64
    (card / "config.json").write_text(json.dumps(pinned))
    with pytest.raises(ZooError, match="its SHA-256 is not that of"):
        load("linknet")


def test_a_foreign_config_pins_nothing(hub: Any, published: str, tiny_linknet: Path, tmp_path: Path):
    config = json.loads((tiny_linknet / "config.json").read_text())
    config["weights"]["hub"] = REPO
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ZooError, match="no such file"):
        load(tmp_path)
    assert hub.requests == []


def test_list_remote(hub: Any, tiny_linknet: Path, capsys: pytest.CaptureFixture[str]):
    card = b"---\nlibrary_name: lightning-zoo\nlicense: mit\ntags: [lightning-zoo]\n---\n"
    for name in ("linknet-a", "linknet-b", "other"):
        hub.put(f"someone/{name}", {**contents_of(tiny_linknet), "README.md": card})
    hub.put("else/linknet-c", {**contents_of(tiny_linknet), "README.md": card})
    assert main.main(["list", "--remote", "someone", "link*"]) == 0
    out = capsys.readouterr().out
    assert "someone/linknet-a" in out
    assert "someone/linknet-b" in out
    assert "other" not in out
    assert "linknet-c" not in out
    assert main.main(["list", "--remote", "nobody"]) == 2


def test_list_remote_for_business(hub: Any, tiny_linknet: Path, capsys: pytest.CaptureFixture[str]):
    for name, said in {"a": b"commercial_use: 'yes'\n", "b": b"commercial_use: 'no'\n", "c": b""}.items():
        card = b"---\nlibrary_name: lightning-zoo\n" + said + b"tags: [lightning-zoo]\n---\n"
        hub.put(f"someone/{name}", {**contents_of(tiny_linknet), "README.md": card})
    assert main.main(["list", "--remote", "someone", "--json"]) == 0
    told = {each["name"]: each["commercial_use"] for each in json.loads(capsys.readouterr().out)}
    assert told == {"someone/a": "yes", "someone/b": "no", "someone/c": "unclear"}
    assert main.main(["list", "--remote", "someone", "--commercial"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["name", "someone/a"]
    assert main.main(["list", "--remote", "someone", "b", "--commercial"]) == 2


@pytest.mark.parametrize("verb", [["pull", REPO, "--to", "there"], ["bundle", REPO, "-o", "model.zip"]])
def test_the_list_of_sources_goes_along(
    hub: Any, tiny_linknet: Path, verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.chdir(tmp_path)
    hub.put(REPO, {**contents_of(tiny_linknet), "sources.csv": (listed := b"file,blob\na.png,1\nb.png,2\n")})
    assert main.main(["info", REPO]) == 0
    assert "2 pictures" in capsys.readouterr().out
    assert main.main(verb) == 0
    folder = locate.find(verb[-1]).folder
    assert (folder / "sources.csv").read_bytes() == listed


def test_info_of_a_hub_model(hub: Any, published: str, capsys: pytest.CaptureFixture[str]):
    assert main.main(["info", REPO]) == 0
    out = capsys.readouterr().out
    assert f"{REPO} at commit {published}" in out
    assert "weights not fetched yet" in out
    load(REPO)
    assert main.main(["info", REPO]) == 0
    assert "(cached)" in capsys.readouterr().out
