"""int8: weights and activations as 8-bit numbers, with ranges that are calibrated on real pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.engines.graph import read_graph
from zoo.engines.runtime import first_alone
from zoo.engines.unreported import unreported
from zoo.exports.convert import INPUT, silenced

# Without transposed convolutions: with them fewer pixels of LinkNet's masks agree, and OpenCV does not read the file
QUANTIZED = ["Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "Concat", "MaxPool"]


def quantized(content: bytes, batches: Sequence[np.ndarray]) -> bytes:
    """An ONNX model with pairs of QuantizeLinear and DequantizeLinear, by ONNX Runtime's static quantisation.

    Args:
        content: the model in float32.
        batches: inputs to calibrate the ranges with.

    Raises:
        ZooError: the model cannot be quantised.
    """
    import onnx

    with unreported():
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    weighted = read_graph(content, "the model", keys=()).weights

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest: Iterator[np.ndarray] = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            x = next(self.rest, None)
            if x is None:
                return None
            return {INPUT: x} if weighted is None else {INPUT: x, weighted[0]: first_alone(len(x), int(weighted[1][1]))}

    with TemporaryDirectory() as folder, silenced():
        path = Path(folder, "int8.onnx")
        try:
            quantize_static(
                onnx.load_model_from_string(content), path, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=QUANTIZED,
            )  # fmt: skip
        except Exception as error:  # ONNX Runtime may raise anything
            raise ZooError(f"ONNX Runtime cannot quantise the model: {first_line(error)}") from error
        return without_unused(path.read_bytes())


def without_unused(content: bytes) -> bytes:
    """An ONNX model without unused tensors, since ONNX Runtime warns of each."""
    import onnx

    model = onnx.load_model_from_string(content)
    taken = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in taken]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model.SerializeToString()
