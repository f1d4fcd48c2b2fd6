"""Safetensors files of other programs: recognised by their tensors, or refused in a line."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from zoo import load
from zoo.base.errors import ZooError
from zoo.commands.main import main
from zoo.models.perceptual_sr.foreign import arguments_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("zoo.hub.client.home", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def compact(scale: int = 4, channels: int = 8, convs: int = 3) -> dict[str, Tensor]:
    """Tensors as Real-ESRGAN's compact networks have them, with slopes of their own."""
    torch.manual_seed(0)
    tensors, inputs = {}, 3
    for i in range(convs + 1):
        tensors |= {
            f"body.{2 * i}.weight": torch.randn(channels, inputs, 3, 3) / 9,
            f"body.{2 * i}.bias": torch.zeros(channels),
        }
        tensors[f"body.{2 * i + 1}.weight"] = torch.rand(channels)
        inputs = channels
    last = 2 * convs + 2
    outputs = 3 * scale**2
    return tensors | {
        f"body.{last}.weight": torch.randn(outputs, channels, 3, 3) / 50,
        f"body.{last}.bias": torch.zeros(outputs),
    }


def written(path: Path, tensors: dict[str, Tensor]) -> Path:
    safetensors.torch.save_file(tensors, path)
    return path


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_file_is_computed_as_spandrel_does(scale: int, dtype: torch.dtype, tmp_path: Path):
    spandrel = pytest.importorskip("spandrel")
    tensors = {name: tensor.to(dtype) for name, tensor in compact(scale).items()}
    path = written(tmp_path / "4x mine.safetensors", tensors)
    net, other = load(path), spandrel.ModelLoader("cpu").load_from_file(path)
    with torch.inference_mode():
        x = torch.rand(1, 3, 18, 23)
        torch.testing.assert_close(net(x), other.model.float()(x), rtol=0, atol=1e-4)
    assert net.predict(np.zeros((5, 7, 3), np.uint8)).size == (7 * scale, 5 * scale)


def test_it_is_predicted_with_and_said_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], cache: Path):
    path = written(tmp_path / "a.safetensors", compact())
    picture = tmp_path / "picture.png"
    load(path).predict(np.full((6, 9, 3), 100, np.uint8)).save(picture)
    assert main(["predict", str(path), str(picture), "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "picture_x4.png").is_file()
    assert len(list((cache / "adopted").iterdir())) == 1  # it is made once


BROKEN = {
    "empty": b"",
    "short": struct.pack("<Q", 100) + b"{}",
    "endless": struct.pack("<Q", 2**62),
    "no JSON": struct.pack("<Q", 2) + b"{]",
    "a list": struct.pack("<Q", 2) + b"[]",
    "no shape": struct.pack("<Q", 17) + b'{"a":{"dtype":1}}',
    "deep": struct.pack("<Q", 100_000) + b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_safetensors_file_is_refused(content: bytes, tmp_path: Path, cache: Path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ZooError, match=r"a\.safetensors: refused, not a safetensors file") as error:
        load(path)
    assert len(str(error.value).splitlines()) == 1
    assert not cache.exists()


def header(**tensors: dict) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


def test_lies_in_the_header_are_refused(tmp_path: Path, cache: Path):
    path = written(tmp_path / "a.safetensors", compact())
    whole = path.read_bytes()
    for content in (whole[:-1], whole + b"\0"):
        path.write_bytes(content)
        with pytest.raises(ZooError, match="it was cut short, or is damaged; copy it again"):
            load(path)
    path.write_bytes(header())
    with pytest.raises(ZooError, match="refused, it holds no tensors"):
        load(path)
    for shape in ([-1, 3], ["8", 3], [True], 5):
        path.write_bytes(header(a={"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}))
        with pytest.raises(ZooError, match="refused, not a safetensors file"):
            load(path)
    path.write_bytes(header(a={"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 0]}))
    with pytest.raises(ZooError, match="cut short"):
        load(path)
    path.write_bytes(header(a={"dtype": "F64", "shape": [0], "data_offsets": [0, 0]}))
    with pytest.raises(ZooError, match="its numbers are F64, not all of one float type"):
        load(path)
    assert not cache.exists()


def test_tensors_of_other_networks_are_refused(tmp_path: Path):
    for tensors in ({"features.0.weight": torch.zeros(3)}, compact() | {"head.weight": torch.zeros(1)}):
        path = written(tmp_path / "a.safetensors", tensors)
        with pytest.raises(ZooError, match=r"no network that loads from files of other programs: perceptual_sr\n"):
            load(path)
    with pytest.raises(ZooError, match="no such file"):
        load(tmp_path / "missing.safetensors")


UNFIT = {
    "another width in the middle": {"body.2.weight": torch.zeros(8, 9, 3, 3)},
    "a scalar": {"body.0.weight": torch.zeros(())},
    "a scalar as bias": {"body.0.bias": torch.zeros(())},
    "a scalar at the end": {"body.8.bias": torch.zeros(())},
    "slopes of another number": {"body.3.weight": torch.zeros(1)},
    "one more": {"body.9.weight": torch.zeros(8)},
}


@pytest.mark.parametrize("changed", UNFIT.values(), ids=UNFIT)
def test_shapes_that_do_not_fit_each_other_are_refused(changed: dict[str, Tensor], tmp_path: Path, cache: Path):
    with pytest.raises(ZooError, match="its tensors fit no network"):
        load(written(tmp_path / "a.safetensors", compact() | changed))
    assert not cache.exists()


def test_more_layers_than_are_allowed_are_refused(tmp_path: Path):
    with pytest.raises(ZooError, match=r"arguments\.blocks: must be a whole number from 1 to 256"):
        load(written(tmp_path / "b.safetensors", compact(channels=1, convs=257)))


def test_a_damaged_copy_is_made_again(tmp_path: Path, cache: Path):
    path = written(tmp_path / "a.safetensors", compact())
    load(path)
    (copy,) = (cache / "adopted").glob("*/model.safetensors")
    config, before = copy.with_name("config.json"), copy.read_bytes()
    copy.write_bytes(before[:-1] + b"x")
    config.write_text("{}")
    load(path)
    assert copy.read_bytes() == before
    assert "perceptual_sr" in config.read_text()


def test_the_configuration_of_another_program_beside_it_does_not_matter(tmp_path: Path):
    path = written(tmp_path / "a.safetensors", compact())
    for text in ("{}", "[", json.dumps({"weights": {"file": "b.safetensors"}})):
        (tmp_path / "config.json").write_text(text)
        load(path)
    (tmp_path / "config.json").write_text(json.dumps({"weights": {"file": path.name}}))
    with pytest.raises(ZooError, match="a file, not a model"):
        load(path)


def test_an_export_of_it_says_that_nobody_told_its_licence(tmp_path: Path):
    path = written(tmp_path / "a.safetensors", compact())
    pytest.importorskip("spandrel")
    assert main(["export", str(path), "--to=spandrel", "--no-figures", f"-o={tmp_path / 'out'}"]) == 0
    assert "License of the weights: not said." in (tmp_path / "out" / "USE.md").read_text()


@pytest.mark.parametrize("outputs", [3, 27, 48, 75])
def test_shapes_tell_scale_width_and_depth(outputs: int):
    shapes = {name: tuple(tensor.shape) for name, tensor in compact(4, 12, 5).items()}
    shapes |= {"body.12.weight": (outputs, 12, 3, 3), "body.12.bias": (outputs,)}
    found = arguments_of(shapes)
    if outputs in (27, 48):
        scale = {27: 3, 48: 4}[outputs]
        assert found == {"network": "compact", "scale": scale, "channels": 12, "blocks": 5}
    else:
        assert found is None
