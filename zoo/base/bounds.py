"""Ranges of numbers, for signatures: of networks, since a stranger's file may name any number, and of predictions."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

Width = Annotated[int, Interval(ge=1, le=4096)]  # channels, or classes
Depth = Annotated[int, Interval(ge=1, le=256)]  # layers
Pixels = Annotated[float, Interval(gt=0, le=4096)]
Count = Annotated[int, Interval(ge=1)]
Share = Annotated[float, Interval(ge=0, le=1)]
