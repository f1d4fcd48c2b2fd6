from __future__ import annotations

from pathlib import Path

import pytest

from zoo.base import registry
from zoo.base.errors import ZooError
from zoo.hub import locate


def test_finds_by_card_architecture_and_path(card: Path, tmp_path: Path):
    assert locate.find("linknet_camvid").folder == card
    assert locate.find("linknet").folder == card
    assert locate.find("linknet").name == "linknet_camvid"
    assert locate.find(tmp_path).folder == tmp_path
    assert locate.find(str(tmp_path)).folder == tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("linknet_camvit", "did you mean linknet_camvid"),
        ("../cards/linknet_camvid", "no folder.*USER/NAME"),
        ("a/b/c", "no folder.*USER/NAME"),
        ("user/na..me", "no folder.*USER/NAME"),
        ("user/name@../../x", "no folder.*USER/NAME"),
        ("~nosuchuser/x", "no folder.*USER/NAME"),
        ("none.zip", "none.zip: no such file"),
    ],
)
def test_refuses(card: Path, name: str, message: str):
    with pytest.raises(ZooError, match=message):
        locate.find(name)


def test_an_architecture_whose_weights_are_not_installed(bundle: Path):
    with pytest.raises(ZooError, match="linknet_camvid' are not in this installation"):
        locate.find("linknet")


def test_files_of_a_folder(card: Path):
    source = locate.find("linknet_camvid")
    assert source.file("README.md") == card / "README.md"
    assert not source.has("LICENSE")
    with pytest.raises(ZooError, match="no such file"):
        source.file("LICENSE")
    with pytest.raises(ZooError, match="at most 3 are expected"):
        source.file("README.md", 3)


def test_a_card_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in (registry, locate):
        monkeypatch.setattr(module, "folders", lambda kind: [tmp_path / kind])
    (tmp_path / "cards" / "mine").mkdir(parents=True)
    (tmp_path / "cards" / "mine" / "config.json").write_text("{}")
    source = locate.find("mine")
    assert (source.folder, source.installed) == (tmp_path / "cards" / "mine", True)
