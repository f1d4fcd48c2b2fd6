"""Train and eval mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import nn

_COUNTED = ContextVar("counted", default=False)


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Temporary eval mode: in train mode a prediction would change the statistics of batch norm."""
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def counting() -> Iterator[None]:
    """Temporarily makes every layer compute as it is defined, so that a network costs the same everywhere."""
    before = _COUNTED.set(True)
    try:
        yield
    finally:
        _COUNTED.reset(before)


def counted() -> bool:
    """Whether :func:`counting` is on."""
    return _COUNTED.get()


def tracing() -> bool:
    """Whether a network is being exported, compiled or counted: faster implementations would hide its operators."""
    return torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export() or counted()
