"""Names and visibility are looked at before anything is made on the Hub."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from zoo.base.errors import ZooError
from zoo.commands import main, publish, repository
from zoo.hub import locate

REPO = "me/wave"
BRANCHES = ["a b", "a..b", "-x", "a/", "/a", "x.lock", "refs/pr/1", "0" * 40, "deadbee", "", "ä"]


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    return shutil.copytree(locate.find("perceptual_sr_pixel").folder, tmp_path / "card")


@pytest.mark.parametrize("branch", BRANCHES)
def test_no_repository_is_made_for_a_branch_that_cannot_be(hub: Any, card: Path, branch: str):
    with pytest.raises(ZooError, match="is not a branch's name"):
        publish.publish(card, REPO, revision=branch)
    assert hub.requests == []


@pytest.mark.parametrize("branch", ["v1.0", "next", "fix/this-one", "2024_a"])
def test_names_of_branches(branch: str):
    repository.check_names(REPO, branch)


@pytest.mark.parametrize(
    "arguments", [["--repo", "wave"], ["--repo", "me/a--b"], ["--repo", REPO, "--revision", "a..b"]]
)
def test_a_dry_run_looks_at_names_too(hub: Any, card: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main.main(["publish", str(card), *arguments, "--dry-run"]) == 2
    assert "is not a" in capsys.readouterr().err
    assert hub.requests == []


def test_a_public_repository_is_refused_before_a_training(hub: Any, card: Path):
    hub.put(REPO, {"a.txt": b""})
    repository.preflight(REPO)
    repository.preflight("me/new", private=True)
    with pytest.raises(ZooError, match="already exists and is public"):
        repository.preflight(REPO, private=True)
