"""Modes of networks and of torch: eval mode, counting, and networks without values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_COUNTED = ContextVar("counted", default=False)


class _Unset(TorchFunctionMode):
    """Leaves out starting values, for networks on the meta device, which have none.

    Torch would import its compiler for them, a second's work.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        if func is torch.eye:
            func, args = torch.empty, (args[0], args[-1])
        return func(*args, **(kwargs or {}))


@contextmanager
def unset() -> Iterator[None]:
    """Makes networks on the meta device, of shapes without values."""
    with torch.device("meta"), _Unset():
        yield


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
