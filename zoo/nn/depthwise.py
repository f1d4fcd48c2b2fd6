"""Depthwise convolutions that train at full speed under bfloat16 on CPUs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

AUTOCAST_WAS_ON = "_zoo_autocast_was_on"


def keep_depthwise_float32(module: nn.Module) -> None:
    """Makes depthwise convolutions with a stride or a large kernel step out of CPU autocast.

    oneDNN's bfloat16 backward pass of these is several times slower than its float32 one, and they are a good part of
    a training step of EfficientNet-lite (`tests/benchmarks/depthwise.py`). The others gain from bfloat16.
    """
    for conv in module.modules():
        if not isinstance(conv, nn.Conv2d) or not conv.groups == conv.in_channels > 1:
            continue
        if max(conv.kernel_size) > 3 or max(conv.stride) > 1:
            conv.register_forward_pre_hook(_leave_autocast)
            conv.register_forward_hook(_return_to_autocast, always_call=True)


def _leave_autocast(conv: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
    inside = inputs[0].device.type == "cpu" and torch.is_autocast_enabled("cpu")
    setattr(conv, AUTOCAST_WAS_ON, inside)
    if not inside:
        return None
    torch.set_autocast_enabled("cpu", False)
    return (inputs[0].float(),)


def _return_to_autocast(conv: nn.Module, _inputs: Any, _output: torch.Tensor) -> None:
    if getattr(conv, AUTOCAST_WAS_ON):
        torch.set_autocast_enabled("cpu", True)
