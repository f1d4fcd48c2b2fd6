"""Which style a picture gets: one by its name, or a blend of several."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.text import unknown

MAX_WEIGHT = sys.float_info.max
Styles: TypeAlias = "Mapping[str, float] | Sequence[str] | str | None"


def weights_of(style: Styles, names: Sequence[str]) -> np.ndarray:
    """The weights of a network's styles, ``(S,)`` float32, whose sum is 1.

    Args:
        style: name of a style; names, which are blended alike; or weights by name, on any scale. None: the first style.
        names: the network's styles.

    Raises:
        ZooError: a style is unknown, a weight is negative or no number, or all weights are 0.
    """
    chosen = _chosen(style, names)
    weights = np.zeros(len(names))
    for name, weight in chosen.items():
        if name not in names:
            raise unknown("style", str(name)[:60], names)
        number = isinstance(weight, (int, float, np.number)) and not isinstance(weight, bool)
        if not number or not 0 <= weight <= MAX_WEIGHT:
            raise ZooError(f"the weight of the style {name} must be 0 or more, not {weight!r:.60}")
        weights[names.index(name)] = weight
    if not weights.any():
        raise ZooError("a blend of styles needs a weight above 0, such as {" + f"{names[0]}: 1" + "}")
    weights /= weights.max()  # or the sum of large weights would be infinite
    return (weights / weights.sum()).astype(np.float32)


def _chosen(style: Styles, names: Sequence[str]) -> Mapping[str, float]:
    if style is None:
        return {names[0]: 1.0}
    if isinstance(style, Mapping):
        return style
    if not isinstance(style, (str, Sequence)):
        raise ZooError(f"style must be a name, names, or weights by name, not {style!r:.60}")
    return dict.fromkeys([style] if isinstance(style, str) else list(style), 1.0)
