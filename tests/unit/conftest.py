from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from zoo.base import files

README = """---
license: apache-2.0
data_license: drawn by the program
tags:
- image-segmentation
datasets:
- camvid
library_name: lightning-zoo
pipeline_tag: image-segmentation
---
# A card

Prose before.

<!-- zoo:begin results -->
<!-- zoo:end results -->

Prose after.
"""

MINI_RECIPE = """\
seed_everything: 3
model:
  class_path: zoo.models.linknet.module.LinkNetModule
  init_args:
    encoder: test_resnet
    encoder_weights: null
data:
  class_path: zoo.data.StreetScenes
  init_args:
    size: [64, 64]
    train: 4
    val: 2
    batch_size: 2
    num_workers: 0
    augment: {crop: [48, 64]}
trainer:
  accelerator: cpu
"""

CARD_RECIPE = """\
data:
  class_path: zoo.data.StreetScenes
  init_args:
    size: [64, 64]
    train: 2
    val: 3
    batch_size: 2
    augment: {crop: [64, 64]}
"""

RESULTS = {
    "figures": [
        {"metric": "mIoU", "data": "CamVid", "split": "test", "value": 0.6125, "tolerance": 0.002},
        {"metric": "pixel accuracy", "data": "CamVid", "split": "test", "value": 0.91, "tolerance": 0.001},
        {"metric": "mIoU", "data": "CamVid", "split": "val", "value": 0.65, "tolerance": 0.002},
    ],
    "tables": [
        {
            "title": "IoU of each class",
            "columns": ["class", "test", "val"],
            "rows": [["Sky", 0.9, 0.92], ["Pole", 0.3, None]],
        }
    ],
    "parameters": 3518635,
    "macs": {"480x360": 2.1e9},
    "speed": [{"what": "zoo linknet, float32", "ms": 21.04, "machine": "2 cores"}],
    "command": "zoo evaluate linknet_camvid --write",
    "versions": {"torch": "2.15.0"},
    "data_digest": {"test": "abc"},
    "commit": "0123456",
}


def write_card(folder: Path) -> Path:
    """A card that is complete but for its weights, which are no weights."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(README)
    (folder / "results.json").write_text(json.dumps(RESULTS))
    (folder / "recipe.yaml").write_text("model: {}\n")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "golden.safetensors").write_bytes(b"golden")
    config = {
        "architecture": "linknet",
        "arguments": {"num_classes": 2, "labels": ["Sky", "Pole"]},
        "zoo_version": "0.1.0",
        "weights": {
            "file": "model.safetensors",
            "sha256": hashlib.sha256(b"weights").hexdigest(),
            "bytes": 7_100_000,
            "dtype": "float16",
        },
        "golden": {"file": "golden.safetensors", "sha256": hashlib.sha256(b"golden").hexdigest(), "bytes": 6},
        "recipe": "linknet_camvid.yaml",
        "data": "camvid",
        "input": "RGB 0..1, any size",
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, without recipes and cards yet."""
    monkeypatch.setattr(files, "BUNDLED", tmp_path / "installation")
    return tmp_path / "installation"


@pytest.fixture
def card(bundle: Path) -> Path:
    return write_card(bundle / "cards" / "linknet_camvid")


@pytest.fixture
def claimed(card: Path, tiny_linknet: Path) -> Path:
    """A card whose figures nobody measured yet, with the weights of a tiny network."""
    from zoo import load
    from zoo.base.registry import architectures
    from zoo.cards import golden

    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_linknet / name, card / name)
    config = json.loads((card / "config.json").read_text())
    config |= {"recipe": "linknet_streets.yaml", "data": "street scenes"}
    config["golden"] = golden.write(load(tiny_linknet), card, architectures()["linknet"].example)
    (card / "config.json").write_text(json.dumps(config))
    (card / "recipe.yaml").write_text(CARD_RECIPE)
    content = json.loads((card / "results.json").read_text())
    (card / "results.json").write_text(json.dumps({**content, "figures": [], "tables": []}))
    return card


@pytest.fixture(scope="session")
def mini_recipe() -> str:
    """A recipe that trains in seconds; its last section, the trainer's, may be written on."""
    return MINI_RECIPE


@pytest.fixture(scope="session")
def style_net():
    """An untrained miniature of fast style with three styles that differ, and with results of high contrast."""
    import torch

    from zoo.models.fast_style.net import FastStyle

    torch.manual_seed(0)
    net = FastStyle(["one", "two", "three"], channels=6, blocks=2).eval()
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data.mul_(2)
    own = {id(parameter) for parameter in net.style_parameters()}
    for name, parameter in net.named_parameters():
        if id(parameter) in own and name.endswith("bias"):
            parameter.data.normal_(0, 0.3)
        elif name == "recolor.weight":
            parameter.data.normal_(0, 0.4)
        elif id(parameter) in own:
            parameter.data.uniform_(0.5, 2)
    return net
