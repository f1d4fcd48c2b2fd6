"""ONNX Runtime as an engine."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.text import listing
from zoo.engines.graph import read_graph
from zoo.engines.runtime import FileEngine, device_of, threads, told
from zoo.engines.unreported import unreported

with unreported():
    import onnxruntime

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
}
NUMBERED = ("cuda", "dml")
PACKAGES = {
    "cuda": "pip install onnxruntime-gpu",
    "coreml": "pip install onnxruntime, on macOS",
    "dml": "pip install onnxruntime-directml, on Windows",
}
# As exact as the CPU, without a search for the fastest convolution at each new size.
OPTIONS = {"cuda": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}}
SILENT = 4  # log level: fatal only, since errors are raised as well
ENTRIES = {
    "session.load_model_format": "ONNX",  # whatever other format the bytes may look like
    "session.record_ep_graph_assignment_info": "1",
}


class OnnxEngine(FileEngine):
    """Runs an ONNX file with ONNX Runtime.

    Args:
        content: the file; a stranger's must have passed the comparison of its digest.
        outputs: names of the outputs to compute, in the order of the results.
        device: "cpu", "cuda", "cuda:1", "coreml", "dml" or "dml:1".

    Raises:
        ZooError: the file is refused, or the device is not available.
    """

    name = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, content: bytes, outputs: Sequence[str], device: str = "cpu") -> None:
        there = {kind: kind in NUMBERED for kind, each in PROVIDERS.items() if each in _available()}
        kind, number = device_of(device, self.name, there, PACKAGES)
        super().__init__(read_graph(content, "the export", keys=()), outputs, device)
        chosen: dict[str, Any] = {**OPTIONS.get(kind, {}), **({"device_id": str(number)} if there[kind] else {})}
        with told(self.name, f"read the export for {device}"):
            self._session = onnxruntime.InferenceSession(
                content,
                _session_options(),
                [(PROVIDERS[kind], chosen), *([CPU] if kind != "cpu" else [])],
                enable_fallback=0,
                read_config_from_model=0,
            )
        if PROVIDERS[kind] not in self._session.get_providers():
            raise ZooError(f"{self.name} cannot start {device}: its driver or a library is missing or too old")
        if kind != "cpu" and (left := _left_to_cpu(self._session)):
            _say(f"{self.name} computes on the CPU, not on {kind}: {left}")

    def _run(self, given: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        return self._session.run(self.outputs, dict(given))


def _available() -> list[str]:
    return onnxruntime.get_available_providers()


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = SILENT
    for key, value in ENTRIES.items():
        options.add_session_config_entry(key, value)
    return options


def _left_to_cpu(session: onnxruntime.InferenceSession) -> str:
    """Operators that the CPU computes, each with its count; empty if an older ONNX Runtime does not tell."""
    told_by = getattr(session, "get_provider_graph_assignment_info", list)
    counts = Counter(node.op_type for part in told_by() if part.ep_name == CPU for node in part.get_nodes())
    return listing(f"{count} {operator}" for operator, count in sorted(counts.items()))


@lru_cache
def _say(line: str) -> None:
    """Prints a line once, to standard error."""
    print(f"zoo: {line}", file=sys.stderr)  # noqa: T201
