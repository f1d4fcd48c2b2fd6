"""Train and eval mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Eval mode for a while: in train mode a prediction would change the statistics of batch norm."""
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def tracing() -> bool:
    """Whether a network is being exported or compiled: what is faster step by step only hides its operators then."""
    return torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()
