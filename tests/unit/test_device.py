"""Which devices networks can compute on, and the mistakes that name another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from zoo import load
from zoo.base.errors import ZooError
from zoo.commands import evaluate, main, predict
from zoo.commands.devices import chosen_device
from zoo.nn.device import devices, usable_device

WRONG = ["meta", "cuda:99", "cuda:-1", "mps:9", "nonsense", "xla", "privateuseone", "cpu:3", "", "cuda:" + "9" * 30]


@pytest.mark.parametrize("name", WRONG)
def test_a_device_that_is_not_here(name: str, tiny_linknet: Path):
    message = rf"^device '{name[:50]}.* is not here; there are: cpu"
    with pytest.raises(ZooError, match=message):
        usable_device(name)
    with pytest.raises(ZooError, match=message):
        load(tiny_linknet, device=name)


@pytest.mark.parametrize("name", ["cpu", "cpu:0", torch.device("cpu"), *devices()])
def test_those_that_are(name: str, tiny_linknet: Path):
    assert next(load(tiny_linknet, device=name).parameters()).device.type == torch.device(name).type


def test_those_of_a_machine_with_accelerators(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert devices() == ["cpu", "cuda:0", "cuda:1"]
    assert usable_device("cuda") == torch.device("cuda")
    assert usable_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ZooError, match="there are: cpu, cuda:0, cuda:1"):
        usable_device("cuda:2")


@pytest.mark.parametrize("name", ["meta", "cuda:99", "nonsense"])
@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_every_verb_says_so(
    verb: str, name: str, tiny_linknet: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch
):
    """Before anything is fetched, read or drawn."""
    monkeypatch.chdir(tmp_path)
    model = shutil.copytree(tiny_linknet, tmp_path / "model")
    (model / "recipe.yaml").write_text("data: {class_path: zoo.data.StreetScenes}\n")
    (tmp_path / "a.png").write_bytes(b"no picture")
    words = ["a.png", "-o", "out"] if verb == "predict" else []
    assert main.main([verb, str(model), *words, "--device", name]) == 2
    error = capsys.readouterr().err.splitlines()
    assert error == [f"zoo: error: device '{name}' is not here; there are: {', '.join(devices())}"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("count", "asked", "engine", "device", "told"),
    [
        (0, None, "torch", "cpu", ""),
        (1, None, "torch", "cuda:0", "Device: cuda:0 (--device takes another)\n"),
        (4, None, "torch", "cuda:0", "Device: cuda:0, one of 4 GPUs (--device takes another)\n"),
        (4, "cuda:2", "torch", "cuda:2", "Device: cuda:2, one of 4 GPUs (--device takes another)\n"),
        (4, "cpu", "torch", "cpu", "Device: cpu (--device takes another)\n"),
        (4, None, "onnx", "cpu", ""),
    ],
)
def test_a_verb_takes_the_first_gpu_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    count: int,
    asked: str | None,
    engine: str,
    device: str,
    told: str,
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert chosen_device(asked, engine) == device
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_verbs_choose_the_device_alike(tiny_linknet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str):
    asked = []
    for module in (predict, evaluate):
        monkeypatch.setattr(module, "chosen_device", lambda *given: asked.append(given) or "nowhere")
    words = [str(tmp_path / "a.png"), "-o", str(tmp_path / "out")] if verb == "predict" else []
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    name = str(tiny_linknet) if verb == "predict" else "linknet"
    assert main.main([verb, name, *words]) == 2
    assert asked == [(None, "torch")]
