"""From two pictures to a homography, and what is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import nn

from zoo.images import Picture


@dataclass(frozen=True)
class Homography:
    matrix: np.ndarray


def align(net: nn.Module, a: Picture, b: Picture, *, passes: int = 3, refine: Literal["ecc"] | None = None) -> Any:
    raise NotImplementedError
