"""Metrics that torchmetrics lacks. Names are imported when asked for, since torchmetrics is slow to import."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.nn.metrics.homography import MeanAverageCornerError as MeanAverageCornerError
    from zoo.nn.metrics.super_resolution_metrics import LumaPSNR as LumaPSNR
    from zoo.nn.metrics.super_resolution_metrics import LumaSSIM as LumaSSIM

_HOMES = {
    "MeanAverageCornerError": "zoo.nn.metrics.homography",
    "LumaPSNR": "zoo.nn.metrics.super_resolution_metrics",
    "LumaSSIM": "zoo.nn.metrics.super_resolution_metrics",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
