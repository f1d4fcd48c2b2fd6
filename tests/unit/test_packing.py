"""Convolutions that are packed for a CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.engines.torch import TorchEngine
from zoo.models.linknet.net import LinkNet
from zoo.nn.folding import fold_norms
from zoo.nn.packing import SHAPES, PackedConvolution, pack_convolutions

EXAMPLE = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def linknet(encoder: str) -> LinkNet:
    torch.manual_seed(0)
    net = LinkNet(4, encoder).eval()
    fold_norms(net, net.infer, EXAMPLE)
    return net


def packed(net: nn.Module) -> list[PackedConvolution]:
    return [module for module in net.modules() if isinstance(module, PackedConvolution)]


@pytest.mark.parametrize("encoder", ["test_resnet", "test_efficientnet"])
def test_linknet_computes_the_same_at_any_size(encoder: str):
    net, other = linknet(encoder), [torch.rand(2, 3, 40, 57), torch.rand(1, 3, 96, 64)]
    with torch.inference_mode():
        want = [net(x) for x in other]
    count = sum(type(module) in (nn.Conv2d, nn.ConvTranspose2d) for module in net.modules())
    assert pack_convolutions(net, net.infer, EXAMPLE) == len(packed(net)) == count > 20
    assert not any(isinstance(part, nn.ReLU) for name, part in net.named_modules() if name.startswith("decoder"))
    with torch.inference_mode():
        for x, y in zip(other * 2, want * 2, strict=True):
            torch.testing.assert_close(net(x), y, rtol=0, atol=1e-4)
        for side in range(64, 64 + 32 * 2 * SHAPES, 32):
            net(torch.rand(1, 3, 64, side))
    assert max(len(layer._packed) for layer in packed(net)) == SHAPES  # not without end
    assert TorchEngine(net).device == "cpu"


def test_bfloat16_is_that_of_autocast():
    x = torch.rand(1, 3, 64, 64).numpy()
    net = linknet("test_resnet")
    (exact,), (want,) = TorchEngine(net)(x), TorchEngine(net, autocast=True)(x)
    assert pack_convolutions(net, net.infer, EXAMPLE, torch.bfloat16) > 20
    (got,) = TorchEngine(net, autocast=True)(x)
    assert 0 < abs(got - exact).max() <= 2 * abs(want - exact).max()
    assert {layer(torch.rand(1, layer.plain.shape[1], 8, 8)).dtype for layer in packed(net)[:1]} == {torch.bfloat16}


class Branching(nn.Module):
    """Its first convolution's output goes into an activation and, if asked for, into a sum as well."""

    def __init__(self, both: bool, padding: str = "zeros") -> None:
        super().__init__()
        self.conv, self.act, self.both = nn.Conv2d(3, 4, 3, padding=1, padding_mode=padding), nn.ReLU(), both

    def infer(self, x: Tensor) -> tuple[Tensor, ...]:
        y = self.conv(x)
        return (self.act(y) + (y if self.both else 0),)


BRANCHING = [(Branching(False), 1), (Branching(True), 0), (Branching(False, "reflect"), 0)]


@pytest.mark.parametrize(("net", "count"), BRANCHING)
def test_what_cannot_be_packed_is_left(net: Branching, count: int):
    x = torch.rand(1, 3, 8, 8)
    (want,) = net.infer(x)
    assert pack_convolutions(net, net.infer, x) == count
    assert isinstance(net.act, nn.Identity if count else nn.ReLU)
    torch.testing.assert_close(net.infer(x)[0], want.detach())


def test_nothing_is_packed_without_onednn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    net = Branching(False)
    assert pack_convolutions(net, net.infer, torch.rand(1, 3, 8, 8)) == 0
    assert isinstance(net.conv, nn.Conv2d)
