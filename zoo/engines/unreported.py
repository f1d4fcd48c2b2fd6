"""Switches off telemetry: runtimes report their use to their makers by default.

ONNX Runtime from 1.29 on keeps an identifier of the machine and uploads what it runs; OpenVINO sends an event when it
is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

OPENVINO = "openvino_telemetry"  # a package that OpenVINO can do without


@contextmanager
def unreported() -> Iterator[None]:
    """Within it, imported runtimes start without their telemetry; ``ORT_DISABLE_TELEMETRY=0`` keeps ONNX Runtime's."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    fresh = OPENVINO not in sys.modules
    if fresh:
        sys.modules[OPENVINO] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if fresh:
            del sys.modules[OPENVINO]
