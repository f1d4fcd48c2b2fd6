"""Names the layer where the outputs of a file begin to differ from those of its network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.engines import open_engine
from zoo.exports.convert import Exported, inputs_of
from zoo.models.base import Model

NEAR = 1e-4  # largest difference of equal tensors, relative to the largest number; absolute for numbers below 1


@dataclass
class Step:
    """The output of a module of the network.

    Args:
        name: name of the module, such as "decoder.0.1.0".
        kind: class of the module.
        output: copy of its output.
        consumers: indices of the steps that took the output unchanged.
    """

    name: str
    kind: str
    output: np.ndarray
    consumers: list[int] = field(default_factory=list)


def from_torch(net: Model, content: bytes, x: np.ndarray) -> str:
    """The first module of the network, in the order of execution, whose output is not in the file.

    Exporters fold a batch norm into the convolution before it, whose own output is then in no file. So a module is
    excused if another one took its output and has its own output in the file.

    Args:
        net: the network.
        content: the ONNX model, which ONNX Runtime computes.
        x: the input.

    Returns:
        A text such as "the layer decoder.0.1.0 (ConvTranspose2d)".
    """
    steps = record(net, x)
    known: dict[tuple[int, ...], list[np.ndarray]] = {}
    for tensor in tensors(content, "onnx", x).values():
        known.setdefault(tensor.shape, []).append(tensor)
    there = [any(same(step.output, each) for each in known.get(step.output.shape, ())) for step in steps]
    for place, step in enumerate(steps):
        if not there[place] and not any(there[consumer] for consumer in step.consumers):
            return f"the layer {step.name} ({step.kind})"
    return "what follows the last layer"


def between(content: bytes, kind: str, x: np.ndarray) -> str:
    """The first operator of the file whose output differs between a runtime and ONNX Runtime.

    Args:
        content: the ONNX model.
        kind: kind of the runtime, a name of an engine.
        x: the input.

    Returns:
        A text such as "the operator /head/Conv (Conv)".
    """
    import onnx

    right = tensors(content, "onnx", x)
    try:
        found = tensors(content, kind, x)
    except ZooError as error:
        return f"an operator that cannot be told: {first_line(error)}"
    for node in onnx.load_model_from_string(content).graph.node:
        if any(not same(right[name], found[name]) for name in node.output if name in right and name in found):
            return f"the operator {node.name or node.output[0]} ({node.op_type})"
    return "no operator by itself: it parts only where operators are computed together"


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two tensors differ by rounding only."""
    if a.shape != b.shape:
        return False
    return a.size == 0 or bool(np.abs(a - b).max() <= NEAR * max(1.0, float(np.abs(a).max())))  # False for NaN


def record(net: Model, x: np.ndarray) -> list[Step]:
    """The outputs of a network's modules, in the order in which these finish."""
    steps: list[Step] = []
    producers: dict[int, list[int]] = {}  # several: the last of a sequence, the sequence, and a ReLU in place
    kept: list[Any] = []  # or a new tensor might get the id of a freed one

    def note(name: str, module: nn.Module, inputs: Iterable[Any], output: Any) -> None:
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return
        for given in inputs:
            for place in producers.get(id(given), ()):
                steps[place].consumers.append(len(steps))
        kept.append(output)
        producers.setdefault(id(output), []).append(len(steps))
        # A copy: a ReLU in place changes it
        steps.append(Step(name, type(module).__name__, output.detach().float().cpu().clone().contiguous().numpy()))

    hooks = [
        module.register_forward_hook(lambda module, given, output, name=name: note(name, module, given, output))
        for name, module in net.named_modules()
        if name
    ]
    try:
        with torch.inference_mode():
            Exported(net)(*inputs_of(net, torch.from_numpy(x)).values())
    finally:
        for hook in hooks:
            hook.remove()
    return steps


def tensors(content: bytes, kind: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor that a runtime computes for an input, by its name in the ONNX model.

    Raises:
        ZooError: the runtime cannot read the model with all of them as outputs.
    """
    import onnx

    model = onnx.load_model_from_string(content)
    shaped = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.value_info
    numbers = {each.name: each for each in shaped if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    added = (numbers.get(name) for node in model.graph.node for name in node.output)
    model.graph.output.extend(each for each in added if each and each.type.tensor_type.shape.dim)  # no lone numbers
    names = [value.name for value in model.graph.output]
    return dict(zip(names, open_engine(kind, model.SerializeToString(), names)(x), strict=True))
