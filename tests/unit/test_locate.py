from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from zoo.base import registry
from zoo.base.errors import ZooError
from zoo.cards import weights
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


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of ``zoo fit``, as far as these tests look at it."""
    run = tmp_path / "linknet_streets" / "version_3"
    for name in ("model/config.json", "model/model.safetensors", "checkpoints/best.ckpt", "checkpoints/last.ckpt"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("{}")
    return run


def test_a_run_holds_its_model(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(run.parent)
    for name in (run, str(run), "version_3"):
        source = locate.find(name)
        assert source.file("config.json").samefile(run / "model" / "config.json")
        assert source.name == "version_3", "not model, as which a bundle would be called"


@pytest.mark.parametrize(
    ("given", "kind", "way_out"),
    [
        ("checkpoints/best.ckpt", "best.ckpt: a checkpoint", "the network of that run is {run}/model"),
        ("checkpoints", "checkpoints: not a model", "the network of that run is {run}/model"),
        ("model/model.safetensors", "a file, not a model", "its folder is the model: {run}/model"),
        ("model/config.json", "a file, not a model", "its folder is the model: {run}/model"),
        ("..", "not a model", "it holds runs; name one of them, such as .*version_3$"),
        ("checkpoints/none.ckpt", "none.ckpt: no such file", ""),
    ],
)
def test_what_lies_in_a_run_leads_to_its_model(run: Path, given: str, kind: str, way_out: str):
    with pytest.raises(ZooError, match=f"(?s){kind}.*{way_out.format(run=run)}"):
        locate.find(run / given).file("config.json")


def test_a_run_is_what_weights_are_taken_of(run: Path, tiny_linknet: Path):
    """As ``--weights RUN`` and ``load(RUN)`` do; a checkpoint of it leads there."""
    shutil.copytree(tiny_linknet, run / "model", dirs_exist_ok=True)
    assert weights.read_state(run).keys() == weights.load(run).state_dict().keys()
    with pytest.raises(ZooError, match=f"best.ckpt: a checkpoint is .*\nthe network of that run is {run}/model"):
        weights.read_state(run / "checkpoints" / "best.ckpt")


def test_a_run_that_left_no_model(run: Path):
    for file in (run / "model").iterdir():
        file.unlink()
    for given in (run, run / "checkpoints", run / "checkpoints" / "last.ckpt"):
        with pytest.raises(
            ZooError, match=f"(?s)no model in that run: zoo fit --resume {run} .*zoo card {run} --name NAME"
        ):
            locate.find(given).file("config.json")


def test_a_folder_of_something_else(tmp_path: Path):
    with pytest.raises(ZooError, match=r"(?s)not a model: config\.json is missing.*zoo list"):
        locate.find(tmp_path).file("config.json")


def test_an_export_is_no_model_but_may_be_loaded(tmp_path: Path):
    """Its path is told from a model's where one is needed, as by ``zoo publish``."""
    for name in ("net.onnx", "net.xml", "net.bin", "other.bin"):
        (tmp_path / name).touch()
    for name in ("net.onnx", "net.xml"):
        with pytest.raises(ZooError, match=f"{name}: an export; load\\(\\), zoo predict and zoo evaluate read it"):
            locate.find(tmp_path / name)
    with pytest.raises(ZooError, match=r"net\.bin: the weights of an export; pass .*net\.xml to load\(\)"):
        locate.find(tmp_path / "net.bin")
    with pytest.raises(ZooError, match=r"other\.bin: a checkpoint is a pickle and can run code"):
        locate.find(tmp_path / "other.bin")
