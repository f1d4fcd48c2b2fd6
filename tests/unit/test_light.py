"""The light installation: what runs without torch, what of it is imported, and what is said where torch is needed."""

from __future__ import annotations

import importlib.util
import json
import re
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import light
from zoo.base.registry import architectures, import_object
from zoo.cards import weights
from zoo.commands import main
from zoo.exports import convert, metadata
from zoo.exports.settings import Settings
from zoo.exports.subject import Subject

TINY = {
    "linknet": {"num_classes": 3, "encoder": "test_resnet"},
    "homographynet": {},
    "perceptual_sr": {"channels": 8, "blocks": 1},
    "fast_style": {"channels": 4, "blocks": 1},
}
RESULTS = {"linknet": "mask.png", "homographynet": "warped.png", "perceptual_sr": "x4.png", "fast_style": "styled.png"}
HUB = {"huggingface_hub", "httpx", "httpx2"}
NEEDED = {"numpy", "PIL", "cv2", "onnxruntime", "yaml", *HUB}


@pytest.mark.parametrize(
    ("arguments", "told", "not_needed"),
    [
        ("list", "linknet_camvid", NEEDED - {"yaml"}),
        ("info linknet_camvid", "mIoU", NEEDED - {"yaml"}),
        ("--help", "predict", NEEDED),
        ("--version", "zoo ", NEEDED),
        ("predict --help", "--overwrite", {"cv2", "onnxruntime", *HUB}),
        ("predict linknet_camvid --help", "--batch-size N", {"cv2", "onnxruntime", *HUB}),
        ("predict homographynet --help", "--refine {ecc}", {"onnxruntime", *HUB}),
        ("predict perceptual_sr --help", "--tile N|auto", {"onnxruntime", *HUB}),
        ("predict fast_style --help", "--strength N", {"cv2", "onnxruntime", *HUB}),
        ("fit --help", "--recipe NAME", {"cv2", "onnxruntime", *HUB}),
        ("evaluate --help", "--write", {"cv2", "onnxruntime", *HUB}),
        ("completion --words info linknet_", "linknet_camvid", NEEDED - {"yaml"}),
        ("completion --words predict linknet --til", "--tile", {"cv2", "onnxruntime", *HUB}),
        ("pull linknet_camvid --to copy", "SHA-256", {"numpy", "PIL", "cv2", "onnxruntime", *HUB}),
        ("bundle linknet_camvid -o model.zip", "model.zip", {"numpy", "PIL", "cv2", "onnxruntime", *HUB}),
    ],
)
def test_runs_without_torch_and_imports_no_more_than_it_needs(
    tmp_path: Path, arguments: str, told: str, not_needed: set[str]
):
    done = light.run(tmp_path, *arguments.split())
    assert (done.code or 0, told in done.out) == (0, True), done.err
    assert not done.packages & {*light.MISSING, *not_needed}


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export of a tiny network of each architecture, and a picture."""
    folder = tmp_path_factory.mktemp("exports")
    for name, arguments in TINY.items():
        torch.manual_seed(0)
        weights.save(
            import_object(architectures()[name].net)(**arguments).eval(), folder / name, name, arguments, "float32"
        )
        subject = Subject.load(folder / name, Settings("onnx"))
        graph = convert.to_onnx(subject.net, subject.example, "torchscript")
        shapes = convert.named_shapes(subject.net, subject.example, None)
        told = metadata.of_model(subject, "torchscript")
        (folder / f"{name}.onnx").write_bytes(metadata.describe(graph, told, shapes))
    noise = np.random.default_rng(0).integers(0, 256, (60, 84, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "street.png")
    return folder


@pytest.mark.parametrize("name", TINY)
def test_predicts_without_torch(exports: Path, name: str):
    pictures = ["street.png"] * len(architectures()[name].inputs)
    done = light.run(exports, "predict", f"{name}.onnx", *pictures, "-o", f"out_{name}")
    assert done.code == 0, done.err
    assert done.err == ""
    (written,) = (exports / f"out_{name}").glob(f"*_{RESULTS[name]}")
    with Image.open(written) as picture:
        picture.load()
    assert not done.packages & {*light.MISSING, *HUB}


@pytest.mark.parametrize(
    "arguments",
    [
        "fit --recipe linknet_camvid",
        "fit --recipe linknet_streets --model.lr 0.1",
        "test --recipe linknet_camvid --weights linknet_camvid",
        "evaluate linknet_camvid",
        "card runs/x --name mine",
    ],
)
def test_what_needs_torch_says_so_in_a_line(tmp_path: Path, arguments: str):
    done = light.run(tmp_path, *arguments.split())
    assert done.code == 2
    (line,) = done.err.splitlines()
    needed, _, way_out = line.removeprefix("zoo: error: this needs ").partition(", which is not installed: ")
    assert needed in ("torch", "lightning"), line
    assert way_out == "pip install lightning-zoo"


def test_a_stranger_s_recipe_is_not_blamed_for_what_is_not_installed(tmp_path: Path):
    light.run(tmp_path, "pull", "linknet_camvid", "--to", "copy")
    done = light.run(tmp_path, "evaluate", "copy")
    assert (done.code, done.err) == (
        2,
        "zoo: error: this needs lightning, which is not installed: pip install lightning-zoo\n",
    )


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("torch.nn", "torch"),
        ("cv2", "opencv-python-headless"),
        ("PIL.Image", "pillow"),
        ("huggingface_hub", "huggingface_hub"),
        ("nowhere", None),
        ("onnx", None),  # part of an extra, which is asked for by its name
        (None, None),
    ],
)
def test_what_is_required_is_no_bug(
    module: str | None, package: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def fail(arguments: list[str]) -> int:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(main, "run", fail)
    assert main.main([]) == (2 if package else 70)
    told = f"error: this needs {package}, which is not installed: pip install lightning-zoo"
    bug = f"bug: ModuleNotFoundError: No module named {module!r}"
    assert capsys.readouterr().err.splitlines()[0] == f"zoo: {told if package else bug}"


def test_the_packages_of_the_light_installation_are_required():
    """Else ``pip install lightning-zoo`` would not bring them either."""
    needed = [each for each in requires("lightning-zoo") or () if "extra" not in each]
    for package in ("opencv-python-headless", "pillow", "huggingface[-_]hub"):
        assert any(re.match(rf"{package}\b", each) for each in needed)
    assert all(importlib.util.find_spec(name) for name in NEEDED - HUB)


def test_results_are_those_of_torch(exports: Path):
    light.run(exports, "predict", "homographynet.onnx", "street.png", "street.png", "-o", "light", "--passes", "1")
    (own,) = (exports / "light").glob("*.json")
    from zoo import load

    theirs = load(exports / "homographynet").predict(exports / "street.png", exports / "street.png", passes=1)
    np.testing.assert_allclose(json.loads(own.read_text())["matrix"], theirs.matrix, atol=1e-4)
