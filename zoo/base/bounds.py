"""Ranges of numbers, for signatures: of networks, since a stranger's file may name any number, and of predictions."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Annotated, Any

from annotated_types import Interval

from zoo.base.errors import ZooError

MOST_ITERATIONS = 3000

Width = Annotated[int, Interval(ge=1, le=4096)]  # channels
Classes = Annotated[int, Interval(ge=1, le=256)]  # a mask holds their ids in 8 bits
Byte = Annotated[int, Interval(ge=0, le=255)]
Depth = Annotated[int, Interval(ge=1, le=256)]  # layers
Pixels = Annotated[float, Interval(gt=0, le=4096)]
Side = Annotated[int, Interval(ge=1, le=1024)]  # pixels of a picture that is optimised
Iterations = Annotated[int, Interval(ge=1, le=MOST_ITERATIONS)]  # of that: an hour of two cores at the largest side
Weight = Annotated[float, Interval(ge=0, le=1e6)]  # of a term of a loss
Rate = Annotated[float, Interval(gt=0, le=1e3)]  # of learning
Count = Annotated[int, Interval(ge=1)]
Share = Annotated[float, Interval(ge=0, le=1)]


def check_count(
    name: str, value: Any, wanted: str = "is a number from 1 on", *, least: int = 1, most: float = math.inf
) -> None:
    """Refuses what is no whole number in a range, by default from 1 on, which Python does not see to.

    Raises:
        ZooError: the name, what is wanted and the value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise ZooError(f"{name} {wanted}, not {value!r}")
