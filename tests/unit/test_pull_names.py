"""What is said of names and folders that cannot be, before anything is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.commands import main


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, which is home too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["pull", "someone/net", "--to", "."], ".: is the working directory itself"),
        (["pull", "someone/net", "--to", "~"], "is the working directory itself"),
        (["bundle", "someone/net", "-o", "none/x.zip"], "none: no such folder"),
        (["bundle", "someone/net", "-o", "x.tar"], "x.tar: a bundle's name must end in .zip"),
        (["info", ""], "the name of a model is empty"),
        (["predict", "", "a.jpg", "-o", "out"], "the name of a model is empty"),
        (["list", "--remote", ""], "--remote '': not the name of a user"),
        (["list", "--remote", "a/b"], "--remote 'a/b': not the name of a user"),
    ],
)
def test_is_one_line(place: Path, command: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main.main(command) == 2
    assert message in capsys.readouterr().err
    assert list(place.iterdir()) == []


def test_a_folder_below_home(place: Path, tiny_linknet: Path):
    assert main.main(["pull", str(tiny_linknet), "--to=~/copy"]) == 0
    assert (place / "copy" / "config.json").is_file()
