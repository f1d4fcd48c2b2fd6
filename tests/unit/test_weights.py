from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from zoo import load
from zoo.base import files
from zoo.base.errors import ZooError
from zoo.cards import weights
from zoo.models.linknet.net import LinkNet

ARGUMENTS = {"num_classes": 3, "encoder": "test_efficientnet", "labels": ["road/lane", "sky", "car"]}


@pytest.fixture(scope="session")
def trained() -> LinkNet:
    torch.manual_seed(0)
    net = LinkNet(**ARGUMENTS)
    net.train()(torch.rand(2, 3, 64, 64))  # batch norm's statistics leave their defaults
    return net.eval()


@pytest.fixture(scope="session")
def saved(trained: LinkNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    weights.save(trained, folder, "linknet", ARGUMENTS, input="RGB 0..1, any size")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "card")


def edit(folder: Path, **entries: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def edit_arguments(folder: Path, **arguments: object) -> None:
    edit(folder, arguments={**ARGUMENTS, **arguments})


def rewrite(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Other weights with a right digest."""
    content = safetensors.torch.save(tensors)
    (folder / "model.safetensors").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    described = {"file": "model.safetensors", "sha256": sha256, "bytes": len(content), "dtype": "float16"}
    edit(folder, weights=described)


def test_what_is_saved_is_loaded(trained: LinkNet, folder: Path):
    net = load(folder)
    assert not net.training
    assert net.labels == ("road/lane", "sky", "car")
    for name, tensor in trained.state_dict().items():
        have = net.state_dict()[name]
        assert have.dtype == tensor.dtype
        assert torch.equal(have, tensor.half().float() if tensor.is_floating_point() else tensor), name


def test_float32_is_loaded_bit_for_bit(trained: LinkNet, tmp_path: Path):
    weights.save(trained, tmp_path, "linknet", ARGUMENTS, dtype="float32")
    picture = torch.rand(1, 3, 65, 66)
    with torch.inference_mode():
        assert torch.equal(load(tmp_path)(picture), trained(picture))


def test_config_describes_the_file(folder: Path):
    config = json.loads((folder / "config.json").read_text())
    assert config["architecture"] == "linknet"
    assert config["arguments"] == ARGUMENTS
    assert config["weights"]["bytes"] == (folder / "model.safetensors").stat().st_size
    assert config["weights"]["dtype"] == "float16"
    assert config["input"] == "RGB 0..1, any size"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_loads_by_the_names_of_card_and_architecture(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "BUNDLED", tmp_path)
    shutil.copytree(folder, tmp_path / "cards" / "linknet_camvid")
    assert isinstance(load("linknet_camvid"), LinkNet)
    assert isinstance(load("linknet"), LinkNet)


def test_loading_imports_no_lightning(folder: Path):
    program = "import sys, zoo; zoo.load(sys.argv[1]); assert not {'lightning', 'pytorch_lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)


@pytest.mark.parametrize("damage", ["truncated", "bit-flipped", "empty"])
def test_damaged_weights_are_refused_before_they_are_parsed(folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    whole = bytes(content)
    path.write_bytes({"truncated": whole[:-100], "bit-flipped": whole, "empty": b""}[damage])
    monkeypatch.setattr(safetensors.torch, "load", lambda content: pytest.fail("parsed"))
    with pytest.raises(ZooError, match=r"(?s)refused, its SHA-256.*restore it"):
        load(folder)


def test_a_missing_file_is_named(folder: Path):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ZooError, match=r"model\.safetensors: no such file"):
        load(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "x" * 64), ("sha256", "0" * 63), ("sha256", "0" * 64 + "\n\x1b[2J"), ("sha256", ["0"]),
        ("sha256", None), ("bytes", "\x1b[2J"), ("bytes", -1), ("bytes", [1]), ("dtype", 16),
    ],
)  # fmt: skip
def test_what_is_said_of_the_weights_is_checked_before_it_is_shown(folder: Path, field: str, value: object):
    content = json.loads((folder / "config.json").read_text())["weights"]
    edit(folder, weights={**content, "sha256": "0" * 64, field: value})
    with pytest.raises(ZooError, match=rf"config\.json: weights\.{field}: ") as raised:
        load(folder)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("file", ["../x.safetensors", "/x.safetensors", "a/b.safetensors", "x.ckpt", "..", 3, None])
def test_weights_outside_of_the_folder_are_refused(folder: Path, file: object):
    content = json.loads((folder / "config.json").read_text())["weights"]
    shutil.copy(folder / "model.safetensors", folder.parent / "x.safetensors")
    edit(folder, weights={**content, "file": file})
    with pytest.raises(ZooError, match=r"weights\.file(:| must name)"):
        load(folder)


@pytest.mark.parametrize(
    "architecture", ["os.system", "zoo.models.linknet.net.LinkNet", "../linknet", "", None, ["linknet"]]
)
def test_only_names_of_the_registry_are_architectures(folder: Path, architecture: object):
    edit(folder, architecture=architecture)
    with pytest.raises(ZooError, match="no architecture"):
        load(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_clases": 3}, "did you mean num_classes"),
        ({"class_path": "os.system"}, "has no argument 'class_path'"),
        ({"encoder": "hf-hub:someone/model"}, r"arguments\.encoder may not be"),
        ({"encoder": "../model"}, r"arguments\.encoder may not be"),
        ({"encoder": {"class_path": "os.system"}}, r"arguments\.encoder may not be"),
        ({"encoder_weights": "timm"}, r"arguments\.encoder_weights may not be"),
        ({"encoder_weights": "pickle.pth"}, r"arguments\.encoder_weights may not be"),
        ({"encoder": "no_such_encoder"}, "no_such_encoder"),
        ({"num_classes": "three"}, r"arguments\.num_classes: must be a whole number from 1 to 256, not 'three'"),
        ({"num_classes": 3.0}, r"arguments\.num_classes: must be a whole number"),
        ({"num_classes": True}, r"arguments\.num_classes: must be a whole number"),
        ({"num_classes": 0}, "from 1 to 256"),
        ({"num_classes": 257}, "from 1 to 256"),  # a mask has 8 bits
        ({"palette": [[0, 0, 256]] * 3}, r"arguments\.palette\.0\.2: .*from 0 to 255"),
        ({"num_classes": 10**400}, r"arguments\.num_classes may not be"),
        ({"stem_skip": "yes"}, r"arguments\.stem_skip: must be true or false"),
        ({"labels": ["\x1b[2J", "sky", "car"]}, r"arguments\.labels may not be"),
        ({"labels": [[["road"]], "sky", "car"]}, r"arguments\.labels may not be"),
        ({"palette": [[float("nan")] * 3] * 3}, r"arguments\.palette may not be"),
        ({"labels": ["one"]}, "label"),
    ],
)
def test_hostile_and_wrong_arguments_are_refused(folder: Path, arguments: dict[str, object], message: str):
    edit_arguments(folder, **arguments)
    with pytest.raises(ZooError, match=message):
        load(folder)


@pytest.mark.parametrize("arguments", [None, [], {"encoder": "test_efficientnet"}])
def test_arguments_must_be_whole(folder: Path, arguments: object):
    edit(folder, arguments=arguments)
    with pytest.raises(ZooError, match=r"arguments must be|missing a required argument"):
        load(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff"])
def test_a_broken_config_is_named(folder: Path, text: str):
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ZooError, match=r"config\.json"):
        load(folder)


def test_the_first_tensor_that_differs_is_named(folder: Path):
    state = weights.read_state(folder)
    name = "classifier.weight"
    other = {
        r"classifier\.weight' is missing": {key: value for key, value in state.items() if key != name},
        "extra' is not one of its tensors": {**state, "extra": torch.zeros(1)},
        r"classifier\.weight' has shape \(1,\)": {**state, name: torch.zeros(1)},
        r"classifier\.weight' is torch\.int64": {**state, name: state[name].long()},
        r"classifier\.weight' is torch\.float32, not torch\.float16": {**state, name: state[name].float()},
    }
    for message, tensors in other.items():
        rewrite(folder, tensors)
        with pytest.raises(ZooError, match=message):
            load(folder)


def test_a_device_that_is_not_there(folder: Path):
    with pytest.raises(ZooError, match="device 'no_such_device'"):
        load(folder, device="no_such_device")


def test_fine_tuning_keeps_what_fits(folder: Path):
    net = LinkNet(num_classes=5, encoder="test_efficientnet")
    head = net.classifier.weight.detach().clone()
    assert weights.load_matching(net, folder) == ["classifier.weight", "classifier.bias"]
    assert torch.equal(net.classifier.weight, head)
    stored = weights.read_state(folder)
    for name, tensor in net.state_dict().items():
        if not name.startswith("classifier"):
            assert torch.equal(tensor, stored[name].to(tensor.dtype)), name


def test_fine_tuning_from_a_safetensors_file(folder: Path):
    assert weights.load_matching(LinkNet(**ARGUMENTS), folder / "model.safetensors") == []


def test_fine_tuning_from_nothing_that_fits(folder: Path):
    with pytest.raises(ZooError, match="none of its tensors fits Linear"):
        weights.load_matching(torch.nn.Linear(1, 1), folder)


def test_only_safetensors_are_read(tmp_path: Path):
    pickle, torn = tmp_path / "last.ckpt", tmp_path / "torn.safetensors"
    torch.save({"state_dict": {}}, pickle)
    torn.write_bytes(b"\x10" * 20)
    with pytest.raises(ZooError, match="a pickle"):
        weights.read_state(pickle)
    with pytest.raises(ZooError, match="refused, not a whole safetensors file"):
        weights.read_state(torn)
    with pytest.raises(ZooError, match="no such file"):
        weights.read_state(tmp_path / "none.safetensors")


def test_saving_refuses_what_loading_would(trained: LinkNet, tmp_path: Path):
    with pytest.raises(ZooError, match="encoder_weights may not be"):
        weights.save(trained, tmp_path, "linknet", {**ARGUMENTS, "encoder_weights": "timm"})
    assert list(tmp_path.iterdir()) == []


def test_saving_refuses_values_that_float16_cannot_hold(tmp_path: Path):
    net = LinkNet(**ARGUMENTS)
    net.classifier.bias.data[0] = 1e6
    with pytest.raises(ZooError, match=r"classifier\.bias has values that float16 cannot hold"):
        weights.save(net, tmp_path, "linknet", ARGUMENTS, dtype="float16")
    weights.save(net, tmp_path, "linknet", ARGUMENTS, dtype="bfloat16")
    assert load(tmp_path).classifier.bias[0].item() == pytest.approx(1e6, rel=0.01)


def test_a_long_training_is_saved_although_float16_overflows(tmp_path: Path):
    """Such as by a running variance: refused after the last epoch, its network would be lost."""
    net = LinkNet(**ARGUMENTS)
    net.classifier.bias.data[0] = 1e6
    weights.save(net, tmp_path, "linknet", ARGUMENTS)
    assert torch.equal(load(tmp_path).classifier.bias, net.classifier.bias)
    assert json.loads((tmp_path / "config.json").read_text())["weights"]["dtype"] == "float32"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_network_is_not_saved_as_a_good_one(tmp_path: Path, value: float):
    net = LinkNet(**ARGUMENTS)
    net.classifier.bias.data[0] = value
    with pytest.raises(ZooError, match=r"classifier\.bias has values that are not finite: the training diverged"):
        weights.save(net, tmp_path, "linknet", ARGUMENTS)
    assert list(tmp_path.iterdir()) == []
