from __future__ import annotations

import socket
from pathlib import Path

import huggingface_hub
import pytest
import safetensors.torch
import torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.models.linknet.net import create_encoder
from zoo.nn.vgg import VGGFeatures


@pytest.fixture
def first() -> dict[str, Tensor]:
    """Weights of VGG's first convolution, by timm's names."""
    return {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.randn(64)}


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Resolves no name and connects nowhere; the names that were asked for. The Hub's cache is empty."""
    asked: list[str] = []

    def unreachable(host: str, *_arguments: object, **_options: object) -> None:
        asked.append(host)
        raise socket.gaierror("Temporary failure in name resolution")

    def connect(*_arguments: object) -> None:
        raise AssertionError("a connection was tried")

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return asked


def put_into_cache(repo: str, tensors: dict[str, Tensor]) -> None:
    """As the Hub's client lays out what it fetched."""
    folder = Path(huggingface_hub.constants.HF_HUB_CACHE, f"models--{repo.replace('/', '--')}")
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    safetensors.torch.save_file(tensors, folder / "snapshots" / ("0" * 40) / "model.safetensors")


@pytest.mark.parametrize("depth", [16, 19])
def test_without_a_network_it_fails_at_once_and_names_the_way_out(depth: int, no_network: list[str]):
    with pytest.raises(ZooError, match=rf"(?s)vgg{depth}\.tv_in1k.*cannot be reached.*\.safetensors file") as caught:
        VGGFeatures(["relu1_1"], depth)
    assert no_network == ["huggingface.co"]  # once; the Hub's client would have tried again and again
    assert len(str(caught.value).splitlines()) <= 3


def test_without_a_network_the_cache_serves(no_network: list[str], first: dict[str, Tensor]):
    put_into_cache("timm/vgg16.tv_in1k", first)
    assert torch.equal(VGGFeatures(["relu1_1"]).conv1_1_weight, first["features.0.weight"])


def test_without_a_network_the_cache_serves_encoders_too(no_network: list[str]):
    source = create_encoder("test_resnet.r160_in1k", None).state_dict()
    put_into_cache("timm/test_resnet.r160_in1k", source)
    for name, tensor in create_encoder("test_resnet.r160_in1k", "timm").state_dict().items():
        assert torch.equal(tensor, source[name]), name


def test_without_weights_of_timm_the_way_out_is_named():
    with pytest.raises(ZooError, match=r"(?s)timm has no weights of botnet50ts_256.*or null for a random start"):
        create_encoder("botnet50ts_256", "timm")


def test_fetches_one_file_of_the_hub(first: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, str]] = []

    def download(repo: str, filename: str) -> str:
        asked.append((repo, filename))
        return str(tmp_path / "fetched.safetensors")

    safetensors.torch.save_file(first, tmp_path / "fetched.safetensors")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: [])
    assert torch.equal(VGGFeatures(["relu1_1"]).conv1_1_bias, first["features.0.bias"])
    assert asked == [("timm/vgg16.tv_in1k", "model.safetensors")]
