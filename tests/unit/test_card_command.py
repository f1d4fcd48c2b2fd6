"""From a run to a card, with ``zoo card``."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.registry import architectures, card_names
from zoo.cards import golden
from zoo.cards.about import LICENSES
from zoo.cards.card import check_card, read_card
from zoo.commands import evaluate, main
from zoo.commands.card import main as card_main
from zoo.data.labels import CAMVID
from zoo.data.streets import draw_street
from zoo.models.evaluation import Figure, Results
from zoo.training import portable, recipes
from zoo.training.cli import ZooCLI

TRAINER = """\
  max_epochs: 2
  callbacks:
    - class_path: lightning.pytorch.callbacks.EMAWeightAveraging
      init_args: {decay: 0.5}
"""
FIELDS = {
    "--license": "cc-by-4.0",
    "--data-license": "drawn by the program",
    "--datasets": "street-scenes",
    "--description": "Streets that a program draws.",
    "--limits": "Everywhere else.",
}
ABOUT = [word for field in FIELDS.items() for word in field]


def call(folder: Path, run: Callable[[], int]) -> str:
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
        patch.chdir(folder)
        assert run() == 0
    return output.getvalue()


def fit(folder: Path, *arguments: object) -> str:
    return call(folder, lambda: main.main(["fit", *map(str, arguments), "--debug"]))


def make(folder: Path, *arguments: object) -> str:
    return call(folder, lambda: card_main(list(map(str, arguments))))


@pytest.fixture(scope="module")
def place(mini_recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of two epochs in ``runs/mini/version_0``."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "mini.yaml").write_text(mini_recipe + TRAINER)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    fit(folder, "--recipe", "mini.yaml")
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    return place / "runs" / "mini" / "version_0"


@pytest.fixture(scope="module")
def output(place: Path, run: Path) -> str:
    return make(place, run, "--name", "mine", *ABOUT)


@pytest.fixture(scope="module")
def card(place: Path, output: str) -> Path:
    return place / "cards" / "mine"


@pytest.fixture
def copy(card: Path, tmp_path: Path) -> Path:
    """A card, to be spoiled or made once more."""
    return shutil.copytree(card, tmp_path / "mine")


def without_paths(folder: Path, *machine: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        for root in (*machine, Path.home()):
            assert str(root).encode() not in path.read_bytes(), path


# The card


def test_is_complete(card: Path, output: str):
    assert check_card(card) == []
    assert {path.name for path in card.iterdir()} == {
        "README.md", "config.json", "golden.safetensors", "model.safetensors", "recipe.yaml", "results.json", "samples",
    }  # fmt: skip
    assert output.splitlines()[-1] == "Publish: zoo publish cards/mine --repo USER/mine"
    assert "best.ckpt" in output
    assert [path.name for path in card.parent.iterdir()] == ["mine"]


def test_answers_as_the_checkpoint_does(card: Path, run: Path):
    """Whose weights are the averaged ones."""
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    net = load(card)
    assert golden.check(net, card, read_card(card).config) < golden.TOLERANCE / 2
    last = checkpoint["current_model_state"]
    assert any(not torch.equal(last[key], value) for key, value in checkpoint["state_dict"].items())
    twin = load(card)
    twin.load_state_dict({key[4:]: value for key, value in checkpoint["state_dict"].items() if key.startswith("net.")})
    picture = golden.picture(3, 64, 64).float() / 255
    with torch.inference_mode():
        torch.testing.assert_close(net(picture), twin(picture), rtol=2e-3, atol=2e-3)


def test_says_what_it_was_told(card: Path):
    read = read_card(card)
    assert read.name == "mine"
    assert read.config["data"] == "street-scenes"
    assert len(read.config["arguments"]["labels"]) == 11
    assert {key: read.front[key] for key in ("license", "data_license", "datasets")} == {
        "license": "cc-by-4.0", "data_license": "drawn by the program", "datasets": ["street-scenes"],
    }  # fmt: skip
    text = (card / "README.md").read_text()
    assert "Streets that a program draws." in text
    assert "## Where it fails\n\nEverywhere else.\n" in text
    for name in re.findall(r"samples/([\w.]+)", text):
        assert Image.open(card / "samples" / name).format == "JPEG"


def test_figures_are_those_of_the_evaluator(card: Path, place: Path):
    results = read_card(card).results
    assert results.command == "zoo evaluate mine --write"
    assert results.parameters == sum(p.numel() for p in load(card).parameters())
    assert call(place, lambda: evaluate.main([str(card)])).count("holds") == len(results.figures) == 6


def test_the_recipe_is_short_and_trains_the_same(card: Path, place: Path, tmp_path: Path):
    path = card / "recipe.yaml"
    recipes.check(path)
    text = path.read_text()
    content = yaml.safe_load(text)
    assert len(text.splitlines()) < 40
    assert not {"accelerator", "logger"} & set(content["trainer"])
    assert content["seed_everything"] == 3
    assert "https://arxiv.org/abs/1707.03718" in text
    assert re.search(r"^# Expected +mIoU [\d.]+ ± ", text, re.MULTILINE)
    fit(tmp_path, "--recipe", path, "--trainer.accelerator=cpu")
    again = torch.load(tmp_path / "runs" / "recipe" / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)
    first = torch.load(place / "runs" / "mini" / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)
    for key, value in first["state_dict"].items():
        torch.testing.assert_close(again["state_dict"][key], value, rtol=1e-5, atol=1e-6)


def test_a_bundled_recipe_stays_as_it_is(tiny, tmp_path: Path):
    content = yaml.safe_load(recipes.find("linknet_streets").read_text())
    small = [*tiny("linknet").miniature(content, tmp_path), "--trainer.max_steps=2"]
    machine = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.enable_progress_bar=false"]

    def recipe(*arguments: str) -> str:
        started = ZooCLI(["--config", str(recipes.find("linknet_streets")), *arguments], "linknet_streets")
        return portable.text(started, "linknet_streets")

    assert recipe(*machine) == recipes.find("linknet_streets").read_text()
    assert recipe(*machine, *small) != recipes.find("linknet_streets").read_text()


def test_nothing_names_this_machine(card: Path, place: Path):
    without_paths(card, place)


def test_folders_become_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    extra = ["/mnt/big/photos", "~/styles/a.jpg", "../b", "own/c", "file:///mnt/big/my%20d"]
    here = {"root": str(tmp_path / "data" / "CamVid"), "extra": extra}
    trainer = {
        "max_epochs": 2,
        "default_root_dir": "/scratch",
        "logger": False,
        "callbacks": [{"init_args": {"a": None}}],
    }
    assert portable.portable({"data": here, "trainer": trainer}) == {
        "data": {"root": "data/CamVid", "extra": ["data/photos", "data/a.jpg", "data/b", "own/c", "data/my d"]},
        "trainer": {"max_epochs": 2, "callbacks": [{"init_args": {}}]},
    }


@pytest.mark.parametrize("name", ["homographynet", "perceptual_sr", "fast_style"])
def test_other_architectures(name: str, tiny: Callable[[str], ModuleType], tmp_path: Path, monkeypatch):
    """From data in folders outside the working directory; a stub measures, in no time."""
    recipe = {
        "homographynet": "homographynet_photos",
        "perceptual_sr": "perceptual_sr_pixel",
        "fast_style": "fast_style",
    }
    data = tiny(name).miniature(yaml.safe_load(recipes.find(recipe[name]).read_text()), tmp_path / "elsewhere")
    work = tmp_path / "work"
    work.mkdir()
    fit(work, "--recipe", recipe[name], *data, "--trainer.accelerator=cpu", "--trainer.max_steps=2",
        "--trainer.check_val_every_n_epoch=1", "--trainer.precision=32-true")  # fmt: skip
    given = []

    def measure(*arguments: object, called: str) -> Callable:
        given.append(arguments)
        assert called == "street-scenes"
        figure = Figure(metric="m", data="d", split="test", value=1.0, tolerance=0.1)
        return lambda net: Results(figures=[figure], parameters=1, macs={"a": 1.0}, data_digest={"test": "0"})

    monkeypatch.setattr(evaluate, "prepare", measure)
    make(work, work / "runs" / recipe[name] / "version_0", "--name", name, "--dtype=float32", *ABOUT)
    card = work / "cards" / name
    assert check_card(card) == []
    recipes.check(card / "recipe.yaml")
    without_paths(card, tmp_path)
    assert golden.check(load(card), card, read_card(card).config) < golden.TOLERANCE / 2
    [(measured, declared, config, options, *_)] = given
    assert (measured, declared) == (name, architectures()[name])
    assert config["data"]["init_args"]["root"] == str(tmp_path / "elsewhere" / "pictures")  # where the data are
    vgg = f"--vgg={tmp_path / 'elsewhere' / 'vgg16.safetensors'}"
    assert (vgg in options) is (name == "fast_style")


def test_samples_are_answered(place: Path, run: Path, tmp_path: Path):
    for name in ("a", "b"):
        Image.fromarray(np.full((1500, 40, 3), 90, np.uint8)).save(tmp_path / f"{name}.png")
    make(place, run / "checkpoints" / "last.ckpt", "--name", "s", "-o", tmp_path / "s", *ABOUT,
             "--samples", tmp_path / "a.png", tmp_path / "b.png")  # fmt: skip
    samples = sorted((tmp_path / "s" / "samples").iterdir())
    assert {path.suffix for path in samples} == {".jpg"}
    assert {path.stem[:8] for path in samples} == {"sample_1", "sample_2"}
    assert max(Image.open(samples[0]).size) <= 1200
    assert all(f"samples/{path.name}" in (tmp_path / "s" / "README.md").read_text() for path in samples)


def test_the_readme_says_where_the_model_will_be(place: Path, run: Path, card: Path, tmp_path: Path):
    assert 'load("USER/mine")' in (card / "README.md").read_text()
    output = make(place, run, "--name", "mine", "-o", tmp_path / "mine", "--repo", "me/net", *ABOUT)
    assert output.splitlines()[-1] == f"Publish: zoo publish {tmp_path / 'mine'} --repo me/net"
    text = (tmp_path / "mine" / "README.md").read_text()
    assert 'load("me/net")' in text
    assert "\nzoo predict me/net PICTURES... -o out/\n" in text
    assert "USER/" not in text


@pytest.mark.parametrize("answer", [None, "yes", "no"])
def test_commercial_use_is_said_or_left_unclear(place: Path, run: Path, tmp_path: Path, answer: str | None):
    told = ["--commercial-use", answer] if answer else []
    output = make(place, run, "--name", "mine", "-o", tmp_path / "mine", *ABOUT, *told)
    assert read_card(tmp_path / "mine").front["commercial_use"] == (answer or "unclear")
    where = f"set commercial_use: yes or no in {tmp_path / 'mine'}/README.md"
    assert (where in output) is (answer is None)


# Own data


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, masks and a list of classes, and the card of a network that learned from them."""
    folder = tmp_path_factory.mktemp("own")
    for number in range(14):
        for part, suffix, array in zip(("p", "m"), ("jpg", "png"), draw_street(number, (48, 64)), strict=True):
            (folder / part).mkdir(exist_ok=True)
            Image.fromarray(array).save(folder / part / f"{number}.{suffix}")
    (folder / "classes.txt").write_text("\n".join(CAMVID.names))
    data = {"pictures": "p", "masks": "m", "classes": ["classes.txt"], "ignore_index": 11, "val_fraction": 0.3}
    data |= {"batch_size": 2, "num_workers": 0, "augment": {"crop": [48, 64]}}
    model = {"class_path": "zoo.models.linknet.module.LinkNetModule"}
    model["init_args"] = {"encoder": "test_resnet", "encoder_weights": None}
    content = {"model": model, "data": {"class_path": "zoo.data.SegmentationFolder", "init_args": data}}
    trainer = {"accelerator": "cpu", "max_epochs": 1}
    (folder / "own.yaml").write_text(yaml.safe_dump({"seed_everything": 1, **content, "trainer": trainer}))
    fit(folder, "--recipe", "own.yaml")
    make(folder, "runs/own/version_0", "--name", "mine", *ABOUT)
    return folder


def test_the_list_of_its_pictures_goes_into_the_card(own: Path):
    """That of the folder it was trained on; a card that has one keeps it where the folder has none."""
    listed, card = own / "p" / "sources.csv", own / "cards" / "listed"
    assert not (own / "cards" / "mine" / "sources.csv").exists()
    listed.write_text("file,license\n0.jpg,CC0-1.0\n1.jpg,CC0-1.0\n")
    output = make(own, "runs/own/version_0", "--name", "listed", *ABOUT)
    assert "Sources: 2 pictures; 2 under CC0-1.0; m without a sources.csv\n" in output
    assert (card / "sources.csv").read_text() == listed.read_text()
    assert "[sources.csv](sources.csv)" in (card / "README.md").read_text()
    listed.write_text("file\n~/0.jpg\n")
    refused(own, "line 2: '~/0.jpg' leads out of the folder", "runs/own/version_0", "--name", "listed", *ABOUT)
    listed.unlink()
    make(own, "runs/own/version_0", "--name", "listed", *ABOUT)
    assert (card / "sources.csv").read_text().startswith("file,license\n")


CLASSES = ["--data.classes={}/classes.txt", "--data.classes {}/classes.txt", "--data.classes '[{}/classes.txt]'"]
NAMES = f"--data.classes {' '.join(CAMVID.names)}"


@pytest.mark.parametrize("classes", [*CLASSES, NAMES, f"--data.classes={json.dumps(CAMVID.names)!r}"])
@pytest.mark.parametrize(
    "folders", ["--data.pictures {}/p --data.masks {}/m", "--data.pictures={}/p --data.masks={}/m"]
)
def test_a_card_of_own_data_holds_wherever_they_lie(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: str, classes: str
):
    """However their places are written, before or after each other."""
    shutil.copytree(own / "cards" / "mine", tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    first, second = (shlex.split(words.format(*[own] * 2)) for words in (folders, classes))
    for given in ([*first, *second], [*second, *first]):
        assert main.main(["evaluate", "./mine", *given]) == 0


def test_own_data_are_called_what_their_author_calls_them(own: Path):
    """Wherever a reader looks: in the figures, the tables, the Hub's index and the recipe."""
    card = read_card(own / "cards" / "mine")
    assert {figure.where for figure in card.figures} == {"street-scenes"}
    [index] = card.front["model-index"]
    assert {each["dataset"]["name"] for each in index["results"]} == {"street-scenes"}
    assert " on street-scenes test\n" in (card.folder / "recipe.yaml").read_text()
    texts = [path.read_text() for path in card.folder.iterdir() if path.suffix in (".md", ".json")]
    assert not any("segmentationfolder" in text.lower() for text in texts)


def test_where_the_data_are_not_it_says_which_option_names_them(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    shutil.copytree(own / "cards" / "mine", tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    for given, missing in [
        ([], "data.classes"),
        (["--data.classes", str(own / "classes.txt")], "p: no such folder"),
        (["--data.classes", str(own / "classes.txt"), "--data.pictures", str(own / "p")], "m: no such folder"),
    ]:
        assert main.main(["evaluate", "./mine", *given]) == 2
        assert missing in capsys.readouterr().err


# Once more


def test_prose_and_other_files_survive(place: Path, run: Path, copy: Path):
    readme = copy / "README.md"
    before, after = readme.read_text().split("<!-- zoo:begin results -->")
    readme.write_text(
        before.replace("Everywhere else.", "By night, äußerst.") + "<!-- zoo:begin results -->" + after + "More.\n"
    )
    (copy / "samples" / "mine.jpg").write_bytes(b"")
    (copy / "model.safetensors").write_bytes(b"old")
    make(place, run, "--name", "mine", "-o", copy, "--license", "mit")  # the README tells the rest
    text = readme.read_text()
    assert "By night, äußerst." in text
    assert text.endswith("More.\n")
    assert check_card(copy) == []
    assert read_card(copy).front["license"] == "mit"
    assert read_card(copy).front["data_license"] == "drawn by the program"
    assert (copy / "samples" / "mine.jpg").exists()
    assert [path.name for path in copy.parent.iterdir()] == ["mine"]


def test_exports_of_the_weights_that_were_go_with_them(place: Path, run: Path, copy: Path):
    gone = {"mine.onnx", "mine.xml", "mine.bin", "parity.json", "USE.md"}
    for name in gone:
        (copy / name).write_text("{}")
    make(place, run, "--name", "mine", "-o", copy)
    assert not gone & {path.name for path in copy.iterdir()}
    assert check_card(copy) == []


def test_links_in_a_card_stay_links(place: Path, run: Path, copy: Path, tmp_path: Path):
    (tmp_path / "large").mkdir()
    (copy / "elsewhere").symlink_to(tmp_path / "large")
    (copy / "samples" / "lost.jpg").symlink_to(tmp_path / "nowhere")
    make(place, run, "--name", "mine", f"-o={copy}", "--license", "mit")
    assert (copy / "elsewhere").is_symlink()
    assert (copy / "samples" / "lost.jpg").is_symlink()


def test_a_folder_may_be_below_home(place: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make(place, run, "--name", "mine", "--output=~/mine", *ABOUT)
    assert (tmp_path / "mine" / "README.md").is_file()


# Refusals


def refused(place: Path, message: str, *arguments: object) -> None:
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    with pytest.raises(ZooError, match=message) as raised:
        make(place, *arguments)
    assert len(str(raised.value).splitlines()) <= 3
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be measured."""
    monkeypatch.setattr(evaluate, "prepare", lambda *arguments: pytest.fail("measured"))


@pytest.mark.parametrize("field", FIELDS)
def test_each_empty_field_is_named(place: Path, run: Path, idle: None, field: str):
    told = [word for key, value in FIELDS.items() if key != field for word in (key, value)]
    refused(place, f"the card has empty fields; give {field}$", run, "--name", "other", *told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "Mine"], "--name 'Mine': small letters"),
        (["--name", "../mine"], "--name"),
        (["--name", "a", "--license", "apache"], "has no licence 'apache'; did you mean apache-2.0"),
        (["--name", "a", "--license", "other"], "give --license-name"),
        (["--name", "a", "--data-license", "one\ntwo"], "--data-license must be one line"),
        (["--name", "a", "--description", "a\udcff"], "--description: not a text in UTF-8"),
        (["--name", "a", "--datasets", "a", "\udcff"], "--datasets: not a text in UTF-8"),
        (["--name", "a", "--repo", "\udcff"], "is not a repository's name: USER/NAME"),
        (["--name", "a", "--repo", "mine"], "'mine' is not a repository's name: USER/NAME"),
        (["--name", "a", "--samples", "none.jpg"], r"none\.jpg: no such file"),
        (["--name", "a", "-o", "runs"], "runs exists and is not a card"),
        (["--name", "a", "-o", "mini.yaml"], r"mini\.yaml exists and is not a card"),
    ],
)
def test_refused_before_anything_is_measured(place: Path, run: Path, idle: None, arguments: list[str], message: str):
    refused(place, message, run, *ABOUT, *arguments)


def test_a_card_of_another_architecture_is_left_alone(place: Path, run: Path, idle: None, copy: Path):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "architecture": "fast_style"}))
    refused(place, "of another architecture than linknet", run, "--name", "mine", "-o", copy, *ABOUT)


def test_checkpoints_that_make_no_card(place: Path, run: Path, idle: None, tmp_path: Path):
    good = run / "checkpoints" / "best.ckpt"
    content = torch.load(good, weights_only=True)
    (tmp_path / "part.ckpt").write_bytes(good.read_bytes()[:3000])
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    torch.save({key: value for key, value in content.items() if key != "zoo"}, tmp_path / "foreign.ckpt")
    torch.save({**content, "zoo": {**content["zoo"], "architecture": "os.system"}}, tmp_path / "hostile.ckpt")
    torch.save(
        {**content, "zoo": {**content["zoo"], "arguments": {"num_classes": 5, "encoder": "test_resnet"}}},
        tmp_path / "misfit.ckpt",
    )
    torch.save(SimpleNamespace(a=1), tmp_path / "pickle.ckpt")
    for name, message in {
        "none.ckpt": "no such file",
        "part.ckpt": "damaged, or not a Lightning checkpoint",
        "other.ckpt": "no card can be made of it",
        "pickle.ckpt": "damaged, or not a Lightning checkpoint",
        "foreign.ckpt": "no card can be made of it",
        "hostile.ckpt": "no architecture 'os.system'",
        "misfit.ckpt": "do not fit LinkNet|LinkNet refuses",
    }.items():
        refused(place, message, tmp_path / name, "--name", "a", *ABOUT, "--samples", place / "mini.yaml")
    refused(place, "not a run", tmp_path, "--name", "a", *ABOUT)


def test_a_checkpoint_by_itself_needs_samples(place: Path, run: Path, idle: None, tmp_path: Path):
    shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "best.ckpt")
    refused(place, "left no pictures; give some", tmp_path / "best.ckpt", "--name", "a", *ABOUT)


@pytest.mark.parametrize("device", ["nonsense", "meta", "cuda:99"])
def test_a_device_that_is_not_here(place: Path, run: Path, device: str):
    refused(place, f"device '{device}' is not here; there are: cpu", run, "--name=a", *ABOUT, "--device", device)


def test_arguments_that_nothing_takes(place: Path, run: Path):
    refused(place, r"a has no option --data.vol; did you mean --data.val\?\n", run, "--name=a", *ABOUT, "--data.vol=3")
    refused(place, "a has no option --vgg\n", run, "--name=a", *ABOUT, "--vgg", "x")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ZooError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_what_fails_half_way_leaves_nothing(
    place: Path, run: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, there: bool
):
    folder = copy if there else copy.parent / "new" / "mine"
    before = {path: path.stat().st_mtime_ns for path in copy.parent.rglob("*") if path.is_file()}

    def fail(net: object) -> None:
        raise error

    monkeypatch.setattr(evaluate, "prepare", lambda *arguments, **others: fail)
    with pytest.raises(type(error)):
        make(place, run, "--name", "mine", "-o", folder, *ABOUT)
    assert {path: path.stat().st_mtime_ns for path in copy.parent.rglob("*") if path.is_file()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["mine"]


def test_licenses_are_those_of_the_cards():
    assert {read_card(name).front["license"] for name in card_names()} <= LICENSES
