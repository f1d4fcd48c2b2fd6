"""Reads what an ONNX file says of itself, and refuses what the zoo did not export, before any runtime sees the bytes.

The format is protobuf, of which this reads as much as is needed: neither onnx nor torch need to be installed. Numbers
of fields are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from zoo.base.errors import ZooError
from zoo.base.text import printable, shortened

Shape: TypeAlias = "tuple[int | str, ...]"
Value: TypeAlias = "int | memoryview | None"

OPSET = 18  # which the zoo writes
METADATA = ("name", "architecture", "facts", "predicts")  # without which nothing can be predicted
DOMAINS = ("", "ai.onnx")
MOST_FIELDS = 1_000_000  # a network of the zoo has some ten thousand
AGAIN = "zoo export MODEL --to onnx writes one that can be read"

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_FLOAT32, _EXTERNAL = 1, 1
_TEXT = "str"
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
    """What an ONNX file says of itself.

    Attributes:
        metadata: of the zoo; texts by name.
        inputs: shapes by name, without those of weights. A text is the name of a free dimension.
        outputs: shapes by name, in the file's order.
    """

    metadata: dict[str, str]
    opset: int
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]


class _BrokenError(Exception):
    """The bytes are no protobuf, or do not go on where they should."""


class _Message:
    """A message of the file, read when it is asked: each field is one number, text or message."""

    def __init__(self, kind: str, content: memoryview) -> None:
        self.kind = kind
        self.content = content
        self.fields = [(number, self._read(number, value)) for number, value in _fields(content)]

    def _read(self, number: int, value: Value) -> int | str | _Message | None:
        wanted = _LAYOUT.get((self.kind, number))
        if wanted is None:
            return None
        if isinstance(value, int) != (wanted is int) or value is None:
            raise _BrokenError
        if wanted is int:
            return value
        if wanted == _TEXT:
            return bytes(value).decode()  # type: ignore[arg-type]
        return _Message(wanted, value)  # type: ignore[arg-type]

    def all(self, number: int) -> list:
        return [value for each, value in self.fields if each == number]

    def last(self, number: int, default: int | str) -> int | str:
        """As protobuf has it for a field that is there once, or not at all."""
        return (self.all(number) or [default])[-1]

    def walk(self) -> Iterator[_Message]:
        yield self
        for _, value in self.fields:
            if isinstance(value, _Message):
                yield from value.walk()


def _fields(content: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of each field of a message; None where the value does not matter."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        value: Value = None
        if kind == _VARINT:
            value, place = _varint(content, place)
        elif kind == _LENGTH:
            length, place = _varint(content, place)
            value = content[place : place + length]
            place += length
        elif kind in (_EIGHT, _FOUR):
            place += 8 if kind == _EIGHT else 4
        else:
            raise _BrokenError
        if place > len(content):
            raise _BrokenError
        yield key >> 3, value


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for position, byte in enumerate(content[place : place + 10]):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value, place + position + 1
    raise _BrokenError


def read_graph(content: bytes, where: str | Path, keys: tuple[str, ...] = METADATA) -> Graph:
    """What an ONNX file says of itself.

    Args:
        content: the file.
        where: its name, for errors.
        keys: metadata that must be there.

    Raises:
        ZooError: it is no ONNX, is cut, names other files or operators that are not ONNX's, has another opset than the
            zoo writes, or lacks metadata.
    """
    try:
        model = _Message("model", memoryview(content))
        graphs = model.all(7)
        if not graphs:
            raise _BrokenError
    except (_BrokenError, UnicodeDecodeError):
        raise ZooError(f"{where}: no ONNX file, or cut short") from None
    _refuse(model, where)
    metadata = {entry.last(1, ""): entry.last(2, "") for entry in model.all(14)}
    if missing := [key for key in keys if key not in metadata]:
        raise ZooError(f"{where}: no export of the zoo: its metadata lack {', '.join(missing)}; {AGAIN}")
    weights = {tensor.last(8, "") for tensor in graphs[-1].all(5)}
    inputs = {name: shape for name, shape in map(_value, graphs[-1].all(11)) if name not in weights}
    return Graph(metadata, _opset(model), inputs, dict(map(_value, graphs[-1].all(12))))


def _opset(model: _Message) -> int:
    versions = [each.last(2, 0) for each in model.all(8) if each.last(1, "") in DOMAINS]
    return versions[-1] if versions else 0


def _refuse(model: _Message, where: str | Path) -> None:
    if (opset := _opset(model)) != OPSET:
        raise ZooError(f"{where}: has opset {opset}, and the zoo reads {OPSET}; {AGAIN}")
    for message in model.walk():
        if message.kind == "external" or (message.kind == "tensor" and message.last(14, 0) == _EXTERNAL):
            raise ZooError(f"{where}: keeps weights in other files (external data); {AGAIN}")
        if message.kind == "node" and message.last(7, "") not in DOMAINS:
            operator = shortened(printable(f"{message.last(7, '')}.{message.last(4, '')}"), 60)
            raise ZooError(f"{where}: has an operator that is not ONNX's, {operator}; {AGAIN}")
        if message.kind in ("function", "training"):
            raise ZooError(f"{where}: has a {message.kind} of its own, which the zoo does not run; {AGAIN}")


def _value(info: _Message) -> tuple[str, Shape]:
    """Name and shape of an input or output."""
    dimensions = [
        dimension
        for kind in info.all(2)
        for tensor in kind.all(1)
        for shape in tensor.all(2)
        for dimension in shape.all(1)
    ]
    return str(info.last(1, "")), tuple(each.last(1, 0) or each.last(2, "") or "?" for each in dimensions)
