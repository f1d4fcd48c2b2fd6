"""What the figures of super resolution are made of."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from skimage import data as photographs

from zoo.base.errors import ZooError
from zoo.cards import weights
from zoo.cards.card import check_card
from zoo.cards.forms import check
from zoo.commands import main
from zoo.commands.card import add_golden
from zoo.data.low_resolution import enlarge, make_low
from zoo.data.super_resolution import SuperResolutionPairs
from zoo.models.evaluation import Context, Figure, Results
from zoo.models.perceptual_sr.evaluate import (
    BICUBIC,
    CONDITIONS,
    ENSEMBLE,
    LAYERS,
    NETWORK,
    PIXEL,
    claims,
    comparison,
    digest,
    evaluate,
    methods,
    summary,
    upscaled,
)
from zoo.models.perceptual_sr.evaluate import measure as measure_one
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.metrics.lpips import LPIPS
from zoo.nn.metrics.super_resolution import feature_distance, psnr

Truths = list[tuple[str, np.ndarray]]
TINY = {"channels": 4, "blocks": 1}
CONVOLUTIONS = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256)}
CONVOLUTIONS |= {17: (512, 256), **dict.fromkeys((19, 21, 24, 26, 28), (512, 512))}
RECIPE = "data:\n  class_path: zoo.data.super_resolution.SuperResolutionPairs\n  init_args: {test: [SET]}\n"


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of VGG-16 as far as relu5_3."""
    random, state = torch.Generator().manual_seed(0), {}
    for number, (outputs, inputs) in CONVOLUTIONS.items():
        weight = torch.randn(outputs, inputs, 3, 3, generator=random) * (2 / (9 * inputs)) ** 0.5
        state |= {f"features.{number}.weight": weight.half(), f"features.{number}.bias": torch.zeros(outputs)}
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    safetensors.torch.save_file(state, path)
    return path


@pytest.fixture(scope="module")
def lpips(vgg_file: Path) -> LPIPS:
    return LPIPS(vgg_file)


@pytest.fixture(scope="module")
def truths() -> list[tuple[str, np.ndarray]]:
    face, fur = photographs.astronaut()[80:144, 180:248], photographs.chelsea()[72:140, 120:184]
    return [("face", np.ascontiguousarray(face)), ("fur", np.ascontiguousarray(fur))]


@pytest.fixture(scope="module")
def folder(truths: Truths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmarks") / "Two"
    folder.mkdir()
    for name, truth in truths:
        Image.fromarray(truth).save(folder / f"{name}.png")
    return folder


def tiny(seed: int = 0) -> PerceptualSR:
    torch.manual_seed(seed)
    return PerceptualSR(**TINY).eval()


def values(figures: list[Figure]) -> dict[str, float]:
    return {figure.metric: figure.value for figure in figures}


class CheapVGG:
    mean = torch.zeros(1)

    def __call__(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return dict.fromkeys(LAYERS, x)


class Cheap:
    """Instead of LPIPS, where features do not matter."""

    vgg = CheapVGG()

    def of_features(self, features: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.zeros(1)


def measure(every: dict, truths: Truths, scale: int, lpips: LPIPS) -> dict:
    return summary(measure_one(every, scale, lpips, picture) for _, picture in truths)


def off_by(truths: Truths, levels: list[int]):
    """A method that was told the truths, in their order, and errs by so many levels of 255 in every condition."""
    answers = (each for each in zip(truths, levels, strict=True) for _ in CONDITIONS)

    def method(low: np.ndarray) -> np.ndarray:
        (_, truth), level = next(answers)
        return np.where(truth < 128, truth + level, truth - level).astype(np.uint8)

    return method


def test_scores_are_means_over_the_pictures(truths: Truths):
    """The mean is of dB, not of squared errors."""
    found = [measure({"told": off_by(truths, levels)}, truths, 4, Cheap())[""]["told"] for levels in ([1, 1], [1, 10])]
    assert found[1]["PSNR Y"] == pytest.approx(found[0]["PSNR Y"] - 10)
    assert found[1]["relu2_2"] == pytest.approx((1 + 100) / 2 / 255**2, rel=1e-4)


def test_feature_distances_are_those_of_each_picture(truths: Truths, lpips: LPIPS):
    """The truth's features are computed once a picture, and are those of no other."""
    every = methods(tiny(), {})
    found = measure({name: every[name] for name in (BICUBIC, NETWORK)}, truths, 4, lpips)[""]
    for name in found:
        by_hand = []
        for _, truth in truths:
            pictures = [
                torch.from_numpy(p).permute(2, 0, 1)[None] / 255 for p in (every[name](make_low(truth, 4)), truth)
            ]
            by_hand.append(feature_distance(*map(lpips.vgg, pictures)))
        for layer in LAYERS:
            mean = sum(distances[layer].item() for distances in by_hand) / len(by_hand)
            assert found[name][layer] == pytest.approx(mean, rel=0.02)  # in bfloat16 where that is native


def test_a_network_that_adds_nothing_fares_like_nearest_neighbour(truths: Truths, lpips: LPIPS):
    net = tiny()
    for parameter in net.body[-1].parameters():
        parameter.data.zero_()
    nearest = {BICUBIC: lambda low: low.repeat(4, 0).repeat(4, 1), NETWORK: methods(net, {})[NETWORK]}
    found = measure(nearest, truths, 4, lpips)[""]
    assert found[NETWORK] == pytest.approx(found[BICUBIC])
    shares = [value for metric, value in values(claims("Two", "", found)).items() if "share" in metric]
    assert shares == [1, 1]


def test_low_pictures_go_through_jpeg(truths: Truths, lpips: LPIPS):
    """Their JPEG has the stated quality; what only adds to the network is not measured once more."""
    found = measure(methods(tiny(), {}), truths, 4, lpips)
    assert list(found) == ["", ", JPEG 75", ", JPEG 40"]
    assert list(found[", JPEG 40"]) == [BICUBIC, NETWORK]
    assert list(found[""]) == [BICUBIC, NETWORK, ENSEMBLE]
    fine, coarse = (found[condition][BICUBIC] for condition in (", JPEG 75", ", JPEG 40"))
    assert found[""][BICUBIC]["PSNR Y"] > fine["PSNR Y"] > coarse["PSNR Y"]
    assert found[""][BICUBIC]["LPIPS"] < coarse["LPIPS"]
    by_hand = []
    for _, truth in truths:
        low = np.asarray(Image.open(jpeg(make_low(truth, 4), 40)).convert("RGB"))
        pictures = [torch.from_numpy(p).permute(2, 0, 1)[None] / 255 for p in (enlarge(low, 4), truth)]
        by_hand.append(psnr(*pictures).item())
    assert coarse["PSNR Y"] == pytest.approx(sum(by_hand) / 2, abs=0.1)


def jpeg(picture: np.ndarray, quality: int) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return file


def test_the_bicubic_of_the_literature(real_data: Path):
    """28.42 dB on Set5 and 25.99 to 26.10 on Set14, or the protocol is another one."""
    data = SuperResolutionPairs(test=[real_data / "Set5", real_data / "Set14"])
    bicubic = {BICUBIC: methods(tiny(), {})[BICUBIC]}
    found = {name: measure(bicubic, truths, 4, Cheap())[""][BICUBIC] for name, truths in data.benchmarks().items()}
    assert found["Set5"]["PSNR Y"] == pytest.approx(28.42, abs=0.015)
    assert found["Set5"]["SSIM Y"] == pytest.approx(0.8105, abs=0.002)
    assert 25.99 <= found["Set14"]["PSNR Y"] <= 26.10


def test_shares_are_of_what_is_left(truths: Truths):
    scores = {
        name: {"PSNR Y": 30.0, "SSIM Y": 0.9, "LPIPS": 0.3, "grid": 1.1, "relu2_2": left, "relu3_3": 2 * left}
        for name, left in ((BICUBIC, 0.8), (NETWORK, 0.2), (PIXEL, 0.4), ("mine", 0.1))
    }
    figures = claims("Set5", "on its own", scores)
    assert {(figure.data, figure.split, figure.protocol) for figure in figures} == {("Set5", "test", "on its own")}
    assert values(figures) == {
        "PSNR Y": 30.0,
        "SSIM Y": 0.9,
        "LPIPS": 0.3,
        "grid": 1.1,
        "relu2_2, share of bicubic's": 0.25,
        "relu3_3, share of bicubic's": 0.25,
        "relu2_2, share of perceptual_sr_pixel's": 0.5,
        "relu3_3, share of perceptual_sr_pixel's": 0.5,
    }
    rows = {row[0]: row[1:] for row in comparison("Set5", scores).rows}
    assert rows[NETWORK] == [30.0, 0.9, 0.3, 1.1, 0.2, 0.4]
    assert rows["mine"] == [30.0, 0.9, 0.3, 1.1, 0.1, 0.2]
    after_jpeg = {name: {"PSNR Y": 25.0, "LPIPS": 0.4} for name in (BICUBIC, NETWORK, PIXEL)}
    assert values(claims("Set5", "", after_jpeg, ", JPEG 40")) == {"PSNR Y, JPEG 40": 25.0, "LPIPS, JPEG 40": 0.4}


@pytest.mark.parametrize("network", ["compact", "paper"])
def test_measuring_leaves_a_network_as_it_was(network: str):
    net = PerceptualSR(network, **TINY).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert upscaled(net, np.zeros((9, 7, 3), np.uint8)).shape == (36, 28, 3)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_results_are_what_a_card_holds(folder: Path, vgg_file: Path):
    data, net = SuperResolutionPairs(test=[folder]), tiny()
    context = Context(others=lambda: {"perceptual_sr_pixel": net, "mine": tiny(1)})
    measured = evaluate(net, data, context, vgg=str(vgg_file))
    assert check(Results, json.loads(measured.to_json()), "measured") == measured
    places = {(figure.data, figure.split, figure.protocol) for figure in measured.figures}
    assert places == {("Two", "test", "Two")}  # benchmarks are told from each other by their names
    assert values(measured.figures)["relu3_3, share of perceptual_sr_pixel's"] == 1  # they are the same
    table, *after_jpeg = measured.tables
    assert [each.title.partition(";")[0] for each in after_jpeg] == [
        f"Two, 2 pictures, JPEG {quality}" for quality in (75, 40)
    ]
    assert {"PSNR Y, JPEG 40", "LPIPS, JPEG 75", "grid"} <= values(measured.figures).keys()
    assert [row[0] for row in table.rows] == [BICUBIC, NETWORK, ENSEMBLE, "perceptual_sr_pixel", "mine"]
    assert {len(row) for row in table.rows} == {len(table.columns)}
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows[NETWORK] == rows["perceptual_sr_pixel"] != rows["mine"]
    assert rows[ENSEMBLE][0] != rows[NETWORK][0]
    assert rows[ENSEMBLE][2:] == [None] * 4
    assert measured.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert measured.macs == {"320x240": 320 * 240 * (9 * 3 * 4 + 9 * 4 * 4 + 9 * 4 * 48)}
    assert list(measured.data_digest) == ["Two", "weights of VGG-16"]


def test_pictures_that_were_held_out_bear_the_name_of_their_folder(folder: Path, vgg_file: Path):
    """Or the one that their author gives them; neither says anything of how they are measured."""
    data = SuperResolutionPairs(folder, val_fraction=0.49)
    data.benchmarks = lambda: {f"{folder.name} test": SuperResolutionPairs(test=[folder]).benchmarks()["Two"]}
    for context, name in ((Context(), folder.name), (Context(data="mine"), "mine")):
        measured = evaluate(tiny(), data, context, vgg=str(vgg_file))
        assert {(each.data, each.split, each.protocol) for each in measured.figures} == {(name, "test", "")}
        assert measured.tables[0].title.startswith(f"{name} test, ")
        assert not any(PIXEL in figure.metric for figure in measured.figures)


@pytest.mark.parametrize("name", ["HR", "my test"])
def test_folders_of_one_name_are_measured_each(name: str, folder: Path, vgg_file: Path, tmp_path: Path):
    folders = [tmp_path / parent / name for parent in ("Set5", "Set14")]
    for number, (copied, picture) in enumerate(zip(folders, sorted(folder.iterdir()), strict=True)):
        copied.mkdir(parents=True)
        shutil.copy(picture, copied / f"{number}.png")
    measured = evaluate(tiny(), SuperResolutionPairs(test=folders), Context(), vgg=str(vgg_file))
    names = [f"Set5/{name}", f"Set14/{name}"]
    assert list(dict.fromkeys((figure.data, figure.protocol) for figure in measured.figures)) == [(n, n) for n in names]
    assert [table.title.partition(",")[0] for table in measured.tables[::3]] == names
    assert list(measured.data_digest) == [*names, "weights of VGG-16"]
    assert len({figure.value for figure in measured.figures if figure.metric == "PSNR Y"}) == 2


def test_the_data_of_a_folder_are_known_whatever_it_is_called(folder: Path, vgg_file: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    digests = []
    for root in (folder, tmp_path / "elsewhere"):
        data = SuperResolutionPairs(root, val_fraction=0.49)
        data.benchmarks = lambda: {"photos test": SuperResolutionPairs(test=[folder]).benchmarks()["Two"]}
        digests.append(evaluate(tiny(), data, Context(), vgg=str(vgg_file)).data_digest)
    assert digests[0] == digests[1]
    assert list(digests[0]) == ["test", "weights of VGG-16"]


def test_pictures_without_content_make_no_figure(vgg_file: Path, tmp_path: Path):
    """They are reproduced exactly: their PSNR is infinite, and so is any mean with it."""
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "black.png")
    net = tiny()
    for parameter in net.body[-1].parameters():
        parameter.data.zero_()
    with pytest.raises(ZooError, match=r"PSNR Y on \S+ test is inf: are pictures blank"):
        evaluate(net, SuperResolutionPairs(test=[tmp_path]), Context(), vgg=str(vgg_file))


def test_the_digest_tells_any_change(truths: Truths):
    pictures = [truth for _, truth in truths]
    other = [pictures[0].copy(), pictures[1]]
    other[0][0, 0, 0] ^= 1
    flat = [picture.reshape(1, -1, 3) for picture in pictures]
    found = [digest(one) for one in (pictures, [p.copy() for p in pictures], other, pictures[::-1], flat)]
    assert found[0] == found[1]
    assert len(set(found)) == 4


@pytest.fixture
def installed(card: Path, folder: Path) -> dict[str, Path]:
    """Two cards of the architecture with tiny networks, not measured yet."""
    folders = {}
    for seed, name in enumerate(("perceptual_sr_photo", PIXEL)):
        folders[name] = card.parent / name
        entries = {"recipe": f"{name}.yaml", "data": "photos", "input": "RGB 0..1"}
        weights.save(tiny(seed), folders[name], "perceptual_sr", TINY, dtype="float32", **entries)
        shutil.copy(card / "README.md", folders[name] / "README.md")
        (folders[name] / "recipe.yaml").write_text(RECIPE.replace("SET", str(folder)))
    return folders


def test_zoo_evaluate_measures_other_weights_beside(
    installed: dict[str, Path], vgg_file: Path, capsys: pytest.CaptureFixture
):
    add_golden(installed["perceptual_sr_photo"])
    assert main.main(["evaluate", "perceptual_sr", "--vgg", str(vgg_file), "--write"]) == 0
    assert check_card(installed["perceptual_sr_photo"]) == []
    results = json.loads((installed["perceptual_sr_photo"] / "results.json").read_text())
    assert [row[0] for row in results["tables"][0]["rows"]] == [BICUBIC, NETWORK, ENSEMBLE, PIXEL]
    assert results["command"] == "zoo evaluate perceptual_sr --vgg vgg16.safetensors --write"
    shutil.rmtree(installed[PIXEL])
    capsys.readouterr()
    assert main.main(["evaluate", "perceptual_sr", f"--vgg={vgg_file}"]) == 3
    out = capsys.readouterr().out
    assert out.count("holds") == 10
    assert out.count("not measured") == 2


def test_other_weights_are_no_argument(installed: dict[str, Path], capsys: pytest.CaptureFixture):
    assert main.main(["evaluate", PIXEL, "--others", "mine"]) == 2
    assert f"{PIXEL} has no option --others\n" in capsys.readouterr().err


def test_without_weights_of_vgg(installed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main.main(["evaluate", PIXEL, "--vgg", str(tmp_path / "vgg.safetensors")]) == 2
    error = capsys.readouterr().err
    assert "vgg.safetensors: no such file" in error
    assert "--vgg FILE.safetensors" in error
    assert len(error.splitlines()) <= 3


def test_bicubic_is_pillows(truths: Truths):
    low = make_low(truths[0][1], 4)
    assert np.array_equal(methods(tiny(), {})[BICUBIC](low), enlarge(low, 4))
    assert enlarge(low, 4).shape == truths[0][1].shape


def test_data_and_network_must_be_of_one_scale(folder: Path, vgg_file: Path):
    with pytest.raises(ZooError, match=r"the network enlarges by 4, the data by 2; give --data\.scale 4"):
        evaluate(tiny(), SuperResolutionPairs(test=[folder], scale=2), Context(), vgg=str(vgg_file))
    net = PerceptualSR(scale=2, **TINY).eval()
    context = Context(others=lambda: {"x4": tiny(), "x2": net})
    measured = evaluate(net, SuperResolutionPairs(test=[folder], scale=2), context, vgg=str(vgg_file))
    assert [row[0] for row in measured.tables[0].rows] == [BICUBIC, NETWORK, ENSEMBLE, "x2"]
