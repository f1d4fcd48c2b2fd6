"""Published, pulled into an empty cache and measured: the figures of a card of each architecture are what they were."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage import data

from zoo.base.files import read_json
from zoo.base.registry import architectures
from zoo.commands import main, publish
from zoo.data.style import draw_pattern
from zoo.hub import locate
from zoo.models.fast_style import module as fast_style
from zoo.models.fast_style.module import read_styles
from zoo.nn.vgg import VGGFeatures


def pictures(folder: Path, size: tuple[int, int] = (64, 48), count: int = 12) -> Path:
    """Parts of a photograph."""
    folder.mkdir(parents=True)
    width, height = size
    for i, y in enumerate(range(0, 20 * count, 20)):
        Image.fromarray(data.astronaut()[y : y + height, y : y + width]).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of VGG-16, as deep as any loss looks, untrained."""
    torch.manual_seed(0)
    net = VGGFeatures(["conv5_3"], weights=None)
    convolutions = [(i, name) for i, name in enumerate(net.computed) if name.startswith("conv")]
    tensors = dict(net.named_buffers())
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    kinds = ("weight", "bias")
    save_file(
        {f"features.{i}.{kind}": tensors[f"{name}_{kind}"].contiguous() for i, name in convolutions for kind in kinds},
        path,
    )
    return path


def arguments(architecture: str, folder: Path, vgg: Path, tiny: Callable[[str], ModuleType]) -> list[str]:
    """What makes a measurement a matter of seconds."""
    if architecture == "linknet":
        tiny("linknet").write_camvid(folder / "CamVid")
        return [f"--data.root={folder}"]
    if architecture == "homographynet":
        root = pictures(folder / "pictures", (330, 260))
        return [
            f"--data.root={root}",
            "--data.val_fraction=0.3",
            "--data.test_pairs=10",
        ]
    if architecture == "xfeat":
        return [f"--data.root={pictures(folder / 'pictures', (330, 260))}", "--data.val_fraction=0.3", "--pairs=3"]
    if architecture == "perceptual_sr":
        return [f"--data.test=[{pictures(folder / 'Two', (160, 120), 2)}]", f"--vgg={vgg}"]
    Image.fromarray(draw_pattern(48, 64)).save(folder / "style.png")
    if architecture == "neural_style":
        Image.fromarray(data.coffee()[100:164, 100:196]).save(folder / "content.png")
        given = [f"--data.content={folder / 'content.png'}", f"--data.style={folder / 'style.png'}"]
        return [*given, f"--vgg={vgg}", "--iterations=2"]
    root = pictures(folder / "pictures")
    names = read_json(locate.find("fast_style").folder / "config.json")["arguments"]["styles"]
    styles = ", ".join(f"{name}: {folder / 'style.png'}" for name in names)
    given = [f"--data.root={root}", "--data.val_fraction=0.3", f"--styles={{{styles}}}", f"--vgg={vgg}"]
    return [*given, "--size=32", "--iterations=[2]", "--photographs=2", "--compared=1"]


def figures(out: str) -> list[str]:
    """The last table that is printed: claims, and what was measured."""
    return out[out.rindex("\nfigure") :].split("note:")[0].splitlines()[1:]


@pytest.mark.parametrize("name", [each.weights[0] for each in architectures().values() if each.weights])
def test_the_figures_are_what_they_were(
    name: str,
    hub: Any,
    cold: Callable[[], Path],
    vgg: Path,
    tiny: Callable[[str], ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_thread: None,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.setattr(fast_style, "read_styles", lambda files, size, sizes: read_styles(files, 64, sizes))
    folder = locate.find(name).folder
    given = arguments(read_json(folder / "config.json")["architecture"], tmp_path, vgg, tiny)
    measured = []
    published = publish.publish(folder, f"me/{name}")
    for model in (name, published.reference):
        cold()
        assert main.main(["evaluate", model, *given]) == 3  # on data of its own, which say nothing of the claims
        measured.append(capsys.readouterr().out)
    want, have = map(figures, measured)
    assert sum(bool(re.search(r"\d\.?\d*  ", line)) for line in want) > 1
    assert have == want
