"""The form of a card's files, which is checked since a card may come from a stranger."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml

from zoo.base.bounds import Interval
from zoo.base.errors import ZooError
from zoo.base.text import printable
from zoo.base.typed import NOT_YAML, Form, UnfitError, read
from zoo.hub import layout
from zoo.models.evaluation import Count, Line

MAX_NUMBER = 10**6  # largest number in the arguments of data
MAX_PIXELS = 4096  # largest number of an argument in pixels
OUTWARD = re.compile(r"[~/\\]|[A-Za-z][\w+.-]*:\S|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)  # a URL, a drive, a way up
FRONT_MATTER = 64 << 10  # characters
Kind = TypeVar("Kind")
Digest = Annotated[str, Form.of("[0-9a-f]{64}", "of 64 digits, a SHA-256")]
Bytes = Annotated[int, Interval(ge=1, le=layout.WEIGHTS)]


def _named(suffix: str) -> Form:
    """The form of a file name in the folder itself."""
    return Form.of(rf"[\w-][\w.-]*\.{suffix}", f"that is the name of a .{suffix} file")


@dataclass(frozen=True)
class StoredFile:
    file: Annotated[str, _named("safetensors")]
    sha256: Digest
    bytes: Count | None = None
    dtype: Line = ""


@dataclass(frozen=True)
class OnnxFile:
    file: Annotated[str, _named("onnx")]
    sha256: Digest
    bytes: Bytes


@dataclass(frozen=True)
class GraphWeights:
    file: Annotated[str, _named("bin")]
    sha256: Digest
    bytes: Bytes


@dataclass(frozen=True)
class GraphFile:
    file: Annotated[str, _named("xml")]
    sha256: Digest
    bytes: Bytes
    weights: GraphWeights


@dataclass(frozen=True)
class Exports:
    """Files for other runtimes; any may be missing, but not null."""

    onnx: OnnxFile = OnnxFile("", "", 0)
    openvino: GraphFile = GraphFile("", "", 0, GraphWeights("", "", 0))


@dataclass(frozen=True, kw_only=True)
class Config:
    """The shown part of ``config.json``; arguments are checked where a network is built from them."""

    name: Line = ""
    architecture: Line = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    weights: StoredFile
    golden: StoredFile = StoredFile("", "")  # may be missing, but not null
    exports: Exports = Exports()
    data: Line = ""
    input: Line = ""


@dataclass(frozen=True)
class Data:
    class_path: Line
    init_args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    data: Data
    model: dict[str, Any] | None = None


def check(form: type[Kind], content: Any, where: object) -> Kind:
    """Reads content into its form.

    Args:
        form: the form that it must have.
        content: content of a file.
        where: name of the file, for the error.

    Raises:
        ZooError: names the first place that has another form.
    """
    try:
        return read(form, content)
    except UnfitError as error:
        place = ".".join(map(str, error.place))
        raise ZooError(f"{where}: {printable(f'{place:.100}: {error.told:.200}')}") from None  # a stranger's keys


def check_reach(recipe: Mapping[str, Any], arguments: Mapping[str, Any], sizes: Collection[str], where: object) -> None:
    """Refuses a stranger's recipe that names files elsewhere, or takes more memory than data need.

    Only files below the working directory, where data are downloaded to, may be named.

    Args:
        recipe: the recipe as written.
        arguments: arguments of its data, in which texts of the recipe became lists and numbers.
        sizes: names of arguments in pixels.
        where: name of the recipe, for the error.

    Raises:
        ZooError: names the first value that is refused.
    """
    for leaf in _leaves([recipe, arguments]):
        if isinstance(leaf, (str, Path)) and OUTWARD.match(str(leaf)):
            raise ZooError(
                f"{where}: refused, {str(leaf)!r:.100} leads out of the working directory\n"
                "if you want that, pass it yourself: --data.KEY PATH"
            )
    for name, value in arguments.items():
        most = MAX_PIXELS if name in sizes else MAX_NUMBER
        if not all(leaf <= most for leaf in _leaves(value) if isinstance(leaf, (int, float))):  # NaN too
            raise ZooError(
                f"{where}: refused, data.{name!s:.100} is {value!r:.100}, more than {most:,}\n"
                "if you want that, pass it yourself: --data.KEY VALUE"
            )


def _leaves(value: Any) -> Iterator[Any]:
    """All values inside lists and mappings, and the keys of mappings."""
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


class _Plain(yaml.SafeLoader):
    """YAML without aliases, by which a few bytes stand for gigabytes, and without duplicate keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed here", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> Any:
        node, lines = super().compose_mapping_node(anchor), dict[str, int]()
        for key, _ in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                problem = f"duplicate key {name!r:.60}, first in line {lines[name]}"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            lines[name] = line
        return node


class _Front(_Plain):
    """YAML 1.2, as the Hub reads front matter: yes, no, on and off are texts."""


_Front.yaml_implicit_resolvers = {
    letter: [each for each in found if letter in "tTfF" or each[0] != "tag:yaml.org,2002:bool"]
    for letter, found in _Plain.yaml_implicit_resolvers.items()
}


def parse_front(text: str, where: object) -> dict[str, Any]:
    """Front matter as the Hub reads it; raises as :func:`parse_yaml`."""
    return parse_yaml(text, where, _Front)


def parse_yaml(text: str, where: object, loader: type[_Plain] = _Plain) -> dict[str, Any]:
    """A mapping of plain values.

    Args:
        text: YAML.
        where: name of the text, for the error.
        loader: loader that reads it.

    Raises:
        ZooError: the text is not YAML or not a mapping, has aliases, or is too deep or too long.
    """
    if len(text) > FRONT_MATTER:
        raise ZooError(f"{where}: has more than {FRONT_MATTER:,} characters")
    try:
        content = yaml.load(text, loader)  # noqa: S506  # a safe loader
    except NOT_YAML as error:
        raise ZooError(f"{where}: not YAML: {' '.join(str(error).split()):.300}") from None
    if not isinstance(content, dict):
        raise ZooError(f"{where}: not a mapping")
    return content
