"""Weights of the compact network of Real-ESRGAN in files of other programs, as ``spandrel`` knows them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeAlias

Shapes: TypeAlias = "dict[str, tuple[int, ...]]"

SCALES = {3 * scale**2: scale for scale in (2, 3, 4)}  # by the channels of the last convolution


def arguments_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Arguments of :class:`zoo.models.perceptual_sr.net.PerceptualSR`; None for tensors of another network.

    Args:
        shapes: shapes of the tensors in a file, by their names.
    """
    biases = sum(name.endswith(".bias") for name in shapes)  # one a convolution
    first, last = (shapes.get(f"body.{i}.bias", ()) for i in (0, 2 * biases - 2))
    if biases < 3 or len(first) != 1 or len(last) != 1 or last[0] not in SCALES:
        return None
    if dict(shapes) != _expected(first[0], biases - 2, last[0]):
        return None
    return {"network": "compact", "scale": SCALES[last[0]], "channels": first[0], "blocks": biases - 2}


def _expected(channels: int, blocks: int, outputs: int) -> Shapes:
    """The shapes of all tensors: convolutions, and between them slopes of PReLUs."""
    widths = [3, *[channels] * (blocks + 1), outputs]
    found: Shapes = {}
    for i, (inputs, width) in enumerate(pairwise(widths)):
        found |= {f"body.{2 * i}.weight": (width, inputs, 3, 3), f"body.{2 * i}.bias": (width,)}
        found |= {f"body.{2 * i + 1}.weight": (width,)} if i <= blocks else {}
    return found
