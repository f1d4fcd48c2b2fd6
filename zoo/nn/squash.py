"""Maps any number to a pixel's value."""

from __future__ import annotations

import torch
from torch import Tensor

OVERSHOOT = 0.05  # margin by which a squashed value may leave 0..1, so that black and white can be reached
MAX_INPUT = 20.0  # beyond it tanh is 1 in float32 anyway, and from 44 on OpenCV's tanh overflows


def squashed(y: Tensor) -> Tensor:
    """Maps the output of a last layer to 0..1 and slightly beyond, by tanh."""
    return (1 + (1 + 2 * OVERSHOOT) * torch.tanh(y.clamp(-MAX_INPUT, MAX_INPUT))) / 2


def unsquashed(value: Tensor) -> Tensor:
    """The output of a last layer for a pixel's value in 0..1: the inverse of :func:`squashed`."""
    return torch.atanh((2 * value - 1) / (1 + 2 * OVERSHOOT))
