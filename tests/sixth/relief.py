"""The package's file for the conformance suite."""

from __future__ import annotations

import torch
from torch import Tensor
from zoo_relief.module import ReliefModule

ARGUMENTS = {"channels": 4}
CHANNELS = 3
SIZES = [(1, 1), (33, 47)]


def out_shape(height: int, width: int) -> tuple[int, int, int]:
    return 1, height, width


def module() -> ReliefModule:
    return ReliefModule()


def batch() -> Tensor:
    return torch.rand(2, 3, 3, 3).repeat_interleave(8, 2).repeat_interleave(8, 3)
