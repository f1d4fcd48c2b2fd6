"""Reads protobuf's wire format, as much of it as the messages of an ONNX file need.

See https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

TEXT = "text"
# The fields of a message that matter: each is a message, by the name of its kind, a text or a number.
Layout: TypeAlias = "Mapping[tuple[str, int], str | type[int]]"

MOST_FIELDS = 100_000  # files of the zoo have 1,300 to 6,300
DEEPEST = 64  # nested messages; a subgraph takes three

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5  # kinds of fields


class BrokenError(Exception):
    """The bytes are not such a message, or are cut short."""


@dataclass
class Message:
    """A message of the file.

    Attributes:
        content: its bytes.
        fields: number and value of the fields that the layout names, in the file's order.
    """

    kind: str
    content: memoryview
    fields: list[tuple[int, int | str | Message]] = field(default_factory=list)

    def parts(self, number: int) -> list[Message]:
        return [value for each, value in self.fields if each == number and isinstance(value, Message)]

    def text(self, number: int) -> str:
        """The last text of that number, as protobuf has it; empty where there is none."""
        return next((value for each, value in self.fields[::-1] if each == number and isinstance(value, str)), "")

    def number(self, number: int) -> int:
        return next((value for each, value in self.fields[::-1] if each == number and isinstance(value, int)), 0)

    def walk(self) -> Iterator[Message]:
        """This message and all messages in it."""
        yield self
        for _, value in self.fields:
            if isinstance(value, Message):
                yield from value.walk()


def parse(content: bytes, kind: str, layout: Layout) -> Message:
    """The message in a file.

    Args:
        content: the file.
        kind: kind of the message, as the layout names it.
        layout: what to keep of each kind of message; other fields are skipped.

    Raises:
        BrokenError: the bytes are not such a message.
        UnicodeDecodeError: a text is not UTF-8.
    """
    return _Reader(layout).message(kind, memoryview(content))


class _Reader:
    """Reads a file's messages, up to the most fields of a file of the zoo."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.left = MOST_FIELDS

    def message(self, kind: str, content: memoryview, depth: int = 0) -> Message:
        message = Message(kind, content)
        for number, value in _fields(content):
            self.left -= 1
            if self.left < 0 or depth > DEEPEST:
                raise BrokenError
            if wanted := self.layout.get((kind, number)):
                message.fields.append((number, self._value(wanted, value, depth)))
        return message

    def _value(self, wanted: str | type[int], value: int | memoryview, depth: int) -> int | str | Message:
        if isinstance(value, int):
            if wanted is not int:
                raise BrokenError
            return value
        if isinstance(wanted, type):
            raise BrokenError
        return bytes(value).decode() if wanted == TEXT else self.message(wanted, value, depth + 1)


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
            raise BrokenError
        length = {_EIGHT: 8, _FOUR: 4}.get(kind)
        if length is None:
            length, place = _varint(content, place)
        if length > len(content) - place:
            raise BrokenError
        yield key >> 3, content[place : place + length]
        place += length


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for position, byte in enumerate(content[place : place + 10]):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value, place + position + 1
    raise BrokenError
