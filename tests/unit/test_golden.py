"""The golden input and output of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from zoo.base.errors import ZooError
from zoo.base.registry import architectures, import_object
from zoo.cards import golden
from zoo.models.linknet.net import LinkNet

EXAMPLE = architectures()["linknet"].example


@pytest.fixture
def net(tiny: Callable[[str], ModuleType]) -> nn.Module:
    torch.manual_seed(0)
    model = tiny("linknet")
    net = LinkNet(**model.ARGUMENTS)
    net.train()(torch.rand(4, 3, 64, 64))
    return net.eval()


@pytest.fixture
def config(net: nn.Module, tmp_path: Path) -> dict:
    return {"architecture": "linknet", "golden": golden.write(net, tmp_path, EXAMPLE)}


def rewrite(folder: Path, config: dict, **tensors: torch.Tensor) -> None:
    """Another golden file, described as it is: what a stranger would publish."""
    path = folder / golden.FILE
    save_file({**load_file(path), **tensors}, path)
    config["golden"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()


def test_describes_the_file(config: dict, tmp_path: Path):
    path = tmp_path / "golden.safetensors"
    content = path.read_bytes()
    described = {"file": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert config["golden"] == described
    assert json.loads(json.dumps(described)) == described
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", [name for name, each in architectures().items() if each.example])
def test_every_architecture_has_a_small_one(name: str, tiny: Callable[[str], ModuleType], tmp_path: Path):
    torch.manual_seed(0)
    net = import_object(architectures()[name].net)(**tiny(name).ARGUMENTS).eval()
    described = golden.write(net, tmp_path, architectures()[name].example)
    assert described["bytes"] < 100_000
    assert golden.check(net, tmp_path, {"architecture": name, "golden": described}) < golden.TOLERANCE / 2


def test_an_optimiser_has_none(tmp_path: Path):
    assert golden.check(nn.Identity(), tmp_path, {"architecture": "neural_style"}) == 0


@pytest.mark.parametrize("channels", [2, 3])
def test_the_picture_is_like_a_picture(channels: int):
    """Flat parts, edges and a slope, not noise; and each channel is another."""
    scene = golden.picture(channels, 48, 64)
    assert scene.shape == (1, channels, 48, 64)
    assert scene.dtype == torch.uint8
    assert torch.equal(scene, golden.picture(channels, 48, 64))
    steps = scene.int().diff(dim=-1).abs()
    assert (steps <= 8).float().mean() > 0.7
    assert steps.max() > 30
    assert scene.float().std() > 30
    assert not torch.equal(scene[:, 0], scene[:, 1])


def test_rounding_passes(net: nn.Module, config: dict, tmp_path: Path):
    """Another order of the sums: other threads, another layout, another implementation."""
    errors = [golden.check(net, tmp_path, config)]
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    errors.append(golden.check(net, tmp_path, config))
    torch.set_num_threads(threads)
    errors.append(golden.check(net.to(memory_format=torch.channels_last), tmp_path, config))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        errors.append(golden.check(net, tmp_path, config))  # a caller's autocast does not reach it
    assert max(errors) < golden.TOLERANCE / 2
    assert max(errors) - min(errors) < 1e-5


def test_train_mode_stays_and_does_not_matter(net: nn.Module, config: dict, tmp_path: Path):
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert golden.check(net.train(), tmp_path, config) < golden.TOLERANCE / 2
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    "name", ["classifier.bias", "classifier.weight", "head_conv.0.weight", "encoder.conv1.0.weight"]
)
def test_one_wrong_tensor_does_not_pass(net: nn.Module, config: dict, tmp_path: Path, name: str):
    tensor = net.state_dict()[name]
    tensor.copy_(tensor.flip(0))
    with pytest.raises(ZooError, match=r"golden\.safetensors: the output .* differs by [\d.e+]+ %, more than"):
        golden.check(net, tmp_path, config)


def test_what_is_no_number_does_not_pass(net: nn.Module, config: dict, tmp_path: Path):
    net.state_dict()["classifier.bias"].fill_(float("nan"))
    with pytest.raises(ZooError, match="differs by nan %"):
        golden.check(net, tmp_path, config)


def test_an_output_that_float16_cannot_hold_is_not_written(net: nn.Module, tmp_path: Path):
    net.state_dict()["classifier.bias"].fill_(1e6)
    with pytest.raises(ZooError, match="not finite in float16"):
        golden.write(net, tmp_path, EXAMPLE)
    with pytest.raises(ZooError, match="declare a smaller example"):
        golden.write(nn.Conv2d(3, 3, 1), tmp_path, (3, 200, 200))
    assert list(tmp_path.iterdir()) == []


def test_the_file_must_be_the_one_described(net: nn.Module, config: dict, tmp_path: Path):
    path = tmp_path / golden.FILE
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(ZooError, match="its SHA-256 is not that of"):
        golden.check(net, tmp_path, config)
    path.unlink()
    with pytest.raises(ZooError, match="no such file"):
        golden.check(net, tmp_path, config)
    for described in (None, [], {"file": "../golden.safetensors"}):
        with pytest.raises(ZooError, match=r"describes no golden\.safetensors"):
            golden.check(net, tmp_path, {**config, "golden": described})


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"input": torch.zeros(1, 3, 4, 4, dtype=torch.uint8)}, "not a picture of 3 x 48 x 64"),
        ({"input": torch.zeros(1, 3, 48, 64, dtype=torch.int8)}, "not a picture of 3 x 48 x 64 in uint8"),
        ({"input": torch.zeros(0, 3, 48, 64, dtype=torch.uint8)}, "not a picture of 3 x 48 x 64"),
        ({"output": torch.zeros(1, 11, 48, 64, dtype=torch.uint8)}, "an input and an output in float16 or float32"),
        (
            {"output": torch.zeros(1, 11, 4, 4)},
            r"the output has the shape \(1, 11, 48, 64\), the golden output \(1, 11, 4, 4\)",
        ),
        ({"output": torch.full((1, 11, 48, 64), torch.nan, dtype=torch.float16)}, "differs by nan"),
        ({"more": torch.zeros(1)}, "and nothing else"),
    ],
)
def test_hostile_files_are_refused(
    net: nn.Module, config: dict, tmp_path: Path, tensors: dict[str, torch.Tensor], message: str
):
    rewrite(tmp_path, config, **tensors)
    with pytest.raises(ZooError, match=message):
        golden.check(net, tmp_path, config)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_is_no_safetensors_file_is_refused(net: nn.Module, config: dict, tmp_path: Path, content: bytes):
    (tmp_path / golden.FILE).write_bytes(content)
    config["golden"]["sha256"] = hashlib.sha256(content).hexdigest()
    with pytest.raises(ZooError, match="refused"):
        golden.check(net, tmp_path, config)


def test_a_huge_file_is_not_read(net: nn.Module, config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with (tmp_path / golden.FILE).open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(ZooError, match="more than 200000 bytes"):
        golden.check(net, tmp_path, config)
