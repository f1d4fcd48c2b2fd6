"""OpenVINO as an engine."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
import openvino

from zoo.engines.runtime import float_arrays, threads, told

NAME = f"OpenVINO {openvino.__version__.partition('-')[0]}"


class OpenVinoEngine:
    """Runs an exported file; see :class:`zoo.engines.Engine`.

    Args:
        content: an ONNX file, or the two of OpenVINO's own format: ``(xml, bin)``.
        outputs: names of those to compute, in the order of the results.
        device: "cpu", "gpu", "gpu:1" or "npu".

    Raises:
        ZooError: the file is refused, or the device is not here.
    """

    def __init__(self, content: bytes | tuple[bytes, bytes], outputs: Sequence[str], device: str = "cpu") -> None:
        self.device = device
        self._outputs = list(outputs)
        core = openvino.Core()
        xml, weights = content if isinstance(content, tuple) else (content, b"")
        # Some processors would compute in bfloat16 unasked.
        settings = {
            "INFERENCE_NUM_THREADS": threads(),
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        with told(NAME, "read the export"):
            model = core.read_model(xml, weights)
            self._compiled = core.compile_model(model, device.upper().replace(":", "."), settings)
        self._lock = Lock()  # of its one request

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        with self._lock, told(NAME, f"compute {x.shape}"):
            found = self._compiled([x])
            return float_arrays([found[name] for name in self._outputs])
