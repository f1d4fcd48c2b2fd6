"""The figures of fast style: distances to the paintings, and the loss beside that of L-BFGS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from PIL import Image
from skimage import data as photographs
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.cards import weights
from zoo.cards.card import check_card
from zoo.cards.forms import check
from zoo.commands import main
from zoo.commands.card import add_golden
from zoo.data.crops import PictureCrops
from zoo.data.digest import digest
from zoo.data.style import draw_pattern
from zoo.models.base import Model
from zoo.models.evaluation import Context, Results
from zoo.models.fast_style import evaluate as protocol
from zoo.models.fast_style.evaluate import (
    CONTENT,
    NETWORK,
    brought_to,
    compare,
    distance_claims,
    distance_table,
    evaluate,
    held_out,
    loss_claims,
    loss_of,
    loss_table,
    style_distances,
)
from zoo.models.fast_style.module import FastStyleModule
from zoo.models.fast_style.net import FastStyle
from zoo.models.fast_style.reference import Descent, Reference

NAMES = ("pattern", "coffee")
TINY = {"styles": list(NAMES), "channels": 4, "blocks": 1}
CONVOLUTIONS = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128)}  # as far as relu2_2
LAYERS = {"relu1_2": 0.5, "relu2_2": 1.0}
LOSS = {
    "style_layers": LAYERS, "content_layers": {"relu2_2": 1.0}, "content_weight": 0.1, "color_weight": 10.0,
    "tv_weight": 2.0, "style_size": 64,
}  # fmt: skip
FAST: dict[str, Any] = {"size": 88, "iterations": [3, 1], "photographs": 2, "compared": 2}


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of VGG-16 as far as relu2_2."""
    random, state = torch.Generator().manual_seed(0), {}
    for number, (outputs, inputs) in CONVOLUTIONS.items():
        weight = torch.randn(outputs, inputs, 3, 3, generator=random) * (2 / (9 * inputs)) ** 0.5
        state |= {f"features.{number}.weight": weight.half(), f"features.{number}.bias": torch.zeros(outputs)}
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    safetensors.torch.save_file(state, path)
    return path


@pytest.fixture(scope="module")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("paintings")
    for name, picture in zip(NAMES, (draw_pattern(64, 86), photographs.coffee()[:64, :86]), strict=True):
        Image.fromarray(picture).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in NAMES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs; those of the training split cannot even be opened."""
    folder = tmp_path_factory.mktemp("photographs") / "Six"
    folder.mkdir()
    for i in range(24):
        Image.fromarray(photographs.chelsea()[10 * i : 10 * i + 48, 120:184]).save(folder / f"{i:02}.png")
    for path in PictureCrops(folder, val_fraction=0.2).names("train"):
        path.write_text("no picture")
    return folder


@pytest.fixture
def held(folder: Path) -> PictureCrops:
    return PictureCrops(folder, val_fraction=0.2)


@pytest.fixture
def recipe(vgg_file: Path, paintings: dict[str, Path]) -> dict:
    styles = {name: str(path) for name, path in paintings.items()}
    arguments = {**LOSS, "styles": styles, "vgg": str(vgg_file), "optimizer": {"class_path": "torch.optim.Adam"}}
    return {"model": {"init_args": {**arguments, "styles_per_picture": 2, "channels": 4}}}


@pytest.fixture
def context(recipe: dict) -> Context:
    return Context(recipe)


@pytest.fixture
def content() -> Tensor:
    return brought_to(Image.fromarray(photographs.astronaut()[80:128, 180:244]), 32)


def tiny(seed: int = 0) -> FastStyle:
    torch.manual_seed(seed)
    return FastStyle(**TINY).eval()


class Told(Model):
    """Instead of a network, answers by a function of picture and weights."""

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.answer, self.weight, self.styles, self.grain = answer, nn.Parameter(torch.zeros(1)), NAMES, 0.0

    def forward(self, x: Tensor, mix: Tensor | None = None) -> Tensor:
        return x if mix is None else self.answer(x, mix)  # without weights multiply-adds are counted


def values(measured: Results) -> dict[str, float]:
    return {figure.metric: figure.value for figure in measured.figures}


# The loss


def test_the_loss_is_that_of_the_module(recipe: dict, content: Tensor):
    """Whatever else the recipe says of it."""
    arguments = {**recipe["model"]["init_args"], "content_layers": {"relu1_2": 2.0}}
    own, painted, _ = loss_of({"model": {"init_args": {**arguments, "lr_scheduler": {"class_path": "x"}}}}, NAMES)
    module = FastStyleModule(**{name: value for name, value in arguments.items() if name != "optimizer"})
    trained, picture = module.criterion, torch.rand_like(content)
    for mix in (*torch.eye(2).split(1), torch.tensor([[0.3, 0.7]])):
        assert torch.equal(own(picture, own.targets(content), mix), trained(picture, trained.targets(content), mix))
    assert all(torch.equal(one, other) for one, other in zip(painted, module.paintings.values(), strict=True))


def test_different_losses_have_different_identities(recipe: dict, folder: Path):
    arguments = recipe["model"]["init_args"]
    changes: tuple[dict[str, Any], ...] = (
        {"tv_weight": 0.0}, {"color_weight": 1.0}, {"content_layers": {"relu1_2": 1.0}}, {"style_size": 65},
        {"style_sizes": {"coffee": 70}}, {"vgg": None}, {"styles": dict(reversed(arguments["styles"].items()))},
    )  # fmt: skip
    others = [{"model": {"init_args": {**arguments, **changed}}} for changed in changes]
    names = [NAMES, NAMES, *[NAMES] * 6, NAMES[::-1]]
    identities = [json.dumps(loss_of(*each)[2]) for each in zip((recipe, recipe, *others), names, strict=True)]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 1 + len(others)
    same = {"model": {"init_args": {**arguments, "channels": 8, "blocks": 2, "styles_per_picture": 1}}}
    assert json.dumps(loss_of(same, NAMES)[2]) == identities[0]  # which are not of the loss
    other = PictureCrops(folder, val_fraction=0.2).names("test")[0]
    changed = loss_of(recipe, NAMES, styles={"pattern": other, "coffee": arguments["styles"]["coffee"]})[2]
    assert changed["digests"]["styles"] != loss_of(recipe, NAMES)[2]["digests"]["styles"]


@pytest.mark.parametrize("names", [("pattern",), ("coffee", "pattern"), ("pattern", "coffee", "tea")])
def test_styles_that_are_not_those_of_the_network(recipe: dict, names: tuple[str, ...]):
    with pytest.raises(ZooError, match=f"^the styles are pattern, coffee, the network's {', '.join(names)}$"):
        loss_of(recipe, names)


# Distances


def test_a_painting_has_the_distance_0_and_a_photograph_1(recipe: dict):
    criterion, paintings, _ = loss_of(recipe, NAMES)
    pictures = [torch.rand(paintings[0].shape, generator=torch.Generator().manual_seed(n)) for n in range(2)]

    def repaint(x: Tensor, mix: Tensor) -> Tensor:
        return torch.einsum("bs,schw->bchw", mix, torch.cat(paintings))

    perfect = style_distances(Told(repaint), pictures, paintings, criterion)
    lazy = style_distances(Told(lambda x, _: x), pictures, paintings, criterion)
    assert list(perfect) == list(lazy) == list(NAMES)
    for found in perfect.values():
        assert found["patches"] == pytest.approx(0, abs=1e-6)
        assert found["colours"] == pytest.approx(0, abs=1e-6)
        assert found["grid"] == pytest.approx(1, rel=1e-3)
        assert found["content"] > 0.1
    for found in lazy.values():
        assert found["patches"] == found["colours"] == 1
        assert found["content"] == 0
    crossed = style_distances(Told(lambda x, mix: repaint(x, mix.flip(1))), pictures, paintings, criterion)
    assert all(found["colours"] > 0.05 for found in crossed.values())  # of the other style's painting


def test_results_beyond_white_and_black_are_clipped(recipe: dict):
    criterion, paintings, _ = loss_of(recipe, NAMES)
    pictures = [paintings[1] * 0.5]
    found = [style_distances(Told(answer), pictures, paintings, criterion) for answer in (
        lambda x, _: 3 * x - 0.5, lambda x, _: (3 * x - 0.5).clamp(0, 1),
    )]  # fmt: skip
    assert found[0] == found[1]


def test_figures_are_means_over_the_styles():
    distances = {
        "a": {"patches": 0.2, "colours": 0.1, "content": 1.0, "grid": 2.0},
        "b": {"patches": 0.4, "colours": 0.2, "content": 2.0, "grid": 1.0},
    }
    figures = distance_claims("photos", "256 px", distances)
    assert {figure.metric: figure.value for figure in figures} == {
        "style distance": 0.3, "colour distance": 0.15, "content distance": 1.5, "grid": 1.5,
    }  # fmt: skip
    assert {(figure.data, figure.split, figure.protocol) for figure in figures} == {("photos", "test", "256 px")}
    table = distance_table("photos, 256 px", 7, distances)
    assert table.columns == ["style", "patches", "colours", "content", "grid"]
    assert table.rows == [["a", 0.2, 0.1, 1.0, 2.0], ["b", 0.4, 0.2, 2.0, 1.0]]
    assert "photos, 256 px, 7 pictures" in table.title


# Beside L-BFGS


def test_each_picture_is_compared_in_another_style(recipe: dict, content: Tensor):
    """By network, content and L-BFGS alike."""
    criterion = loss_of(recipe, NAMES)[0]
    painted, mixes = [], []

    class Spy(Reference):
        def __call__(self, descent: Descent, x: Tensor, counts: Any, tick: Any = None) -> dict:
            mixes.append(descent.mix.argmax().item())
            return {count: dict.fromkeys(("loss", "content", "style", "color", "tv"), 1.0) for count in counts}

    net = Told(lambda x, mix: painted.append(mix.argmax().item()) or x)
    scores, seconds = compare(net, criterion, Spy(None, {}), [content] * 3, "content", [1])
    assert mixes == [0, 1, 0]
    assert painted[0] == 0
    assert [score[NETWORK] == score[CONTENT] for score in scores] == [True] * 3
    assert scores[0][CONTENT] == scores[2][CONTENT] != scores[1][CONTENT]
    assert len(seconds) == 3


def test_a_network_as_good_as_the_optimiser(
    held: PictureCrops, recipe: dict, one_thread: None, monkeypatch: pytest.MonkeyPatch
):
    """Its ratio is 1, and that of the content something else."""
    criterion = loss_of(recipe, NAMES)[0]
    monkeypatch.setattr(
        protocol, "better_descent", lambda criterion, _, mix, start: Descent(criterion, mix, start, clip=False)
    )

    def optimum(x: Tensor, mix: Tensor) -> Tensor:
        with torch.inference_mode(False):
            *_, last = Descent(criterion, mix.clone(), "content", clip=False).steps(x.clone(), 4)
        return last.picture

    options = {"size": 88, "iterations": [4], "photographs": 2, "compared": 2}
    measured = evaluate(Told(optimum), held, Context(recipe), **options)
    assert values(measured)["loss / L-BFGS(4)"] == pytest.approx(1, abs=2e-3)
    assert measured.figures[0].data == "Six"
    measured = evaluate(Told(lambda x, _: x), held, Context(recipe, data="mine"), **options)
    assert measured.figures[0].data == "mine"
    assert values(measured)["loss / L-BFGS(4)"] > 1.05


def test_the_ratio_is_the_mean_of_ratios():
    scores = [{NETWORK: {"loss": a}, CONTENT: {"loss": 9.0}, "L-BFGS(50)": {"loss": b}} for a, b in ((1, 2), (30, 20))]
    [figure] = loss_claims("photos", "256 px", scores)
    assert (figure.metric, figure.value) == ("loss / L-BFGS(50)", 1.0)  # where that of the means is 1.4
    assert (figure.data, figure.split, figure.protocol) == ("photos", "test", "256 px")


def test_the_table_has_terms_and_seconds():
    def scores(loss: float) -> dict[str, float]:
        return {"loss": loss, "content": loss / 2, "style": loss / 4, "color": loss / 8, "tv": loss / 8}

    every = [{CONTENT: scores(8), NETWORK: scores(n), "L-BFGS(50)": scores(2 * n)} for n in (1, 3)]
    seconds = [{NETWORK: 0.5, "L-BFGS(50)": 150.0}, {NETWORK: 0.5, "L-BFGS(50)": 250.0}]
    table = loss_table("photos", "content", every, seconds)
    assert table.rows == [
        [CONTENT, 8, 4, 2, 1, 1, None, None],
        [NETWORK, 2, 1, 0.5, 0.25, 0.25, 0.5, 1],
        ["L-BFGS(50)", 4, 2, 1, 0.5, 0.5, 200, 400],
    ]
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert "2 pictures" in table.title


# The whole


def test_pictures_are_whole_and_as_long_as_asked_for():
    picture = Image.fromarray(photographs.coffee()[:, :500])
    assert brought_to(picture, 256).shape == (1, 3, 205, 256)
    assert brought_to(picture.rotate(90, expand=True), 100).shape == (1, 3, 100, 80)
    resized = np.array(picture.resize((256, 205), Image.Resampling.BICUBIC))
    assert torch.equal(brought_to(picture, 256)[0], torch.from_numpy(resized).permute(2, 0, 1) / 255)


def test_results_fit_a_card(held: PictureCrops, context: Context, capsys: pytest.CaptureFixture):
    net = tiny().train()
    measured = evaluate(net, held, context, **FAST)
    assert net.training
    assert check(Results, json.loads(measured.to_json()), "measured") == measured
    assert [figure.metric for figure in measured.figures] == [
        "style distance", "colour distance", "content distance", "grid", "loss / L-BFGS(3)", "loss / L-BFGS(1)",
    ]  # fmt: skip
    assert {(figure.data, figure.split, figure.protocol) for figure in measured.figures} == {("Six", "test", "88 px")}
    assert values(measured)["loss / L-BFGS(3)"] > values(measured)["loss / L-BFGS(1)"]  # which is harder to match
    distances, losses = measured.tables
    assert [row[0] for row in distances.rows] == list(NAMES)
    assert [row[0] for row in losses.rows] == [CONTENT, NETWORK, "L-BFGS(3)", "L-BFGS(1)"]
    assert "2 pictures" in distances.title
    assert "L-BFGS from content" in losses.title
    assert measured.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert list(measured.macs) == ["512x512"]
    assert list(measured.data_digest) == ["test", "styles", "weights of VGG-16"]
    assert capsys.readouterr() == ("", "")  # bars are for terminals


def test_only_held_out_pictures_are_measured(held: PictureCrops, context: Context):
    """The rest of the folder is no pictures at all."""
    paths = held.names("test")[:2]
    assert len(paths) == 2
    pictures = [np.asarray(Image.open(path)) for path in paths]
    assert all(np.array_equal(a, b) for a, b in zip(held_out(held, 2), pictures, strict=True))
    measured = evaluate(tiny(), held, context, **{**FAST, "iterations": [1]})
    assert measured.data_digest["test"] == digest(pictures)
    with pytest.raises(ZooError, match=r"the test split gets none of its pictures"):
        held_out(PictureCrops(held.root, val_fraction=1e-9), 2)


def test_without_a_folder_scenes_are_measured(context: Context):
    data = PictureCrops(size=64, crop=64)
    measured = evaluate(tiny(), data, context, size=88, iterations=[1], photographs=1, compared=1)
    assert measured.figures[0].where == "street scenes, 88 px"


def test_fewer_pictures_are_compared_with_l_bfgs(held: PictureCrops, context: Context, tmp_path: Path):
    path = tmp_path / "kept.json"
    measured = evaluate(tiny(), held, context, **{**FAST, "compared": 1, "iterations": [1], "reference": path})
    assert "2 pictures" in measured.tables[0].title
    assert "1 pictures" in measured.tables[1].title
    assert len(json.loads(path.read_text())) == 1


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"iterations": [0]}, {"photographs": 0}, {"size": -1}, {"iterations": []}, {"compared": 0}]
)
def test_refuses_what_measures_nothing(held: PictureCrops, context: Context, wrong: dict):
    with pytest.raises(ZooError, match="1 or more"):
        evaluate(tiny(), held, context, **{**FAST, **wrong})


# The command


@pytest.fixture
def installed(card: Path, folder: Path) -> Path:
    """A card with a tiny network, not measured yet, whose styles are in a folder of somebody else."""
    made = card.parent / "fast_style"
    entries = {"recipe": "fast_style.yaml", "data": "photos", "input": "RGB 0..1"}
    weights.save(tiny(), made, "fast_style", TINY, dtype="float32", **entries)
    shutil.copy(card / "README.md", made / "README.md")
    elsewhere = {name: f"elsewhere/{name}.jpg" for name in NAMES}
    model = {"init_args": {**LOSS, "styles": elsewhere, "lr_scheduler": {"class_path": "x"}}}
    data = {
        "class_path": "zoo.data.PictureCrops",
        "init_args": {"root": str(folder), "val_fraction": 0.2, "batch_size": 1},
    }
    (made / "recipe.yaml").write_text(yaml.safe_dump({"model": model, "data": data}, sort_keys=False))
    return made


@pytest.fixture
def arguments(vgg_file: Path, paintings: dict[str, Path]) -> list[str]:
    styles = ", ".join(f"{name}: {path}" for name, path in paintings.items())
    few = ["--size=88", "--photographs=1", "--compared=1", "--iterations", "1", "2"]
    return ["evaluate", "fast_style", f"--vgg={vgg_file}", f"--styles={{{styles}}}", *few]


def test_zoo_evaluate_writes_the_card(installed: Path, arguments: list[str], capsys: pytest.CaptureFixture):
    add_golden(installed)
    assert main.main([*arguments, "--write"]) == 0
    assert check_card(installed) == []
    results = json.loads((installed / "results.json").read_text())
    assert [figure["metric"] for figure in results["figures"]][-2:] == ["loss / L-BFGS(1)", "loss / L-BFGS(2)"]
    assert "--vgg=vgg16.safetensors" in results["command"]
    assert "/" not in results["command"].replace(" / ", "")  # no path of this machine
    capsys.readouterr()
    assert main.main(arguments) == 0
    assert capsys.readouterr().out.count("holds") == 6
    assert main.main(["list", "fast_style*"]) == 0
    assert " style distance on " in capsys.readouterr().out


def test_reference_scores_are_kept(
    installed: Path, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert main.main([*arguments, "--start=noise", f"--reference={tmp_path / 'kept.json'}"]) == 3
    out = capsys.readouterr().out
    assert "loss / L-BFGS(2, noise)" in out
    assert len(json.loads((tmp_path / "kept.json").read_text())) == 2


@pytest.mark.parametrize(
    ("option", "messages"),
    [
        ("", ["elsewhere/pattern.jpg: no such file", "zoo evaluate by --styles '{NAME: FILE}'"]),
        ("--styles={pattern: FILE}", ["the styles are pattern, the network's pattern, coffee"]),
        ("--styles=FILE", ["--styles must be "]),
        ("--vgg=none.safetensors", ["none.safetensors: no such file", "--vgg FILE.safetensors"]),
        ("--size=0", ["--size must be a whole number from 1 on, not '0'"]),
        ("--photographs=0", ["--photographs must be a whole number from 1 on, not '0'"]),
        ("--size=1", ["too few"]),
        ("--size=many", ["--size must be a whole number from 1 on, not 'many'"]),
        ("--start=style", ["--start must be noise or content, not 'style'"]),
        ("--photograph=3", ["fast_style has no option --photograph; did you mean --photographs?"]),
        ("--steps=3", ["fast_style has no option --steps"]),
    ],
)
def test_errors_of_the_user(
    installed: Path,
    arguments: list[str],
    paintings: dict[str, Path],
    capsys: pytest.CaptureFixture,
    option: str,
    messages: list[str],
):
    before = (installed / "README.md").read_bytes()
    name, option = option.partition("=")[0] or "--styles", option.replace("FILE", str(paintings["pattern"]))
    given = [argument for argument in arguments if not argument.startswith(f"{name}=")]
    assert main.main([*given[:2], *filter(None, [option]), *given[2:]]) == 2
    error = capsys.readouterr().err
    for message in messages:
        assert message in error
    assert len(error.splitlines()) <= 3
    assert (installed / "README.md").read_bytes() == before
