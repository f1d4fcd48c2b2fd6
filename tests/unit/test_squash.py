from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.engines import open_engine
from zoo.nn.squash import squashed

VALUES = torch.linspace(-120, 120, 601).reshape(1, 1, 1, -1)


class Squash(nn.Module):
    def forward(self, y: Tensor) -> Tensor:
        return squashed(y)


def test_it_is_tanh_and_so_is_its_gradient():
    own, plain = VALUES.clone().requires_grad_(), VALUES.clone().requires_grad_()
    result, wanted = squashed(own), 0.5 + 0.55 * torch.tanh(plain)
    assert torch.allclose(result, wanted, atol=1e-7)
    for gradient in zip(*(torch.autograd.grad(y.sum(), x) for y, x in ((result, own), (wanted, plain))), strict=True):
        assert torch.allclose(*gradient, atol=1e-7)


def test_large_values_do_not_overflow_in_opencv():
    pytest.importorskip("onnx")
    file = io.BytesIO()
    torch.onnx.export(Squash(), (VALUES,), file, dynamo=False, opset_version=18, output_names=["picture"])
    (picture,) = open_engine("opencv", file.getvalue(), ["picture"])(VALUES.numpy())
    np.testing.assert_allclose(picture, squashed(VALUES).numpy(), atol=1e-6)
