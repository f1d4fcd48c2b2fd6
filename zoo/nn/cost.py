"""The cost of a network: multiply-adds and parameters."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from zoo.nn.mode import counting, evaluating


@torch.inference_mode()
def macs(net: nn.Module, channels: int, height: int, width: int) -> int:
    """Multiply-adds of convolutions and matrix products for one input ``(1, channels, height, width)``.

    Layers are counted as defined, even if a device computes them with fewer operations.
    """
    like = next(chain(net.parameters(), net.buffers()))
    x = torch.zeros(1, channels, height, width, device=like.device, dtype=like.dtype)
    with counting(), evaluating(net), FlopCounterMode(display=False) as counter:
        net(x)
    return counter.get_total_flops() // 2


def parameter_count(net: nn.Module) -> int:
    """Learnable values of a network."""
    return sum(parameter.numel() for parameter in net.parameters())
