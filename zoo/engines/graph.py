"""Reads metadata and shapes of ONNX files, and refuses files that the zoo did not export before a runtime reads them.

The format is protobuf. Only the parts that are needed are read, so that neither onnx nor torch need to be installed.
Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.text import printable, shortened
from zoo.engines.protobuf import TEXT, BrokenError, Layout, Message, parse

Shape: TypeAlias = "tuple[int | str, ...]"

OPSET = 18  # version that the zoo writes
DOMAINS = ("", "ai.onnx")  # both mean ONNX's own operators
DIGEST = "graph_sha256"  # entry that reveals a damaged graph, on which runtimes crash or err silently
METADATA = ("name", "architecture", "facts", "predicts", DIGEST)  # required for prediction
MAX_BLENDED = 1000  # largest number of weights of what is blended, such as styles
AGAIN = "zoo export MODEL --to onnx writes a readable file"

_FLOAT32, _EXTERNAL = 1, 1  # TensorProto.DataType, TensorProto.DataLocation
_IR_VERSION = b"\x08"  # the field that an ONNX file begins with
_LAYOUT: Layout = {
    ("model", 1): int,  # ir_version
    ("model", 7): "graph",
    ("model", 8): "opset",
    ("model", 14): "metadata",
    ("model", 20): "training",
    ("model", 25): "function",
    ("opset", 1): TEXT,  # domain
    ("opset", 2): int,  # version
    ("metadata", 1): TEXT,  # key
    ("metadata", 2): TEXT,  # value
    ("graph", 1): "node",
    ("graph", 5): "tensor",  # initializer
    ("graph", 11): "input",
    ("graph", 12): "output",
    ("graph", 15): "sparse",  # initializer
    ("node", 4): TEXT,  # op_type
    ("node", 5): "attribute",
    ("node", 7): TEXT,  # domain
    ("attribute", 5): "tensor",
    ("attribute", 6): "graph",
    ("attribute", 10): "tensor",
    ("attribute", 11): "graph",
    ("attribute", 22): "sparse",
    ("attribute", 23): "sparse",
    ("sparse", 1): "tensor",  # values
    ("sparse", 2): "tensor",  # indices
    ("tensor", 8): TEXT,  # name
    ("tensor", 13): "external",
    ("tensor", 14): int,  # data_location
    ("input", 1): TEXT,  # name
    ("input", 2): "type",
    ("output", 1): TEXT,  # name
    ("output", 2): "type",
    ("type", 1): "tensor type",
    ("tensor type", 1): int,  # elem_type
    ("tensor type", 2): "shape",
    ("shape", 1): "dimension",
    ("dimension", 1): int,  # dim_value
    ("dimension", 2): TEXT,  # dim_param
}


@dataclass(frozen=True)
class Graph:
    """Metadata and shapes of an exported file.

    Attributes:
        metadata: entries of the zoo; texts by name.
        opset: version of ONNX's operators; 0 for a file in another format.
        inputs: shapes by name, without weights. A text names a free dimension.
        outputs: shapes by name, in the file's order.
    """

    metadata: dict[str, str]
    opset: int
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]

    @property
    def pictures(self) -> tuple[str, Shape]:
        """Name and shape of the input that takes pictures."""
        return next((name, shape) for name, shape in self.inputs.items() if len(shape) == 4)

    @property
    def weights(self) -> tuple[str, Shape] | None:
        """Name and shape ``(B, N)`` of the input that takes weights of what is blended, such as styles."""
        return next(((name, shape) for name, shape in self.inputs.items() if len(shape) == 2), None)


def read_graph(content: bytes, where: str | Path, keys: Sequence[str] = METADATA) -> Graph:
    """Metadata and shapes of an ONNX file.

    Args:
        content: the file.
        where: its name, for errors.
        keys: names of required metadata; with :data:`DIGEST`, the graph must be the one that was exported.

    Raises:
        ZooError: the file is not ONNX, is cut, names other files or operators that are not ONNX's, has another opset
            than the zoo writes, is damaged, takes something else than a batch of pictures, or lacks metadata.
    """
    model, graph = _parse(content, where)
    opset = _opset(model, where)
    _refuse_foreign(model, where)
    weights = {tensor.text(8) for tensor in graph.parts(5)}
    inputs = [info for info in graph.parts(11) if info.text(1) not in weights]
    found = Graph(_metadata(model, where), opset, _shapes(inputs), _shapes(graph.parts(12)))
    check_graph(found, all(_type(info) == _FLOAT32 for info in inputs), where, keys)
    if DIGEST in keys:
        check_digest(found, _sha256(graph), where)
    return found


def graph_sha256(content: bytes) -> str:
    """The :data:`DIGEST` of an ONNX file: SHA-256 of its graph, of which metadata are not a part.

    Raises:
        ZooError: the file is not ONNX.
    """
    return _sha256(_parse(content, "the export")[1])


def _parse(content: bytes, where: str | Path) -> tuple[Message, Message]:
    """The model in a file, and its graph."""
    try:
        model = parse(content, "model", _LAYOUT)
        (graph,) = model.parts(7)
    except (BrokenError, ValueError):  # the latter for texts, and for no or several graphs
        damaged = content.startswith(_IR_VERSION)
        raise ZooError(f"{where}: {'cut short or damaged: copy it again' if damaged else 'not an ONNX file'}") from None
    return model, graph


def _sha256(graph: Message) -> str:
    return hashlib.sha256(graph.content).hexdigest()


def check_graph(graph: Graph, floats: bool, where: str | Path, keys: Sequence[str]) -> None:
    """Refuses a file that does not look like an export of the zoo.

    Args:
        graph: metadata and shapes of the file.
        floats: whether its input is float32.
        where: the file's name, for errors.
        keys: names of required metadata.

    Raises:
        ZooError: an input, an output or metadata are missing.
    """
    ranks = [len(shape) for shape in graph.inputs.values()]
    counts = [shape[1] for shape in graph.inputs.values() if len(shape) == 2]
    counted = all(isinstance(count, int) and count <= MAX_BLENDED for count in counts)
    if not floats or not counted or ranks not in ([4], [4, 2], [2, 4]) or not graph.outputs:
        raise ZooError(f"{where}: does not take one batch of pictures in float32; {AGAIN}")
    if missing := [key for key in keys if key not in graph.metadata]:
        raise ZooError(f"{where}: not an export of the zoo: its metadata lack {', '.join(missing)}; {AGAIN}")


def check_digest(graph: Graph, found: str, where: str | Path) -> None:
    """Refuses a graph that is not the one that was exported.

    Args:
        graph: metadata of the file, with the SHA-256 of its graph.
        found: SHA-256 of the graph as it is.
        where: the file's name, for errors.

    Raises:
        ZooError: the digests differ.
    """
    if graph.metadata[DIGEST] != found:
        raise ZooError(f"{where}: damaged: the SHA-256 of its graph differs from its metadata; copy it again")


def _opset(model: Message, where: str | Path) -> int:
    versions = {each.number(2) for each in model.parts(8) if each.text(1) in DOMAINS}
    if versions != {OPSET}:
        found = ", ".join(map(str, sorted(versions))) or "none"
        raise ZooError(f"{where}: its opset is {found:.40}, not {OPSET}; {AGAIN}")
    return OPSET


def _refuse_foreign(model: Message, where: str | Path) -> None:
    """Refuses a model that reads other files or has operators that ONNX does not define, in subgraphs as well."""
    for message in model.walk():
        if message.kind == "external" or (message.kind == "tensor" and message.number(14) == _EXTERNAL):
            raise ZooError(f"{where}: keeps weights in other files (external data); {AGAIN}")
        if message.kind == "node" and message.text(7) not in DOMAINS:
            operator = shortened(printable(f"{message.text(4)} of {message.text(7)}"), 80)
            raise ZooError(f"{where}: has a custom operator, {operator}; {AGAIN}")
        if message.kind in ("function", "training"):
            raise ZooError(f"{where}: holds a {message.kind}, which the zoo does not run; {AGAIN}")


def _metadata(model: Message, where: str | Path) -> dict[str, str]:
    entries = [(entry.text(1), entry.text(2)) for entry in model.parts(14)]
    if len(dict(entries)) < len(entries):
        raise ZooError(f"{where}: its metadata have a duplicate entry; {AGAIN}")
    return dict(entries)


def _shapes(infos: Sequence[Message]) -> dict[str, Shape]:
    """Shapes of inputs or outputs by name."""
    return {info.text(1): tuple(map(_side, _within(info, 2, 1, 2, 1))) for info in infos}


def _type(info: Message) -> int:
    return next((tensor.number(1) for tensor in _within(info, 2, 1)), 0)


def _within(message: Message, *numbers: int) -> list[Message]:
    """The messages on the path of these field numbers: value, type, tensor, shape, dimension."""
    found = [message]
    for number in numbers:
        found = [part for each in found for part in each.parts(number)]
    return found


def _side(dimension: Message) -> int | str:
    length = dimension.number(1)
    return length if 0 < length < 1 << 31 else dimension.text(2) or "?"
