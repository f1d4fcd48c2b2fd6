"""From a network to the bytes of an ONNX file, by either of torch's exporters."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.exports.settings import Size
from zoo.models.base import Model
from zoo.nn.mode import evaluating

OPSET = 18
INPUT = "input"
TRACED = (2, 101, 75)  # batch, height and width: exporters freeze a side that is 1, even or like the other
OTHERWISE = (3, 67, 117)  # a second shape, to tell free dimensions from fixed ones
AXES = ("batch", "", "height", "width")

Exporter: TypeAlias = Literal["torchscript", "dynamo"]
Example: TypeAlias = tuple[int, int, int]  # channels, height and width
Shape: TypeAlias = "list[int | str]"  # a text names a free dimension
EXPORTERS: tuple[Exporter, ...] = ("torchscript", "dynamo")  # in the order they are tried: 0.4 s, and up to 30 s


class Exported(nn.Module):
    """The graph of a file: the outputs that engines use, and further outputs for users without the zoo."""

    def __init__(self, net: Model) -> None:
        super().__init__()
        self.net = net
        self.train(net.training)  # or an exporter, which puts the mode back, would leave the network in train mode

    def forward(self, x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        outputs = self.net.infer(x, *weights)
        return (*outputs, *self.net.further(*outputs).values())


def to_onnx(net: Model, example: Example, exporter: Exporter, size: Size | None = None) -> bytes:
    """The network as an ONNX model in one piece, weights inside, without metadata.

    Args:
        net: network in float32 on the CPU.
        example: channels, height and width of its input.
        exporter: torch's exporter, the older one or that of torch.export.
        size: fixed height and width of the input, in a batch of one; None: any batch, and any size if the network takes
            any.

    Raises:
        ZooError: the exporter refuses the network.
    """
    shape, free = traced_shape(net, example, size)
    with evaluating(net), torch.no_grad(), silenced():
        try:
            inputs = inputs_of(net, torch.rand(shape))
            return EXPORT[exporter](Exported(net), inputs, free, output_names(net, inputs[INPUT]))
        except Exception as error:  # exporters may raise anything
            raise ZooError(f"torch's {exporter} exporter refuses {type(net).__name__}: {first_line(error)}") from error


def inputs_of(net: Model, x: Tensor) -> dict[str, Tensor]:
    """The inputs of :class:`Exported` by name: pictures, and where the network blends, weights of the first alone."""
    if net.blends is None:
        return {INPUT: x}
    name, count = net.blends
    weights = x.new_zeros(len(x), count)
    weights[:, 0] = 1
    return {INPUT: x, name: weights}


def free_axes(inputs: Mapping[str, Tensor], free: Mapping[int, str]) -> dict[str, dict[int, str]]:
    """Names of the free dimensions of each input."""
    return {name: {a: each for a, each in free.items() if x.ndim == 4 or a == 0} for name, x in inputs.items()}


def output_names(net: Model, x: Tensor) -> list[str]:
    """Names of the outputs of :class:`Exported`: those that engines use, then the rest."""
    return [*net.outputs, *net.further(*net.infer(x))]


def traced_shape(
    net: Model, example: Example, size: Size | None, traced: tuple[int, int, int] = TRACED
) -> tuple[list[int], dict[int, str]]:
    """The shape of an input to trace with, and the names of its free dimensions."""
    channels, *sides = example
    if size is not None:
        return [1, channels, *size], {}
    batch, *others = traced
    free = {axis: name for axis, name in enumerate(AXES) if name and (net.any_size or axis == 0)}
    return [batch, channels, *(others if net.any_size else sides)], free


def named_shapes(net: Model, example: Example, size: Size | None) -> list[Shape]:
    """The shapes of each input and of each output; a side that varies with a free one is named as its multiple."""
    runs = []
    with evaluating(net), torch.no_grad():
        for traced in (TRACED, OTHERWISE):
            shape, free = traced_shape(net, example, size, traced)
            inputs = inputs_of(net, torch.rand(shape)).values()
            runs.append([tuple(each.shape) for each in (*inputs, *Exported(net)(*inputs))])
    first, second = runs
    sides = {name: (first[0][axis], second[0][axis]) for axis, name in free.items()}
    batch = {name: sides.pop(name) for name in AXES[:1] if name in sides}
    return [
        [_named(pair, sides if axis else batch) for axis, pair in enumerate(zip(*both, strict=True))]
        for both in zip(first, second, strict=True)
    ]


def _named(lengths: tuple[int, int], sides: Mapping[str, tuple[int, int]]) -> int | str:
    """A dimension with two lengths, as a multiple of the free side that both are multiples of."""
    a, b = lengths
    for name, (own, other) in sides.items():
        if a != b and a * other == b * own and a % own == 0:
            return name if a == own else f"{a // own} * {name}"
    return a if a == b else "free"


def _torchscript(graph: nn.Module, inputs: dict[str, Tensor], free: dict[int, str], names: list[str]) -> bytes:
    buffer = io.BytesIO()
    torch.onnx.export(
        graph, tuple(inputs.values()), buffer,  # type: ignore[arg-type]  # which the older exporter takes
        dynamo=False, opset_version=OPSET, input_names=list(inputs), output_names=names,
        dynamic_axes=free_axes(inputs, free),
    )  # fmt: skip
    return buffer.getvalue()


def _dynamo(graph: nn.Module, inputs: dict[str, Tensor], free: dict[int, str], names: list[str]) -> bytes:
    program = torch.onnx.export(
        graph, tuple(inputs.values()), dynamo=True, opset_version=OPSET, input_names=list(inputs), output_names=names,
        dynamic_shapes=dynamic_shapes(inputs, free), external_data=False, verbose=False,
    )  # fmt: skip
    assert program is not None
    return program.model_proto.SerializeToString()


def dynamic_shapes(inputs: Mapping[str, Tensor], free: Mapping[int, str]) -> tuple[Any, ...]:
    """The free dimensions of :class:`Exported`'s inputs for torch.export; all but the first are variadic."""
    first, *others = (dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in free_axes(inputs, free).values())
    return (first, tuple(others)) if others else (first,)


EXPORT = {"torchscript": _torchscript, "dynamo": _dynamo}


@contextmanager
def silenced() -> Iterator[None]:
    """Hides warnings and output of exporters: the certificate tells the user how good the file is."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    sink: Any = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(sink), redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
