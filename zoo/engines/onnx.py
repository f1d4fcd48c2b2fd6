"""ONNX Runtime as an engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime

from zoo.base.errors import ZooError
from zoo.engines.graph import read_graph
from zoo.engines.runtime import check_outputs, check_size, float_arrays, threads, told

NAME = f"onnxruntime {onnxruntime.__version__}"
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
}
SILENT = 4  # severity of what is logged: fatal only, since errors are raised as well


class OnnxEngine:
    """Runs an exported file; see :class:`zoo.engines.Engine`.

    Args:
        content: the file, whose digest was compared, if it is a stranger's.
        outputs: names of those to compute, in the order of the results.
        device: "cpu", "cuda", "cuda:1", "coreml" or "dml".

    Raises:
        ZooError: the file is refused, or the device is not here.
    """

    def __init__(self, content: bytes, outputs: Sequence[str], device: str = "cpu") -> None:
        graph = read_graph(content, "the export", keys=())
        check_outputs(graph, outputs)
        self.device = device
        self._outputs = list(outputs)
        (self._input, self._shape), *_ = graph.inputs.items()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = SILENT
        kind = device.partition(":")[0]
        if kind not in PROVIDERS or PROVIDERS[kind] not in onnxruntime.get_available_providers():
            raise ZooError(f"device {device!r:.60} is not here")
        with told(NAME, "read the export"):
            self._session = onnxruntime.InferenceSession(content, options, [PROVIDERS[kind]])

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        check_size(x.shape, self._shape)
        with told(NAME, f"compute {x.shape}"):
            return float_arrays(self._session.run(self._outputs, {self._input: np.ascontiguousarray(x)}))
