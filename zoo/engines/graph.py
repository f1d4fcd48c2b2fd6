"""Reads what an ONNX file says of itself, and refuses what the zoo did not export, before any runtime sees the bytes.

The format is protobuf, of which this reads as much as is needed: neither onnx nor torch need to be installed. Numbers
of fields are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.text import printable, shortened

Shape: TypeAlias = "tuple[int | str, ...]"

OPSET = 18  # which the zoo writes
DOMAINS = ("", "ai.onnx")  # both mean ONNX's own operators
METADATA = ("name", "architecture", "facts", "predicts")  # without which nothing can be predicted
MOST_FIELDS = 1_000_000  # a file of the zoo has some ten thousand
DEEPEST = 64  # messages within messages, of which a subgraph takes three
AGAIN = "zoo export MODEL --to onnx writes one that can be read"

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5  # kinds of fields
_FLOAT32, _EXTERNAL = 1, 1  # TensorProto.DataType, TensorProto.DataLocation
_IR_VERSION = b"\x08"  # the field that an ONNX file begins with
_TEXT = "text"
# What lies in the fields of a message, as far as it matters: the message's name, or a text or number.
_LAYOUT: dict[tuple[str, int], str | type[int]] = {
    ("model", 1): int,  # ir_version
    ("model", 7): "graph",
    ("model", 8): "opset",
    ("model", 14): "metadata",
    ("model", 20): "training",
    ("model", 25): "function",
    ("opset", 1): _TEXT,  # domain
    ("opset", 2): int,  # version
    ("metadata", 1): _TEXT,  # key
    ("metadata", 2): _TEXT,  # value
    ("graph", 1): "node",
    ("graph", 5): "tensor",  # initializer
    ("graph", 11): "input",
    ("graph", 12): "output",
    ("graph", 15): "sparse",  # initializer
    ("node", 4): _TEXT,  # op_type
    ("node", 5): "attribute",
    ("node", 7): _TEXT,  # domain
    ("attribute", 5): "tensor",
    ("attribute", 6): "graph",
    ("attribute", 10): "tensor",
    ("attribute", 11): "graph",
    ("attribute", 22): "sparse",
    ("attribute", 23): "sparse",
    ("sparse", 1): "tensor",  # values
    ("sparse", 2): "tensor",  # indices
    ("tensor", 8): _TEXT,  # name
    ("tensor", 13): "external",
    ("tensor", 14): int,  # data_location
    ("input", 1): _TEXT,  # name
    ("input", 2): "type",
    ("output", 1): _TEXT,  # name
    ("output", 2): "type",
    ("type", 1): "tensor type",
    ("tensor type", 1): int,  # elem_type
    ("tensor type", 2): "shape",
    ("shape", 1): "dimension",
    ("dimension", 1): int,  # dim_value
    ("dimension", 2): _TEXT,  # dim_param
}


@dataclass(frozen=True)
class Graph:
    """What an exported file says of itself.

    Attributes:
        metadata: of the zoo; texts by name.
        opset: version of ONNX's operators; 0 where the file is in another format.
        inputs: shapes by name, without those of weights. A text names a free dimension.
        outputs: shapes by name, in the file's order.
    """

    metadata: dict[str, str]
    opset: int
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]


class _BrokenError(Exception):
    """The bytes are no protobuf, or none of ONNX, or end where they should not."""


@dataclass
class _Message:
    """A message of the file, as far as :data:`_LAYOUT` knows it."""

    kind: str
    fields: list[tuple[int, int | str | _Message]] = field(default_factory=list)

    def parts(self, number: int) -> list[_Message]:
        return [value for each, value in self.fields if each == number and isinstance(value, _Message)]

    def text(self, number: int) -> str:
        """The last text of that number, as protobuf has it; empty where there is none."""
        return next((value for each, value in self.fields[::-1] if each == number and isinstance(value, str)), "")

    def number(self, number: int) -> int:
        return next((value for each, value in self.fields[::-1] if each == number and isinstance(value, int)), 0)

    def walk(self) -> Iterator[_Message]:
        """Itself and all that lies in it."""
        yield self
        for _, value in self.fields:
            if isinstance(value, _Message):
                yield from value.walk()


class _Reader:
    """Reads a file's messages, as many as a file of the zoo may have."""

    def __init__(self) -> None:
        self.left = MOST_FIELDS

    def message(self, kind: str, content: memoryview, depth: int = 0) -> _Message:
        message = _Message(kind)
        for number, value in _fields(content):
            self.left -= 1
            if self.left < 0 or depth > DEEPEST:
                raise _BrokenError
            if wanted := _LAYOUT.get((kind, number)):
                message.fields.append((number, self._value(wanted, value, depth)))
        return message

    def _value(self, wanted: str | type[int], value: int | memoryview, depth: int) -> int | str | _Message:
        if isinstance(value, int):
            if wanted is not int:
                raise _BrokenError
            return value
        if isinstance(wanted, type):
            raise _BrokenError
        return bytes(value).decode() if wanted == _TEXT else self.message(wanted, value, depth + 1)


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message: a number, or bytes."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(content, place)
            yield key >> 3, value
            continue
        if kind not in (_LENGTH, _EIGHT, _FOUR):
            raise _BrokenError
        length = {_EIGHT: 8, _FOUR: 4}.get(kind)
        if length is None:
            length, place = _varint(content, place)
        if length > len(content) - place:
            raise _BrokenError
        yield key >> 3, content[place : place + length]
        place += length


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for position, byte in enumerate(content[place : place + 10]):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value, place + position + 1
    raise _BrokenError


def read_graph(content: bytes, where: str | Path, keys: Sequence[str] = METADATA) -> Graph:
    """What an ONNX file says of itself.

    Args:
        content: the file.
        where: its name, for errors.
        keys: metadata that must be there.

    Raises:
        ZooError: it is no ONNX, is cut, names other files or operators that are not ONNX's, has another opset than the
            zoo writes, takes something else than a batch of pictures, or lacks metadata.
    """
    try:
        model = _Reader().message("model", memoryview(content))
        if not (graphs := model.parts(7)):
            raise _BrokenError
    except (_BrokenError, UnicodeDecodeError):
        damaged = content.startswith(_IR_VERSION)
        raise ZooError(f"{where}: {'cut short or damaged: copy it again' if damaged else 'no ONNX file'}") from None
    opset = _opset(model, where)
    _refuse_foreign(model, where)
    inputs = [info for graph in graphs for info in graph.parts(11)]
    weights = {tensor.text(8) for graph in graphs for tensor in graph.parts(5)}
    found = Graph(
        _metadata(model, where),
        opset,
        _shapes(info for info in inputs if info.text(1) not in weights),
        _shapes(info for graph in graphs for info in graph.parts(12)),
    )
    check_graph(found, {_type(info) for info in inputs if info.text(1) in found.inputs} == {_FLOAT32}, where, keys)
    return found


def check_graph(graph: Graph, floats: bool, where: str | Path, keys: Sequence[str]) -> None:
    """Refuses what does not look like an export of the zoo.

    Args:
        graph: what the file says.
        floats: whether its input is float32.
        where: the file's name, for errors.
        keys: metadata that must be there.

    Raises:
        ZooError: an input, an output or metadata are missing.
    """
    if not floats or [len(shape) for shape in graph.inputs.values()] != [4] or not graph.outputs:
        raise ZooError(f"{where}: does not take one batch of pictures in float32; {AGAIN}")
    if missing := [key for key in keys if key not in graph.metadata]:
        raise ZooError(f"{where}: no export of the zoo: its metadata lack {', '.join(missing)}; {AGAIN}")


def _opset(model: _Message, where: str | Path) -> int:
    versions = {each.number(2) for each in model.parts(8) if each.text(1) in DOMAINS}
    if versions != {OPSET}:
        found = ", ".join(map(str, sorted(versions))) or "none"
        raise ZooError(f"{where}: its opset is {found:.40}, not {OPSET}; {AGAIN}")
    return OPSET


def _refuse_foreign(model: _Message, where: str | Path) -> None:
    """Refuses what would read other files or run operators that ONNX does not define, in subgraphs as well."""
    for message in model.walk():
        if message.kind == "external" or (message.kind == "tensor" and message.number(14) == _EXTERNAL):
            raise ZooError(f"{where}: keeps weights in other files (external data); {AGAIN}")
        if message.kind == "node" and message.text(7) not in DOMAINS:
            operator = shortened(printable(f"{message.text(4)} of {message.text(7)}"), 80)
            raise ZooError(f"{where}: has a custom operator, {operator}; {AGAIN}")
        if message.kind in ("function", "training"):
            raise ZooError(f"{where}: holds a {message.kind}, which the zoo does not run; {AGAIN}")


def _metadata(model: _Message, where: str | Path) -> dict[str, str]:
    entries = [(entry.text(1), entry.text(2)) for entry in model.parts(14)]
    if len(dict(entries)) < len(entries):
        raise ZooError(f"{where}: an entry of its metadata stands twice; {AGAIN}")
    return dict(entries)


def _shapes(infos: Iterable[_Message]) -> dict[str, Shape]:
    """Shapes of inputs or outputs by name."""
    return {info.text(1): tuple(map(_side, _within(info, 2, 1, 2, 1))) for info in infos}


def _type(info: _Message) -> int:
    return next((tensor.number(1) for tensor in _within(info, 2, 1)), 0)


def _within(message: _Message, *numbers: int) -> list[_Message]:
    """The messages on the path of these numbers: of value, type, tensor, shape, dimension."""
    found = [message]
    for number in numbers:
        found = [part for each in found for part in each.parts(number)]
    return found


def _side(dimension: _Message) -> int | str:
    length = dimension.number(1)
    return length if 0 < length < 1 << 31 else dimension.text(2) or "?"
