"""Multiply-adds: one number a network, whatever computes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from zoo.models.fast_style import FastStyle
from zoo.nn import cost
from zoo.nn.cpu import ReflectConv2d, UpsampledConv2d
from zoo.nn.instance_norm import ConditionalInstanceNorm
from zoo.nn.mode import counting


class Blended(nn.Module):
    """An instance norm with the weights that it needs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = ConditionalInstanceNorm(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x, x.new_full((len(x), 2), 0.5))


@pytest.mark.parametrize(
    ("make", "count"),  # counted on 4 channels of 16x16 pixels
    [
        (lambda: ReflectConv2d(4, 8, 3, stride=2), 3 * 3 * 4 * 8 * 8 * 8),
        (lambda: UpsampledConv2d(4, 3, 7, bias=True), 7 * 7 * 4 * 3 * 32 * 32),
        (lambda: UpsampledConv2d(4, 8), 3 * 3 * 4 * 8 * 32 * 32),
        (lambda: Blended(), 0),  # neither a convolution nor a matrix product, however many styles are blended
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_layer_costs_what_it_is_defined_as(
    make: Callable[[], nn.Module], count: int, dtype: torch.dtype, device: str
):
    """And not what a trick that is faster on some device multiplies."""
    layer = make().to(device, dtype)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        assert cost.macs(layer.to(memory_format=memory_format), 4, 16, 16) == count


def test_a_network_is_counted_as_its_paper_draws_it():
    """7x7 and 3x3 with stride 2, two 3x3 a block, 3x3 and 7x7 after the enlargings."""
    side, c = 32, 4
    down, up = 49 * 3 * c * 16**2 + 9 * c * 2 * c * 8**2, 9 * 2 * c * c * 16**2 + 49 * c * 3 * side**2
    drawn = down + 2 * 2 * 9 * (2 * c) ** 2 * 8**2 + up
    for styles in (["a"], ["a", "b", "c"]):
        assert cost.macs(FastStyle(styles, channels=c, blocks=2), 3, side, side) == drawn


def test_autocast_changes_nothing():
    net = FastStyle(channels=4, blocks=1)
    want = cost.macs(net, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert cost.macs(net, 3, 32, 32) == want


def test_what_is_counted_computes_the_same():
    torch.manual_seed(0)
    net, x = FastStyle(channels=4, blocks=1).eval(), torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        usual = net(x)
        with counting():
            torch.testing.assert_close(net(x), usual, rtol=1e-4, atol=1e-5)
        assert torch.equal(net(x), usual)


def test_batch_norm_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    cost.macs(net, 3, 8, 8)
    assert net.training
    assert net[1].num_batches_tracked == 0
