"""Convolutions that pad by reflection: those of torch, but faster where channels come last."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.cpu import ReflectConv2d, UpsampledConv2d, reflected


def assert_same_results_and_gradients(own: nn.Module, other: nn.Module, x: Tensor) -> None:
    """In float64, where the gradient that comes back has channels last and where it has not."""
    for memory_format in (torch.channels_last, torch.contiguous_format):
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        results = [module(one) for module, one in zip((own, other), inputs, strict=True)]
        torch.testing.assert_close(*results)
        gradient = torch.randn(results[0].shape, dtype=x.dtype).contiguous(memory_format=memory_format)
        wanted = [
            torch.autograd.grad(result, [one, *module.parameters()], gradient)
            for result, one, module in zip(results, inputs, (own, other), strict=True)
        ]
        torch.testing.assert_close(*wanted)


@pytest.mark.parametrize(
    ("kernel", "stride", "size"), [(3, 1, (2, 2)), (3, 2, (7, 4)), (9, 1, (5, 13)), (5, 3, (8, 9))]
)
def test_pads_by_reflection(kernel: int, stride: int, size: tuple[int, int]):
    torch.manual_seed(0)
    own = ReflectConv2d(3, 4, kernel, stride, bias=True).double()
    other = nn.Conv2d(3, 4, kernel, stride, kernel // 2, padding_mode="reflect").double()
    other.load_state_dict(own.state_dict())
    assert_same_results_and_gradients(own, other, torch.randn(2, 3, *size, dtype=torch.float64))
    expected = tuple(-(-side // stride) for side in size)
    assert own(torch.zeros(1, 3, *size, dtype=torch.float64)).shape[2:] == expected


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 7)])
@pytest.mark.parametrize(("kernel", "bias"), [(1, False), (3, False), (5, True), (7, True), (9, False)])
def test_upsamples_as_if_the_large_picture_were_made(kernel: int, bias: bool, size: tuple[int, int]):
    """The small picture's border is repeated as far as the kernel reaches."""
    torch.manual_seed(0)
    own = UpsampledConv2d(3, 5, kernel, bias).double()
    conv = nn.Conv2d(3, 5, kernel, bias=bias).double()
    conv.load_state_dict(own.state_dict())
    beyond = 4  # more than any kernel here reaches
    other = nn.Sequential(
        nn.ReplicationPad2d(beyond),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.ZeroPad2d(kernel // 2 - 2 * beyond),
        conv,
    )
    assert_same_results_and_gradients(own, other, torch.randn(2, 3, *size, dtype=torch.float64))


def test_a_sharpened_slope_has_no_teeth():
    """Of nearest neighbours it would have stairs, and a kernel that sharpens would make them larger."""
    conv = UpsampledConv2d(1, 1)
    conv.weight.data = torch.tensor([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]])[None, None]
    with torch.inference_mode():
        steps = conv(torch.arange(9.0).expand(1, 1, 9, 9))[0, 0, 8, 3:-3].diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 0.5))


def test_the_upsampled_kernel_is_no_part_of_the_weights():
    assert {name: tuple(p.shape) for name, p in UpsampledConv2d(4, 2).state_dict().items()} == {"weight": (2, 4, 3, 3)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_reflected_has_channels_last(dtype: torch.dtype):
    x = torch.randn(2, 3, 6, 5).to(dtype)
    y = reflected(x, 4)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, F.pad(x, (4, 4, 4, 4), "reflect"))


def test_all_can_be_exported():
    net = nn.Sequential(ReflectConv2d(3, 4, 3), UpsampledConv2d(4, 2), UpsampledConv2d(2, 3, 7, bias=True)).eval()
    x = torch.rand(1, 3, 8, 10)
    exported = torch.export.export(net, (x,))
    assert not any("empty" in str(node.target) for node in exported.graph.nodes)  # nothing written in place
    with torch.inference_mode():
        torch.testing.assert_close(exported.module()(x), net(x))
