"""OpenCV's dnn as an engine."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.engines.graph import read_graph
from zoo.engines.runtime import check_outputs, check_size, float_arrays, told

NAME = f"OpenCV {cv2.__version__}"


class OpenCVEngine:
    """Runs an exported file; see :class:`zoo.engines.Engine`.

    Args:
        content: the file. OpenCV 4 takes those of a fixed size only.
        outputs: names of those to compute, in the order of the results.
        device: "cpu".

    Raises:
        ZooError: the file is refused, or the device is not here.
    """

    def __init__(self, content: bytes, outputs: Sequence[str], device: str = "cpu") -> None:
        graph = read_graph(content, "the export", keys=())
        check_outputs(graph, outputs)
        if device != "cpu":
            raise ZooError(f"device {device!r:.60} is not here")
        self.device = device
        self._outputs = list(outputs)
        (self._input, self._shape), *_ = graph.inputs.items()
        with told(NAME, "read the export"):
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        self._lock = Lock()

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        check_size(x.shape, self._shape)
        with self._lock, told(NAME, f"compute {x.shape}"):
            self._net.setInput(np.ascontiguousarray(x), self._input)
            return float_arrays(self._net.forward(self._outputs))
