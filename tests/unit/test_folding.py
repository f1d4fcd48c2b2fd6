"""Batch norms that are folded into convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.models.linknet.net import LinkNet
from zoo.nn.folding import fold_norms


def trained(net: nn.Module) -> nn.Module:
    """With statistics that differ from those of a new network."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_(0, 0.2)
    return net.eval()


@pytest.mark.parametrize("encoder", ["test_resnet", "test_efficientnet"])
def test_linknet_computes_the_same_without_batch_norms(encoder: str):
    torch.manual_seed(0)
    net, x = trained(LinkNet(4, encoder)), torch.rand(1, 3, 64, 96)
    other = torch.rand(2, 3, 40, 56)
    with torch.inference_mode():
        want = net(other)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    assert fold_norms(net, net.infer, x) == norms > 20
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    with torch.inference_mode():
        assert torch.allclose(net(other), want, atol=1e-4)


class Shared(nn.Module):
    """A convolution whose output is taken by a batch norm and by a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.last, self.twice = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), False

    def infer(self, x: Tensor) -> tuple[Tensor, ...]:
        y = self.conv(x)
        return (self.norm(y) + (self.norm(self.last(y)) if self.twice else y),)


@pytest.mark.parametrize("twice", [False, True])
def test_what_something_else_takes_is_left(twice: bool):
    torch.manual_seed(0)
    net, x = trained(Shared()), torch.rand(1, 3, 8, 8)
    net.twice = twice
    (want,) = net.infer(x)
    assert fold_norms(net, net.infer, x) == 0
    assert torch.equal(net.infer(x)[0], want)
    assert isinstance(net.norm, nn.BatchNorm2d)
