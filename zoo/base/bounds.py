"""Ranges of numbers in signatures of networks, since a stranger's file may hold any number, and of predictions."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Annotated, Any

from zoo.base.errors import ZooError

if TYPE_CHECKING:
    from annotated_types import Interval as Interval
else:
    try:
        from annotated_types import Interval  # which Lightning's command line checks by pydantic
    except ModuleNotFoundError:

        @dataclass(frozen=True)
        class Interval:
            """A range with inclusive (``ge``, ``le``) or exclusive (``gt``, ``lt``) limits; None: no limit."""

            gt: float | None = None
            ge: float | None = None
            lt: float | None = None
            le: float | None = None


MOST_ITERATIONS = 3000

Width = Annotated[int, Interval(ge=1, le=4096)]  # channels
Classes = Annotated[int, Interval(ge=1, le=256)]  # a mask holds their ids in 8 bits
Byte = Annotated[int, Interval(ge=0, le=255)]
Depth = Annotated[int, Interval(ge=1, le=256)]  # layers
Enlargement = Annotated[float, Interval(ge=1, le=4)]  # scale of a picture inside a network
Pixels = Annotated[float, Interval(gt=0, le=4096)]
Side = Annotated[int, Interval(ge=1, le=1024)]  # pixels of a picture that is optimised
Iterations = Annotated[int, Interval(ge=1, le=MOST_ITERATIONS)]  # an hour on two cores at the largest side
Weight = Annotated[float, Interval(ge=0, le=1e6)]  # weight of a term of a loss
Rate = Annotated[float, Interval(gt=0, le=1e3)]  # learning rate
Stroke = Annotated[float, Interval(ge=0.25, le=2)]  # size of a painting relative to the picture
Count = Annotated[int, Interval(ge=1)]
Fraction = Annotated[float, Interval(ge=0, le=1)]


def check_count(
    name: str, value: Any, wanted: str = "must be a whole number from 1 on", *, least: int = 1, most: float = math.inf
) -> None:
    """Refuses a value that is not a whole number in a range, by default from 1 on; Python does not check this.

    Raises:
        ZooError: the name, what is wanted and the value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise ZooError(f"{name} {wanted}, not {value!r}")


def seconds_of(name: str, period: str) -> float:
    """Seconds of a period such as 10m, 90s or 2h; infinite for "never".

    Args:
        name: the option, for the error.
        period: its value.

    Raises:
        ZooError: it is none.
    """
    if period == "never":
        return math.inf
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", period)):
        raise ZooError(f"{name} must be a time such as 10m, 90s or 2h, or never, not {period!r:.60}")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
