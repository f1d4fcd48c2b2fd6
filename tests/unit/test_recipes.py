from __future__ import annotations

from pathlib import Path

import pytest

from zoo.base.errors import ZooError
from zoo.training import recipes

GOOD = """\
# a comment
seed_everything: 1
model:
  class_path: torch.nn.Conv2d
  init_args:
    in_channels: 3
    padding_mode: zeros
data:
  class_path: zoo.data.labels.LabelMap
  init_args:
    names: [a, b]
trainer:
  max_epochs: 3
  logger:
    class_path: lightning.pytorch.loggers.TensorBoardLogger
    init_args: {save_dir: runs, max_queue: 3}
  callbacks:
    - class_path: lightning.pytorch.callbacks.ModelCheckpoint
      init_args:
        monitor: val/mIoU
    - class_path: lightning.pytorch.callbacks.LearningRateMonitor
"""


@pytest.fixture
def installed(bundle: Path) -> Path:
    folder = bundle / "recipes"
    folder.mkdir(parents=True)
    for name in ("linknet_camvid", "linknet_streets"):
        (folder / f"{name}.yaml").write_text("model: {}\n")
    return folder


def test_finds_bundled_recipes_with_and_without_suffix(installed: Path, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert recipes.names() == ["linknet_camvid", "linknet_streets"]
    assert recipes.find("linknet_camvid") == installed / "linknet_camvid.yaml"
    assert recipes.find("linknet_camvid.yaml") == installed / "linknet_camvid.yaml"


def test_a_file_in_the_working_directory_goes_first(installed: Path, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    Path("linknet_camvid.yaml").write_text("mine")
    assert recipes.find("linknet_camvid.yaml").read_text() == "mine"


def test_a_separator_makes_it_a_path(installed: Path, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("")
    assert recipes.find(str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
    with pytest.raises(ZooError, match=r"~nosuchuser/mine\.yaml: no such recipe file"):
        recipes.find("~nosuchuser/mine.yaml")
    with pytest.raises(ZooError, match="no such recipe file"):
        recipes.find("./linknet_camvid.yaml")


def test_an_unknown_recipe_lists_all_and_names_the_nearest(installed: Path):
    with pytest.raises(ZooError) as caught:
        recipes.find("linknet_camvit.yaml")
    assert "did you mean linknet_camvid?" in str(caught.value)
    assert "linknet_streets" in str(caught.value)


def test_a_good_recipe_passes(tmp_path: Path):
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    recipes.check(path)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("seed_everything", "seed_everythin", ":2: no key 'seed_everythin'; did you mean seed_everything?"),
        ("max_epochs", "max_epoch", ":13: no key 'trainer.max_epoch'; did you mean max_epochs?"),
        ("in_channels", "in_chanels", ":6: no key 'model.init_args.in_chanels'; did you mean in_channels?"),
        ("  class_path: zoo", "  clas_path: zoo", ":9: no key 'data.clas_path'; did you mean class_path?"),
        ("names:", "name:", ":11: no key 'data.init_args.name'; did you mean names?"),
        ("monitor: val", "monitr: val", ":20: no key 'trainer.callbacks.0.init_args.monitr'; did you mean monitor?"),
        ("save_dir", "savedir", ":16: no key 'trainer.logger.init_args.savedir'; did you mean save_dir?"),
        ("nn.Conv2d", "nn.Conv2", ":4: torch.nn has no 'Conv2'; did you mean Conv2d?"),
        ("torch.nn.Conv2d", "torhc.nn.Conv2d", ":4: cannot import torhc.nn.Conv2d: No module named 'torhc'"),
        ("names: [a, b]", "names: [a, b", ":12: not YAML"),
        ("names: [a, b]", "names: a: b", ":11: not YAML"),
    ],
)
def test_a_mistake_is_found_with_its_line(tmp_path: Path, right: str, wrong: str, message: str):
    path = tmp_path / "bad.yaml"
    assert right in GOOD
    path.write_text(GOOD.replace(right, wrong))
    with pytest.raises(ZooError) as caught:
        recipes.check(path)
    assert f"{path}{message}" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "- a\n", "text", "\x00"])
def test_what_is_no_recipe(tmp_path: Path, text: str):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ZooError, match=r"bad\.yaml"):
        recipes.check(path)


def test_accepts_what_it_cannot_judge(tmp_path: Path):
    """Bare class names, kwargs that go somewhere else, and YAML's merge keys are left to jsonargparse."""
    path = tmp_path / "good.yaml"
    path.write_text(
        "model:\n"
        "  class_path: torch.optim.AdamW\n"
        "  init_args: &shared {lr: 0.1}\n"
        "data:\n"
        "  class_path: torch.optim.SGD\n"
        "  init_args: {<<: *shared, momentum: 0.9}\n"
        "trainer: {callbacks: [{class_path: RichProgressBar, init_args: {anything: 1}}]}\n"
    )
    recipes.check(path)


def test_every_bundled_recipe_passes():
    for name in recipes.names():
        recipes.check(recipes.find(name))
