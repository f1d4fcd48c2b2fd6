from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from zoo.base.errors import ZooError
from zoo.commands.main import main
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {}\nmodel: {}\ndata: {}\n", ":3: duplicate key 'data', first in line 1"),
        (
            "data:\n  init_args:\n    a: 1\n    b: 2\n    a: 3\n",
            ":5: duplicate key 'data.init_args.a', first in line 3",
        ),
        (
            "trainer:\n  callbacks:\n  - {x: 1}\n  - x: 1\n    x: 1\n",
            ":5: duplicate key 'trainer.callbacks.1.x'",
        ),
        ('data: {"a": 1, a: 2}\n', ":1: duplicate key 'data.a', first in line 1"),
        ("data: &one\n  inner: *one\n", ":1: data.inner contains itself, by an alias"),
        ("data: " + "[" * 5000, ": nested too deep"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path: Path, text: str, message: str):
    """YAML takes the last one in silence."""
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    options = ["--config", "--data", "--trainer"]
    calls = [lambda: recipes.check(path), *(partial(recipes.check_given, [(one, str(path))]) for one in options)]
    for call in calls:
        with pytest.raises(ZooError) as caught:
            call()
        assert f"{path}{message}" in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def test_a_key_that_stands_twice_in_an_option_is_refused():
    with pytest.raises(ZooError, match=r"^--data\.augment:1: duplicate key 'crop', first in line 1$"):
        recipes.check_given([("--data.batch_size", "3"), ("--data.augment", "{crop: [1, 2], crop: [3, 4]}")])
    recipes.check_given([("--data.augment", "{crop: [1, 2], scale: [3, 4]}"), ("--config", "none.yaml"), ("", "x")])


def test_a_merge_may_be_overridden_and_stand_twice(tmp_path: Path):
    path = tmp_path / "good.yaml"
    path.write_text(
        "model: {class_path: torch.optim.SGD, init_args: &a {lr: 0.1}}\n"
        "data: {class_path: torch.optim.SGD, init_args: {<<: *a, <<: *a, lr: 0.2}}\n"
    )
    recipes.check(path)


@pytest.mark.parametrize("way", ["config", "resume", "recipe"])
def test_every_file_of_a_fit_is_read_for_keys_that_stand_twice(tmp_path: Path, way: str, capsys):
    run = tmp_path / "version_0"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints/last.ckpt").touch()
    file = run / "config.yaml"
    file.write_text("trainer: {max_epochs: 1}\ntrainer: {max_epochs: 2}\n")
    words = {"config": ["--config", str(file)], "resume": ["--resume", str(run)], "recipe": ["--recipe", str(file)]}
    if way == "config":
        words[way] = ["--recipe", "linknet_streets", *words[way]]
    assert main(["fit", *words[way]]) == 2
    assert f"{file}:2: duplicate key 'trainer', first in line 1" in capsys.readouterr().err
