"""Instance norm with the vectors of several styles, fast where channels come last."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor, nn

import zoo
from zoo.base.files import bundled
from zoo.engines import open_engine
from zoo.engines.unreported import unreported
from zoo.models.fast_style.net import FastStyle
from zoo.nn.instance_norm import ConditionalInstanceNorm, sums
from zoo.nn.mode import counting

ONE = torch.ones(1, 1)  # the weight of the only style


def with_parameters(channels: int, styles: int = 1) -> ConditionalInstanceNorm:
    torch.manual_seed(0)
    norm = ConditionalInstanceNorm(channels, styles)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def in_torch(norm: ConditionalInstanceNorm, style: int = 0) -> nn.InstanceNorm2d:
    """Torch's own norm in float64, with the vectors of one style."""
    plain = nn.InstanceNorm2d(norm.channels, affine=True).double()
    plain.load_state_dict({"weight": norm.weight[style].double(), "bias": norm.bias[style].double()})
    return plain


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("size", [(2, 5, 2, 2), (1, 16, 65, 130), (3, 1, 7, 9)])
def test_equals_torch(size: tuple[int, ...], memory_format: torch.memory_format):
    """Also where the mean is far from zero; with gradients and without."""
    norm = with_parameters(size[1])
    x = (3 * torch.randn(size) + 20).contiguous(memory_format=memory_format)
    expected, mix = in_torch(norm)(x.double()), ONE.expand(size[0], 1)
    with torch.inference_mode():
        fast = norm(x, mix)
    for result in (norm(x, mix), fast):
        assert result.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(result.double(), expected, atol=2e-5, rtol=0)
    assert norm(x, mix).requires_grad


def test_each_picture_gets_its_style_and_a_blend_the_mean():
    norm, x = with_parameters(4, 3), torch.randn(3, 4, 9, 8)
    mix = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.25, 0.0, 0.75]])
    found = norm(x, mix).double()
    first, second, last = (in_torch(norm, style)(x.double()) for style in (1, 0, 2))
    assert torch.allclose(found[0], first[0], atol=1e-5)
    assert torch.allclose(found[1], second[1], atol=1e-5)
    assert torch.allclose(found[2], 0.25 * second[2] + 0.75 * last[2], atol=1e-5)


@pytest.mark.parametrize("computed", [nullcontext, counting])  # as it is, and as it is exported
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("size", [(1024, 1024), (2048, 50), (50, 2048)])
def test_sums_over_a_large_picture_are_exact(
    size: tuple[int, int], grad: bool, computed: Callable[[], AbstractContextManager[None]]
):
    """Batch norm's own, pixel after pixel in float32, is off by 1e-3."""
    norm = with_parameters(3)
    x = torch.randn(1, 3, *size) + torch.linspace(-2, 3, size[1]) + torch.tensor([-4, 0, 4])[:, None, None]
    with torch.set_grad_enabled(grad), computed():
        assert (norm(x, ONE).double() - in_torch(norm)(x.double())).abs().max() < 5e-6


@pytest.mark.parametrize(("kind", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino"), ("opencv", "cv2")])
def test_an_export_is_exact_where_runtimes_add_up_in_float32(kind: str, package: str):
    pytest.importorskip("onnx")
    with unreported():
        pytest.importorskip(package)
    norm, file = with_parameters(3, 2).eval(), io.BytesIO()
    x = torch.randn(1, 3, 1024, 768) + torch.linspace(-2, 3, 768) + torch.tensor([-4, 0, 4])[:, None, None]
    mix, names = torch.tensor([[0.25, 0.75]]), ["x", "style"]
    torch.onnx.export(norm, (x, mix), file, dynamo=False, opset_version=18, input_names=names, output_names=["y"])
    (y,) = open_engine(kind, file.getvalue(), ["y"])(x.numpy(), mix.numpy())
    with torch.inference_mode():
        assert np.abs(y - norm.double()(x.double(), mix.double()).numpy()).max() < 2e-5


def exactness(net: FastStyle, side: int) -> float:
    """How far a styled photograph is from the same in float64."""
    picture = torch.from_numpy(skimage.data.astronaut()[:side]).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        styled, exact = net(picture), net.double()(picture.double())
    return float((styled - exact).abs().max())


def test_a_styled_photograph_equals_that_in_float64():
    torch.manual_seed(0)
    assert exactness(FastStyle(["a", "b"], channels=8, blocks=2).eval(), 256) < 2e-5


def test_a_photograph_styled_by_the_card_equals_that_in_float64():
    if not (bundled("cards") / "fast_style").is_dir():
        pytest.skip("no card fast_style")
    assert exactness(zoo.load("fast_style"), 512) < 5e-5


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("pictures", [1, 2])
def test_gradients_equal_those_of_the_definition(pictures: int, memory_format: torch.memory_format):
    """Torch's kernel gives others for one picture whose gradient has channels last, as it has before a convolution."""
    norm = with_parameters(6, 2)
    x = (3 * torch.randn(pictures, 6, 12, 17) + 1).to(memory_format=memory_format).requires_grad_()
    mix = torch.tensor([[0.25, 0.75], [1.0, 0.0]])[:pictures]
    gradient = torch.randn(x.shape).to(memory_format=torch.channels_last)
    exact, weight, bias = (each.detach().double().requires_grad_() for each in (x, norm.weight, norm.bias))
    by_hand(exact, mix.double() @ weight, mix.double() @ bias, norm.eps).backward(gradient.double())
    norm(x, mix).backward(gradient)
    for own, expected in zip((x, norm.weight, norm.bias), (exact, weight, bias), strict=True):
        torch.testing.assert_close(own.grad.double(), expected.grad, rtol=1e-3, atol=1e-3)


def by_hand(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return (x - mean) * (variance + eps).rsqrt() * weight[..., None, None] + bias[..., None, None]


def test_a_style_that_no_picture_has_gets_no_gradient():
    norm = with_parameters(4, 3)
    norm(torch.randn(2, 4, 6, 6), torch.eye(3)[[0, 2]]).square().sum().backward()
    assert not norm.weight.grad[1].any()
    assert norm.weight.grad[0].any()
    assert norm.weight.grad[2].any()


@pytest.mark.parametrize("value", [0.0, 0.7, -1000.0])
def test_a_channel_of_one_value_becomes_the_shift(value: float):
    norm = with_parameters(3)
    with torch.inference_mode():
        result = norm(torch.full((1, 3, 40, 31), value), ONE)
    assert torch.allclose(result, norm.bias[0, :, None, None].expand_as(result), atol=0.05)


def test_given_statistics_of_the_whole_make_tiles_agree():
    norm, x = with_parameters(4, 2), torch.randn(1, 4, 12, 9)
    mix = torch.tensor([[0.5, 0.5]])
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    tiles = [norm.normalize(tile, mix, mean, variance) for tile in x.split([5, 7], dim=2)]
    assert torch.allclose(torch.cat(tiles, 2), norm(x, mix), atol=1e-5)


def test_sums_of_parts_add_up_to_the_whole():
    x = torch.randn(2, 4, 30, 11)
    parts = [sums(part) for part in x.split([7, 3, 20], dim=2)]
    for whole, pieces in zip(sums(x), zip(*parts, strict=True), strict=True):
        assert torch.allclose(whole, sum(pieces), atol=1e-3)
    assert torch.allclose(sums(x)[1], (x**2).sum((2, 3)), atol=1e-3)


def test_half_precision_is_near_the_exact_result():
    norm = with_parameters(4, 2)
    x, mix = torch.randn(1, 4, 16, 16) + 5, torch.tensor([[0.5, 0.5]])
    with torch.inference_mode():
        exact = norm(x, mix)
        assert torch.allclose(norm.bfloat16()(x.bfloat16(), mix.bfloat16()).float(), exact, atol=0.1)
