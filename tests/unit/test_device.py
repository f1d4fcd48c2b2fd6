"""Which devices networks can compute on, and the mistakes that name another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from zoo import load
from zoo.base.errors import ZooError
from zoo.commands import main
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
