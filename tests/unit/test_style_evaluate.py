"""What the figures of fast style are made of."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
from zoo.models.base import Model
from zoo.models.evaluation import Context, Results
from zoo.models.fast_style import reference
from zoo.models.fast_style.evaluate import (
    CONTENT,
    NETWORK,
    brought_to,
    claims,
    comparison,
    evaluate,
    held_out,
    loss_of,
)
from zoo.models.fast_style.module import FastStyleModule
from zoo.models.fast_style.net import FastStyle
from zoo.models.fast_style.reference import Descent, Reference, begin, better_descent, score
from zoo.nn.descent import Step, descend
from zoo.nn.losses.style_transfer import StyleTransferLoss

TINY = {"channels": 4, "blocks": 1}
CONVOLUTIONS = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128)}  # as far as relu2_2
LAYERS = {"relu1_2": 0.5, "relu2_2": 1.0}
LOSS = {"style_layers": LAYERS, "content_weight": 0.1, "tv_weight": 2.0, "style_size": 32}
FAST = {"sizes": [32], "iterations": [2, 4]}


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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, of which what falls to training cannot even be opened."""
    folder = tmp_path_factory.mktemp("photographs") / "Six"
    folder.mkdir()
    for i in range(24):
        Image.fromarray(photographs.chelsea()[10 * i : 10 * i + 48, 120:184]).save(folder / f"{i:02}.png")
    for path in PictureCrops(folder, val_fraction=0.2).names("train"):
        path.write_text("no picture")
    return folder


@pytest.fixture
def recipe(vgg_file: Path) -> dict:
    return {"model": {"init_args": {**LOSS, "vgg": str(vgg_file), "optimizer": {"class_path": "torch.optim.Adam"}}}}


@pytest.fixture
def context(recipe: dict) -> Context:
    return Context(recipe)


@pytest.fixture
def criterion(recipe: dict) -> StyleTransferLoss:
    return loss_of(recipe)[0]


@pytest.fixture
def content() -> Tensor:
    return brought_to(Image.fromarray(photographs.astronaut()[80:128, 180:244]), 32)


def tiny(seed: int = 0) -> FastStyle:
    torch.manual_seed(seed)
    return FastStyle(**TINY).eval()


class Told(Model):
    """Instead of a network, answers by what it was told to."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.answer, self.weight = answer, nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(x)


def values(measured: Results) -> dict[str, float]:
    return {figure.metric: figure.value for figure in measured.figures}


def test_the_loss_is_that_of_the_module(recipe: dict, content: Tensor):
    """Whatever else the recipe says of it."""
    arguments = {**recipe["model"]["init_args"], **TINY, "content_layers": {"relu1_2": 2.0}}
    own = loss_of({"model": {"init_args": {**arguments, "lr_scheduler": {"class_path": "x"}}}})[0]
    trained = FastStyleModule(**{name: value for name, value in arguments.items() if name != "optimizer"}).criterion
    picture = torch.rand_like(content)
    assert torch.equal(own(picture, own.targets(content)), trained(picture, trained.targets(content)))


def test_a_score_is_of_the_clipped_picture(criterion: StyleTransferLoss, content: Tensor):
    picture = torch.randn_like(content)
    targets, clipped = criterion.targets(content), picture.clamp(0, 1)
    features, truth = criterion.vgg(clipped), criterion.vgg(content)
    by_hand = {"content": 0.1 * sum((features[layer] - truth[layer]).square().mean() for layer in ("relu2_2",))}
    right, lower = clipped.diff(dim=3).square().mean(), clipped.diff(dim=2).square().mean()
    by_hand["tv"] = 2 * (right + lower)
    found = score(criterion, picture, targets)
    assert found["loss"] == pytest.approx(found["content"] + found["style"] + found["tv"])
    for term, value in by_hand.items():
        assert found[term] == pytest.approx(value.item(), rel=1e-5)
    assert score(criterion, content, targets)["content"] == 0


def test_optimising_gets_further_with_more_iterations(criterion: StyleTransferLoss, content: Tensor, one_thread: None):
    found = Descent(criterion, "noise", clip=False).reach(content, [2, 5, 10])
    losses = [found[number]["loss"] for number in (2, 5, 10)]
    assert losses == sorted(losses, reverse=True)
    assert losses[2] < 0.7 * losses[0]
    again = Descent(criterion, "noise", clip=False).reach(content, [10])
    assert again[10]["loss"] == losses[2]


def test_the_best_picture_so_far_counts(criterion: StyleTransferLoss, content: Tensor, monkeypatch: pytest.MonkeyPatch):
    """An optimiser that leaves a valley again is told by what it found there."""
    targets = criterion.targets(content)
    other = [begin(content, "noise") * share for share in (0.2, 0.5, 0.8)]
    far, near, nearest = sorted(other, key=lambda picture: -score(criterion, picture, targets)["loss"])
    path = [begin(content, "noise"), near, nearest, far, far]
    losses = [score(criterion, picture, targets)["loss"] for picture in path]

    def wander(start: Tensor, loss: Callable, iterations: int) -> list[Step]:
        steps, before = [], start
        for number, picture in enumerate(path[1 : iterations + 1], 1):
            steps.append(Step(number, picture, float(loss(before))))
            before = picture
        return steps

    monkeypatch.setattr(reference, "descend", wander)
    found = Descent(criterion, "noise", clip=False).reach(content, [1, 2, 4])
    expected = [min(losses[: number + 1]) for number in (1, 2, 4)]
    assert [found[number]["loss"] for number in (1, 2, 4)] == pytest.approx(expected)


def test_clipped_on_the_way_no_value_leaves_the_range(
    criterion: StyleTransferLoss, content: Tensor, monkeypatch: pytest.MonkeyPatch
):
    """There, what is clipped in the end would otherwise be most of what was gained."""
    seen = []
    monkeypatch.setattr(
        StyleTransferLoss, "forward", lambda self, picture, targets: seen.append(picture) or picture.square().mean()
    )
    monkeypatch.setattr(
        reference, "descend", lambda start, loss, iterations: [Step(1, start, float(loss(3 * start - 1)))]
    )
    for clip, least in ((True, 0), (False, -1)):
        Descent(criterion, "noise", clip).reach(content, [1])
        assert seen[-1].min() == pytest.approx(least, abs=0.1)


@pytest.mark.parametrize("helps", [True, False])
def test_of_both_ways_the_better_is_the_yardstick(
    criterion: StyleTransferLoss, content: Tensor, monkeypatch: pytest.MonkeyPatch, helps: bool
):
    """A weak one would flatter the network."""
    losses = {helps: 0.5, not helps: 0.7}
    monkeypatch.setattr(
        Descent, "reach", lambda self, _, iterations: {number: {"loss": losses[self.clip]} for number in iterations}
    )
    assert better_descent(criterion, content, "noise") == Descent(criterion, "noise", clip=helps)


def test_from_where_it_starts(content: Tensor):
    assert begin(content, "content") is content
    noise = begin(content, "noise")
    assert noise.shape == content.shape
    assert torch.equal(noise, begin(1 - content, "noise"))
    assert 0 <= noise.min() < 0.05 < 0.95 < noise.max() <= 1


def test_a_network_as_good_as_the_optimiser(folder: Path, recipe: dict, one_thread: None):
    """Its share is 1, and that of the content something else."""
    criterion = loss_of(recipe)[0]

    def optimum(x: Tensor) -> Tensor:
        if x.shape[-1] > 64:  # what multiply-adds are counted for
            return x
        with torch.inference_mode(False):
            content = x.clone()
            targets = criterion.targets(content)
            *_, last = descend(begin(content, "noise"), lambda y: criterion(y, targets), 4)
        return last.picture

    data = PictureCrops(folder, val_fraction=0.2)
    measured = evaluate(Told(optimum), data, Context(recipe), sizes=[32], iterations=[4], photographs=2)
    assert values(measured) == {"loss / L-BFGS(4)": 1.0}
    assert measured.figures[0].data == folder.name
    context = Context(recipe, data="mine")
    measured = evaluate(Told(lambda x: x), data, context, sizes=[32], iterations=[4], photographs=2)
    assert measured.figures[0].data == "mine"
    assert values(measured)["loss / L-BFGS(4)"] != pytest.approx(1, abs=0.01)


def test_shares_are_means_of_ratios():
    scores = [{NETWORK: {"loss": a}, CONTENT: {"loss": 9.0}, "L-BFGS(50)": {"loss": b}} for a, b in ((1, 2), (30, 20))]
    [figure] = claims("photos", "256 px", scores)
    assert (figure.metric, figure.value) == ("loss / L-BFGS(50)", 1.0)  # where that of the means is 1.4
    assert (figure.data, figure.split, figure.protocol) == ("photos", "test", "256 px")


def test_the_table_says_what_each_term_and_each_second_is():
    def scores(loss: float) -> dict[str, float]:
        return {"loss": loss, "content": loss / 2, "style": loss / 4, "tv": loss / 4}

    every = [{CONTENT: scores(8), NETWORK: scores(n), "L-BFGS(50)": scores(2 * n)} for n in (1, 3)]
    table = comparison("photos", every, [{NETWORK: 0.5, "L-BFGS(50)": 150.0}, {NETWORK: 0.5, "L-BFGS(50)": 250.0}])
    assert table.rows == [
        [CONTENT, 8, 4, 2, 2, None, None],
        [NETWORK, 2, 1, 0.5, 0.5, 0.5, 1],
        ["L-BFGS(50)", 4, 2, 1, 1, 200, 400],
    ]
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_pictures_are_whole_and_as_long_as_said():
    picture = Image.fromarray(photographs.coffee()[:, :500])
    assert brought_to(picture, 256).shape == (1, 3, 205, 256)
    assert brought_to(picture.rotate(90, expand=True), 100).shape == (1, 3, 100, 80)
    resized = np.array(picture.resize((256, 205), Image.Resampling.BICUBIC))
    assert torch.equal(brought_to(picture, 256)[0], torch.from_numpy(resized).permute(2, 0, 1) / 255)


def test_results_are_what_a_card_holds(folder: Path, context: Context, capsys: pytest.CaptureFixture):
    data, net = PictureCrops(folder, val_fraction=0.2), tiny().train()
    measured = evaluate(net, data, context, sizes=[24, 32], iterations=[3, 1], photographs=2)
    assert net.training
    assert check(Results, json.loads(measured.to_json()), "measured") == measured
    assert [(figure.protocol, figure.metric) for figure in measured.figures] == [
        (f"{size} px", f"loss / L-BFGS({count})") for size in (24, 32) for count in (3, 1)
    ]
    assert {(figure.data, figure.split) for figure in measured.figures} == {("Six", "test")}
    assert measured.figures[0].value > measured.figures[1].value  # more iterations are harder to match
    for table in measured.tables:
        assert [row[0] for row in table.rows] == [CONTENT, NETWORK, "L-BFGS(3)", "L-BFGS(1)"]
        assert "2 pictures, L-BFGS from noise" in table.title
    assert measured.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert list(measured.macs) == ["512x512"]
    assert list(measured.data_digest) == ["test", "style", "weights of VGG-16"]
    assert capsys.readouterr() == ("", "")  # bars are for terminals


def test_only_what_was_held_out_is_measured(folder: Path, context: Context):
    """The rest of the folder is no pictures at all."""
    data = PictureCrops(folder, val_fraction=0.2)
    paths = data.names("test")[:2]
    assert len(paths) == 2
    pictures = [np.asarray(Image.open(path)) for path in paths]
    assert all(np.array_equal(a, b) for a, b in zip(held_out(data, 2), pictures, strict=True))
    measured = evaluate(tiny(), data, context, sizes=[32], iterations=[1], photographs=2)
    assert measured.data_digest["test"] == digest(pictures)
    with pytest.raises(ZooError, match=r"the test split gets none of its pictures"):
        held_out(PictureCrops(folder, val_fraction=1e-9), 2)


def test_without_a_folder_scenes_are_measured(context: Context):
    measured = evaluate(tiny(), PictureCrops(size=64, crop=64), context, sizes=[32], iterations=[1], photographs=1)
    assert measured.figures[0].where == "street scenes, 32 px"


def test_the_loss_is_told_from_any_other(recipe: dict, vgg_file: Path, folder: Path):
    arguments = recipe["model"]["init_args"]
    others = [
        {"model": {"init_args": {**arguments, **changed}}}
        for changed in ({"tv_weight": 0.0}, {"content_layers": {"relu1_2": 1.0}}, {"style_size": 33}, {"vgg": None})
    ]
    identities = [json.dumps(loss_of(each)[1]) for each in (recipe, recipe, *others)]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 5
    with_style = loss_of(recipe, style=PictureCrops(folder, val_fraction=0.2).names("test")[0])[1]
    assert with_style["digests"]["style"] != loss_of(recipe)[1]["digests"]["style"]


def test_what_was_reached_is_kept(
    criterion: StyleTransferLoss, content: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, ticks, noise = tmp_path / "reference.json", [], Descent(criterion, "noise", clip=False)
    first = Reference(path, {"tv": 1.0})(noise, content, [1, 3], lambda: ticks.append(1))
    assert len(ticks) == 3
    further = Reference(path, {"tv": 1.0})(noise, content, [1, 4])
    assert further[1] == first[1]
    monkeypatch.setattr(Descent, "reach", lambda *_: pytest.fail("computed again"))
    kept = Reference(path, {"tv": 1.0})
    assert kept(noise, content, [1, 3, 4]) == first | further
    for other in (
        (noise, content + 0.1, [1]),
        (Descent(criterion, "content", clip=False), content, [1]),
        (noise, content, [2]),
        (Descent(criterion, "noise", clip=True), content, [1]),
    ):
        with pytest.raises(pytest.fail.Exception, match="computed again"):
            kept(*other)
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        Reference(path, {"tv": 2.0})(noise, content, [1])


def reached(number: int) -> dict[str, float]:
    return dict.fromkeys(("loss", "content", "style", "tv"), float(number))


def test_evaluations_side_by_side_keep_what_each_reached(
    criterion: StyleTransferLoss, content: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """And do not compute again what another one has reached since they began."""
    path, asked, noise = tmp_path / "reference.json", [], Descent(criterion, "noise", clip=False)

    def reach(_: Descent, __: torch.Tensor, numbers: list[int], ___: object) -> dict[int, dict[str, float]]:
        asked.extend(numbers)
        return {number: reached(number) for number in numbers}

    monkeypatch.setattr(Descent, "reach", reach)
    first, second = (Reference(path, {"tv": 1.0}) for _ in range(2))
    first(noise, content, [1])
    second(noise, content, [1, 2])
    first(noise, content, [3, 2])
    assert asked == [1, 2, 3]
    assert len(json.loads(path.read_text())) == 3


def test_many_at_once_lose_nothing(tmp_path: Path):
    path = tmp_path / "reference.json"
    barrier = threading.Barrier(8)

    def work(worker: int) -> None:
        reference = Reference(path, {})
        barrier.wait()
        for number in range(8):
            reference._keep({f"{worker} {number}": reached(number)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(json.loads(path.read_text())) == 64


def test_a_file_that_cannot_be_written_is_found_out_at_once(tmp_path: Path):
    (tmp_path / "reference.json").mkdir()
    with pytest.raises((OSError, ZooError), match=r"reference\.json"):
        Reference(tmp_path / "reference.json", {})


def test_another_file_is_no_reference(tmp_path: Path):
    other = tmp_path / "results.json"
    other.write_text(text := '{"figures": []}')
    with pytest.raises(ZooError, match=r"results\.json: is not a file of L-BFGS scores"):
        Reference(other, {})
    assert other.read_text() == text
    with pytest.raises(ZooError, match="no such folder"):
        Reference(tmp_path / "none" / "reference.json", {})


@pytest.mark.parametrize(
    "wrong",
    [
        *({"sizes": []}, {"iterations": [0]}, {"photographs": 0}, {"sizes": [32, -1]}),
        *({"iterations": []}, {"iterations": {}}, {"iterations": {32: [2], 24: []}}, {"iterations": {0: [2]}}),
    ],
)
def test_refuses_what_measures_nothing(folder: Path, context: Context, wrong: dict):
    with pytest.raises(ZooError, match="1 or more"):
        evaluate(tiny(), PictureCrops(folder, val_fraction=0.2), context, **{**FAST, **wrong})


@pytest.fixture
def installed(card: Path, folder: Path, vgg_file: Path) -> Path:
    """A card of the architecture with a tiny network, not measured yet, whose style is in a folder of somebody else."""
    made = card.parent / "fast_style_starry"
    entries = {"recipe": "fast_style_starry.yaml", "data": "photos", "input": "RGB 0..1"}
    weights.save(tiny(), made, "fast_style", TINY, dtype="float32", **entries)
    shutil.copy(card / "README.md", made / "README.md")
    model = {"init_args": {**LOSS, "style": "elsewhere/painting.jpg", "lr_scheduler": {"class_path": "x"}}}
    data = {
        "class_path": "zoo.data.PictureCrops",
        "init_args": {"root": str(folder), "val_fraction": 0.2, "batch_size": 1},
    }
    (made / "recipe.yaml").write_text(yaml.safe_dump({"model": model, "data": data}))
    return made


@pytest.fixture
def arguments(vgg_file: Path, tmp_path: Path) -> list[str]:
    Image.fromarray(photographs.coffee()[:64, :64]).save(tmp_path / "painting.png")
    few = ["--sizes=[32]", "--iterations", "1", "2", "--photographs=1"]
    return ["evaluate", "fast_style", "--vgg", str(vgg_file), f"--style={tmp_path / 'painting.png'}", *few]


def test_zoo_evaluate_writes_the_card(installed: Path, arguments: list[str], capsys: pytest.CaptureFixture):
    add_golden(installed)
    assert main.main([*arguments, "--write"]) == 0
    assert check_card(installed) == []
    results = json.loads((installed / "results.json").read_text())
    assert [figure["metric"] for figure in results["figures"]] == ["loss / L-BFGS(1)", "loss / L-BFGS(2)"]
    assert "--vgg vgg16.safetensors --style=painting.png '--sizes=[32]' --iterations 1 2" in results["command"]
    capsys.readouterr()
    assert main.main(arguments) == 0
    assert capsys.readouterr().out.count("holds") == 2
    assert main.main(["list", "fast_style*"]) == 0
    assert " loss / L-BFGS(1) on " in capsys.readouterr().out


def test_each_size_may_have_its_own_iterations(installed: Path, arguments: list[str]):
    """Those of large pictures take hours."""
    assert main.main([*arguments[:5], "--photographs=1", "--iterations", "{24: [1, 2], 32: [1]}", "--write"]) == 0
    figures = json.loads((installed / "results.json").read_text())["figures"]
    assert [(figure["protocol"], figure["metric"][-2]) for figure in figures] == [
        *(("24 px", "1"), ("24 px", "2"), ("32 px", "1"))
    ]
    assert "--iterations '{24: [1, 2], 32: [1]}'" in (installed / "README.md").read_text()


@pytest.mark.parametrize("wrong", ["{24: 1}", "{24: x}", "x"])
def test_iterations_of_another_form_are_a_line(
    installed: Path, arguments: list[str], capsys: pytest.CaptureFixture, wrong: str
):
    assert main.main([*arguments[:5], "--iterations", wrong]) == 2
    told = capsys.readouterr().err
    assert "--iterations must be whole numbers from 1 on or a mapping, not " in told
    assert len(told.splitlines()) == 2


def test_a_part_may_be_measured(installed: Path, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main.main([*arguments, "--start=content", f"--reference={tmp_path / 'kept.json'}"]) == 3
    out = capsys.readouterr().out
    assert "loss / L-BFGS(2, content)" in out
    assert len(json.loads((tmp_path / "kept.json").read_text())) == 2


@pytest.mark.parametrize(
    ("option", "messages"),
    [
        ("", ["elsewhere/painting.jpg: no such file", "zoo evaluate by --style FILE"]),
        ("--vgg=none.safetensors", ["none.safetensors: no such file", "--vgg FILE.safetensors"]),
        ("--sizes=[0]", ["--sizes must be whole numbers from 1 on, not '0'"]),
        ("--photographs=0", ["--photographs must be a whole number from 1 on, not '0'"]),
        ("--sizes=[1]", ["too few"]),
        ("--sizes=many", ["--sizes must be whole numbers from 1 on, not 'many'"]),
        ("--start=style", ["--start must be noise or content, not 'style'"]),
        ("--photograph=3", ["fast_style_starry has no option --photograph; did you mean --photographs?"]),
        ("--steps=3", ["fast_style_starry has no option --steps\n"]),
    ],
)
def test_errors_of_the_user(
    installed: Path, arguments: list[str], capsys: pytest.CaptureFixture, option: str, messages: list[str]
):
    before = (installed / "README.md").read_bytes()
    name = option.partition("=")[0] or "--style"
    given = [argument for argument in arguments if not argument.startswith(f"{name}=")]
    assert main.main([*given, *filter(None, [option])]) == 2
    error = capsys.readouterr().err
    assert all(message in error for message in messages)
    assert len(error.splitlines()) <= 3
    assert (installed / "README.md").read_bytes() == before
