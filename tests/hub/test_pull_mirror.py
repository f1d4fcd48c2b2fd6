"""Pulling from ``olah``, a Hub that nobody here wrote, and through faults put before it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from loopback import Cut, Front, Other, Redirect, Slow, Stall, Status
from mirror import Mirror
from zoo import load
from zoo.base.errors import ZooError
from zoo.cards.card import check_card
from zoo.commands import main
from zoo.hub import locate

CARD = "perceptual_sr_pixel"
NUMBERS = itertools.count()
WEIGHTS = r"model\.safetensors"


@pytest.fixture
def commit(running_mirror: Mirror) -> tuple[str, str]:
    """A repository that only this test knows, and its commit."""
    folder = locate.find(CARD).folder
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    repo = f"me/wave{next(NUMBERS)}"
    return repo, running_mirror.put(repo, files)


@pytest.fixture
def front(mirror: Mirror, commit: tuple[str, str], use_hub: Callable[[str], None]) -> Iterator[Front]:
    with Front(mirror.endpoint) as server:
        use_hub(server.endpoint)
        yield server


def right(net: Any) -> bool:
    want = load(CARD).state_dict()
    return all(torch.equal(tensor, want[name]) for name, tensor in net.state_dict().items())


def test_a_card_is_pulled_and_loaded_again_without_a_connection(front: Front, commit: tuple[str, str], tmp_path: Path):
    repo, head = commit
    assert main.main(["pull", repo, "--to", str(tmp_path / "there")]) == 0
    folder = locate.find(CARD).folder
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / "there" / path.relative_to(folder)).read_bytes() == path.read_bytes()
    before = len(front.requests)
    assert right(load(repo, check=True))
    assert right(load(f"{repo}@{head[:8]}", check=True))
    assert len(front.requests) == before
    assert check_card(tmp_path / "there") == []


@pytest.mark.parametrize("fault", [Cut(after=200_000), Status(429, {"Retry-After": "1"}), Slow(2e6)])
@pytest.mark.parametrize("path", [WEIGHTS, r"config\.json"])
def test_what_passes_is_waited_for(front: Front, commit: tuple[str, str], fault: Any, path: str):
    front.fault("GET", path, fault, times=2)
    assert right(load(commit[0]))


@pytest.mark.parametrize("status", [401, 403, 404, 500])
@pytest.mark.parametrize("path", ["/api/models/", "/tree/", r"config\.json", WEIGHTS])
def test_what_stays_is_one_message(
    front: Front, commit: tuple[str, str], status: int, path: str, capsys: pytest.CaptureFixture[str]
):
    front.fault("GET", path, Status(status), times=100)
    front.fault("HEAD", path, Status(status), times=100)
    assert main.main(["predict", commit[0], "x.jpg", "-o", "out"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("zoo: error: ")
    assert error.count("\n") <= 3


@pytest.mark.parametrize("path", [WEIGHTS, r"config\.json"])
def test_a_wrong_body_is_refused_and_leaves_nothing(front: Front, commit: tuple[str, str], path: str):
    front.fault("GET", path, Other(b"evil"), times=1)
    with pytest.raises(ZooError, match="was refused and removed"):
        load(commit[0])
    assert right(load(commit[0]))


def test_a_redirect_elsewhere_is_not_believed(front: Front, commit: tuple[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    with Front(front.upstream) as other:
        other.fault("GET", WEIGHTS, Other(b"evil"), times=100)
        front.fault("GET", WEIGHTS, Redirect(other.endpoint), times=100)
        with pytest.raises(ZooError, match="was refused and removed"):
            load(commit[0])
        assert other.requests
        assert all(request.authorization is None for request in other.requests)


def test_silence_ends_in_a_message(front: Front, commit: tuple[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.hub.client.TIMEOUT", 0.3)
    front.fault("GET", "/api/", Stall(), times=100)
    with pytest.raises(ZooError, match="is out of reach"):
        load(commit[0])


def test_what_was_pulled_by_a_mirror_is_verified_each_time(front: Front, commit: tuple[str, str], capsys: Any):
    load(commit[0])
    source = locate.find(commit[0])
    path = source.folder / "config.json"
    path.resolve().write_text(json.dumps({**json.loads(path.read_text()), "input": "changed"}))
    assert right(load(commit[0]))
    assert "config.json: damaged" in capsys.readouterr().err
