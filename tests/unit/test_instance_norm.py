"""Instance norm that is fast where channels come last."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest
import skimage.data
import torch
from torch import nn

import zoo
from zoo.engines import open_engine
from zoo.engines.unreported import unreported
from zoo.nn.cpu import InstanceNorm, sums
from zoo.nn.mode import counting


def with_parameters(channels: int) -> InstanceNorm:
    torch.manual_seed(0)
    norm = InstanceNorm(channels)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("size", [(2, 5, 2, 2), (1, 16, 65, 130), (3, 1, 7, 9)])
def test_is_that_of_torch(size: tuple[int, ...], memory_format: torch.memory_format):
    """Also where the mean is far from zero; with gradients and without."""
    norm = with_parameters(size[1])
    x = (3 * torch.randn(size) + 20).contiguous(memory_format=memory_format)
    plain = nn.InstanceNorm2d(size[1], affine=True).double()
    plain.load_state_dict(norm.state_dict())
    expected = plain(x.double())
    with torch.inference_mode():
        fast = norm(x)
    for result in (norm(x), fast):
        assert result.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(result.double(), expected, atol=2e-5, rtol=0)
    assert norm(x).requires_grad


@pytest.mark.parametrize("computed", [nullcontext, counting])  # as it is, and as it is exported
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("size", [(1024, 1024), (2048, 50), (50, 2048)])
def test_sums_over_a_large_picture_are_exact(
    size: tuple[int, int], grad: bool, computed: Callable[[], AbstractContextManager[None]]
):
    """Batch norm's own, pixel after pixel in float32, is off by 1e-3."""
    norm = with_parameters(3)
    x = torch.randn(1, 3, *size) + torch.linspace(-2, 3, size[1]) + torch.tensor([-4, 0, 4])[:, None, None]
    plain = nn.InstanceNorm2d(3, affine=True).double()
    plain.load_state_dict(norm.state_dict())
    with torch.set_grad_enabled(grad), computed():
        assert (norm(x).double() - plain(x.double())).abs().max() < 5e-6


@pytest.mark.parametrize(("kind", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino"), ("opencv", "cv2")])
def test_an_export_is_exact_where_runtimes_add_up_in_float32(kind: str, package: str):
    pytest.importorskip("onnx")
    with unreported():
        pytest.importorskip(package)
    norm, file = with_parameters(3).eval(), io.BytesIO()
    x = torch.randn(1, 3, 1024, 768) + torch.linspace(-2, 3, 768) + torch.tensor([-4, 0, 4])[:, None, None]
    torch.onnx.export(norm, (x,), file, dynamo=False, opset_version=18, output_names=["y"])
    (y,) = open_engine(kind, file.getvalue(), ["y"])(x.numpy())
    with torch.inference_mode():
        assert np.abs(y - norm.double()(x.double()).numpy()).max() < 2e-5


def test_a_styled_photograph_is_that_of_float64():
    picture = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None] / 255
    net = zoo.load("fast_style_starry")
    with torch.inference_mode():
        styled, exact = net(picture), net.double()(picture.double())
    assert (styled - exact).abs().max() < 2e-5


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("pictures", [1, 2])
def test_gradients_are_those_of_the_definition(pictures: int, memory_format: torch.memory_format):
    """Torch's kernel gives others for one picture whose gradient has channels last, as it has before a convolution."""
    norm = with_parameters(6)
    x = (3 * torch.randn(pictures, 6, 12, 17) + 1).to(memory_format=memory_format).requires_grad_()
    gradient = torch.randn(x.shape).to(memory_format=torch.channels_last)
    exact, weight, bias = (each.detach().double().requires_grad_() for each in (x, norm.weight, norm.bias))
    variance, mean = torch.var_mean(exact, (2, 3), correction=0, keepdim=True)
    result = (exact - mean) * (variance + norm.eps).rsqrt() * weight[:, None, None] + bias[:, None, None]
    result.backward(gradient.double())
    norm(x).backward(gradient)
    for own, expected in zip((x, norm.weight, norm.bias), (exact, weight, bias), strict=True):
        torch.testing.assert_close(own.grad.double(), expected.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.7, -1000.0])
def test_a_channel_of_one_value_becomes_the_shift(value: float):
    norm = with_parameters(3)
    with torch.inference_mode():
        result = norm(torch.full((1, 3, 40, 31), value))
    assert torch.allclose(result, norm.bias[:, None, None].expand_as(result), atol=0.05)


def test_sums_of_parts_are_those_of_the_whole():
    x = torch.randn(2, 4, 30, 11)
    parts = [sums(part) for part in x.split([7, 3, 20], dim=2)]
    for whole, pieces in zip(sums(x), zip(*parts, strict=True), strict=True):
        assert torch.allclose(whole, sum(pieces), atol=1e-3)
    assert torch.allclose(sums(x)[1], (x**2).sum((2, 3)), atol=1e-3)


def test_half_precision_is_near_the_exact_result():
    norm = with_parameters(4)
    x = torch.randn(1, 4, 16, 16) + 5
    with torch.inference_mode():
        exact = norm(x)
        assert torch.allclose(norm.bfloat16()(x.bfloat16()).float(), exact, atol=0.1)
