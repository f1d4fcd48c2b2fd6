"""OpenCV's dnn as an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.engines.graph import read_graph
from zoo.engines.runtime import FileEngine, device_of, told

FREE_SIZES = 5  # the first major version that takes files of any size
SILENT = 0  # log level: errors are raised as well


class OpenCVEngine(FileEngine):
    """Runs an ONNX file with OpenCV and its default number of threads.

    Args:
        content: the file; a stranger's must have passed the comparison of its digest. OpenCV 4 takes files of a fixed
            size only.
        outputs: names of the outputs to compute, in the order of the results.
        device: "cpu".

    Raises:
        ZooError: the file is refused, or the device is not available.
    """

    name = f"OpenCV {cv2.__version__}"

    def __init__(self, content: bytes, outputs: Sequence[str], device: str = "cpu") -> None:
        device_of(device, self.name, {"cpu": False}, {})
        super().__init__(read_graph(content, "the export", keys=()), outputs, device)
        if _version() < FREE_SIZES and any(isinstance(side, str) for side in self.shape):
            raise ZooError(
                f"{self.name} takes exports of a fixed size only: zoo export MODEL --to onnx --size HxW\n"
                f"or: pip install 'opencv-python-headless>={FREE_SIZES}'"
            )
        with told(self.name, "read the export"), silent():
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        self._lock = Lock()  # guards its one input

    def _run(self, given: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        names = list(self.graph.outputs)  # OpenCV 5 wants them all to be named
        with self._lock, silent():
            for name, x in given.items():
                self._net.setInput(x, name)
            found = dict(zip(names, self._net.forward(names), strict=True))
        return [_of_rank(len(self.graph.outputs[name]), found[name]) for name in self.outputs]


def _of_rank(rank: int, output: np.ndarray) -> np.ndarray:
    """OpenCV 4 gives at least two dimensions."""
    return output.reshape(output.shape[:rank]) if 0 < rank < output.ndim else output


def _version() -> int:
    return int(cv2.__version__.partition(".")[0])


@contextmanager
def silent() -> Iterator[None]:
    """Keeps OpenCV from printing errors that it raises as well."""
    log = getattr(cv2.utils, "logging", cv2)  # where older ones of OpenCV 4 have them
    before = log.getLogLevel()
    log.setLogLevel(SILENT)
    try:
        yield
    finally:
        log.setLogLevel(before)
