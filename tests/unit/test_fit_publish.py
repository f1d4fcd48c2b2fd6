"""``zoo fit --publish``, with a stand-in for what talks to the Hub."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import zoo.commands
from zoo.base.errors import ZooError
from zoo.cards.card import check_card, read_card
from zoo.commands import evaluate, main
from zoo.commands.repository import check_names

ABOUT = [
    "--license", "cc-by-4.0", "--data-license", "drawn by the program", "--datasets", "street-scenes",
    "--description", "Streets that a program draws.", "--limits", "Everywhere else.",
]  # fmt: skip
PUBLISH = ["--publish", "me/Mine"]


@pytest.fixture
def place(mini_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a recipe beside it."""
    (tmp_path / "mini.yaml").write_text(mini_recipe + "  max_epochs: 1\n")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


class Hub(ModuleType):
    """Stands in for ``zoo.commands.publish``."""

    def __init__(self) -> None:
        super().__init__("zoo.commands.publish")
        self.check_names = check_names
        self.asked: list[str] = []
        self.published: list[tuple[Path, str]] = []
        self.private: list[bool | None] = []
        self.refusal: Exception | None = None
        self.failure: Exception | None = None

    def preflight(self, repo: str, private: bool | None) -> None:
        self.asked.append(repo)
        self.private.append(private)
        if self.refusal:
            raise self.refusal

    def publish(self, folder: Path, repo: str, *, private: bool | None) -> SimpleNamespace:
        self.private.append(private)
        if self.failure:
            raise self.failure
        assert check_card(folder) == []
        self.published.append((Path(folder), repo))
        return SimpleNamespace(url="https://example.org/me/mine")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    stand_in = Hub()
    monkeypatch.setitem(sys.modules, "zoo.commands.publish", stand_in)
    monkeypatch.setattr(zoo.commands, "publish", stand_in, raising=False)
    monkeypatch.setattr("zoo.commands.repository.preflight", stand_in.preflight)
    return stand_in


def test_publishes_the_best_checkpoint(place: Path, hub: Hub):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main.main(["fit", "--recipe", "../mini.yaml", *PUBLISH, *ABOUT, "--debug"]) == 0
    assert hub.asked == ["me/Mine"]
    card = Path("runs", "mini", "version_0", "card")
    assert hub.published == [(card, "me/Mine")]
    assert output.getvalue().endswith("Published: https://example.org/me/mine\n")
    assert read_card(card).name == "mine"
    assert 'load("me/Mine")' in (card / "README.md").read_text()
    assert all(str(place).encode() not in path.read_bytes() for path in card.rglob("*") if path.is_file())


def fails(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    assert main.main(["fit", *arguments]) == 2
    return capsys.readouterr().err


def test_refused_before_the_training(place: Path, hub: Hub, capsys: pytest.CaptureFixture):
    recipe = ["--recipe", "../mini.yaml", *PUBLISH]
    assert "give --license" in fails(capsys, *recipe)
    assert hub.asked == []
    assert "needs checkpoints" in fails(capsys, *recipe, *ABOUT, "--trainer.enable_checkpointing=false")
    hub.refusal = ZooError("the token may not write to me/Mine")
    assert "may not write" in fails(capsys, *recipe, *ABOUT)
    assert list(place.iterdir()) == []
    assert "--private needs --publish" in fails(capsys, "--recipe", "../mini.yaml", "--private")


def test_the_hub_is_asked_by_one_process(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    from zoo.commands import fit as module

    options = module.parser_of("fit").parse_args([*PUBLISH, *ABOUT])
    for rank in (0, 1):
        monkeypatch.setattr(rank_zero_only, "rank", rank)
        module._check_publication(options)
    assert hub.asked == ["me/Mine"]


def test_a_failure_after_the_training_says_how_to_go_on(
    place: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    hub.failure = ZooError("HTTP 503")
    error = fails(capsys, "--recipe", "../mini.yaml", *PUBLISH, *ABOUT, "--private")
    run = Path("runs", "mini", "version_0")
    assert hub.private == [True, True]
    assert "error: HTTP 503\nThe run is safe" in error
    assert error.splitlines()[-1] == f"zoo publish {run / 'card'} --repo me/Mine --private"
    assert (run / "checkpoints" / "best.ckpt").is_file()

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evaluate, "prepare", fail)
    error = fails(capsys, "--recipe", "../mini.yaml", *PUBLISH, *ABOUT)
    first, second = error.splitlines()[-1].split(" && ")
    run = Path("runs", "mini", "version_1")
    assert first.startswith(f"zoo card {run} --name mine -o {run / 'card'} --license cc-by-4.0 --data-license 'drawn")
    assert second == f"zoo publish {run / 'card'} --repo me/Mine"
    assert not (run / "card").exists()
