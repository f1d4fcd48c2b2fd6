"""OpenVINO as an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock

import numpy as np

from zoo.engines.graph import read_graph
from zoo.engines.ir import read_ir
from zoo.engines.runtime import FileEngine, device_of, threads, told
from zoo.engines.unreported import unreported

with unreported():
    import openvino

PACKAGES = dict.fromkeys(("gpu", "npu"), "Intel's driver of that device")


class OpenVinoEngine(FileEngine):
    """Runs a file with OpenVINO.

    Args:
        content: an ONNX file, or the two files of OpenVINO's own format: ``(xml, bin)``. A stranger's must have passed
            the comparison of their digests.
        outputs: names of the outputs to compute, in the order of the results.
        device: "cpu", "gpu", "gpu:1" or "npu".

    Raises:
        ZooError: the file is refused, or the device is not available.
    """

    name = f"OpenVINO {openvino.__version__.partition('-')[0]}"

    def __init__(self, content: bytes | tuple[bytes, bytes], outputs: Sequence[str], device: str = "cpu") -> None:
        core = _core()
        there = {each.partition(".")[0].lower(): not each.startswith("CPU") for each in core.available_devices}
        kind, number = device_of(device, self.name, there, PACKAGES)
        file, weights = content if isinstance(content, tuple) else (content, b"")
        own = isinstance(content, tuple)
        graph = read_ir(file, weights, "the export", ()) if own else read_graph(file, "the export", ())
        super().__init__(graph, outputs, device)
        with told(self.name, f"read the export for {device}"):
            model = core.read_model(file, weights)
            for result in model.get_results():
                if not result.output(0).names & set(outputs):
                    model.remove_result(result)
            self._compiled = core.compile_model(model, _plugin(kind, number, device), _settings(kind))
        self._lock = Lock()  # guards its one request

    def _run(self, given: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        with self._lock:
            found = self._compiled(dict(given))
            return [found[name] for name in self.outputs]


@cache
def _core() -> openvino.Core:
    """The process's one core.

    OpenVINO's CPU plugin gives the thread that loads it a stack for signals, and removes the stack when it is unloaded.
    With two cores, the next signal that Python received (Ctrl-C, the end of a child) killed the process.
    """
    return openvino.Core()


def _plugin(kind: str, number: int, device: str) -> str:
    """OpenVINO's name of a device, such as GPU.1."""
    return f"{kind.upper()}.{number}" if ":" in device else kind.upper()


def _settings(kind: str) -> dict[str, str | int]:
    # Unasked, some processors compute in bfloat16 and graphics in float16.
    exact: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    return {**exact, "INFERENCE_NUM_THREADS": threads()} if kind == "cpu" else exact
