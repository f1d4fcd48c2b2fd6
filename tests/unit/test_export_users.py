"""What people met who took an export along."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo import load
from zoo.cards.card import read_card
from zoo.cards.front import license_text
from zoo.commands.main import main
from zoo.exports.metadata import of_model
from zoo.exports.settings import Settings
from zoo.exports.subject import Subject


def test_a_file_says_which_licence_its_weights_have():
    card = read_card("linknet_camvid")
    subject = Subject(card, load("linknet_camvid"), card.name, "", Settings(to="onnx"))
    told = of_model(subject, "torchscript")
    assert told["license"] == f"{card.front['license_name']} ({card.front['license_link']})"
    assert told["commercial_use"] == "no"


@pytest.mark.parametrize(
    ("front", "told"),
    [
        ({"license": "mit", "license_name": "mine"}, "mit"),
        ({"license": "other", "license_name": "mine"}, "mine"),
        ({"license": "other"}, "other"),
        ({"license": ["mit", 3, "bsd"]}, "mit, bsd"),
        ({"license": {"of": "a stranger"}}, ""),
        ({}, ""),
    ],
)
def test_licences_of_cards(front: dict[str, object], told: str):
    assert license_text(front) == told


@pytest.mark.parametrize(("output", "told"), [("", "-o is empty"), ("taken", "taken is a file; name a folder")])
def test_the_output_is_a_folder(
    output: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("mine")
    assert main(["export", "homographynet_photos", "--to", "onnx", "--no-figures", "-o", output]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_help_says_that_verbs_take_files(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "a file of zoo export" in " ".join(capsys.readouterr().out.split())
