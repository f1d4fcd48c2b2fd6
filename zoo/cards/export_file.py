"""An exported file and its metadata, checked before any runtime reads it: the file may come from a stranger.

The architecture must be a name in the registry, facts must have the types and ranges of the predictor's signature, and
outputs and shapes must be those of the graph.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.registry import Architecture, architectures, import_object
from zoo.base.text import is_line, listing, unknown
from zoo.base.typed import UnfitError, hints_of, read
from zoo.engines import Shapes
from zoo.engines.graph import Graph, Shape, read_graph
from zoo.engines.ir import read_ir
from zoo.hub import layout

LONG = ("arguments", "facts", "predicts", "labels", "palette", "golden")  # metadata that may exceed a line
DIGEST = re.compile("[0-9a-f]{64}")
Content: TypeAlias = "bytes | tuple[bytes, bytes]"  # an ONNX file, or OpenVINO's .xml and .bin


def read_file(path: str | Path) -> Export:
    """Reads an exported file.

    Raises:
        ZooError: the file does not exist or is refused.
    """
    file = expanded(path)
    if file.suffix.lower() == ".onnx":
        return parse(str(path), _bytes(file, path))
    layers, apart = _bytes(file, path), file.with_suffix(".bin")
    if not apart.is_file():
        raise ZooError(f"{path}: its weights, {apart.name}, are not beside it; both files are needed")
    return parse(str(path), (layers, _bytes(apart, Path(path).with_suffix(".bin"))))


def _bytes(file: Path, path: str | Path) -> bytes:
    if not file.is_file():
        raise ZooError(f"{path}: {'a folder, not an exported file' if file.is_dir() else 'no such file'}")
    if (size := file.stat().st_size) > layout.WEIGHTS:
        raise ZooError(f"{path}: refused, it has {size:,} bytes, and at most {layout.WEIGHTS:,} are expected")
    return file.read_bytes()


def parse(where: str, content: Content) -> Export:
    """Reads the metadata of an exported file and checks them."""
    graph = read_graph(content, where) if isinstance(content, bytes) else read_ir(*content, where)
    return Export(where, content, graph).check()


@dataclass(frozen=True)
class Export:
    """An exported file that no runtime has seen yet.

    Args:
        where: path of the file, for errors.
        content: bytes of the file.
        graph: its metadata and shapes.
    """

    where: str
    content: Content
    graph: Graph

    @property
    def metadata(self) -> dict[str, str]:
        return self.graph.metadata

    @property
    def architecture(self) -> str:
        """Name in the registry."""
        return self.metadata["architecture"]

    @property
    def declared(self) -> Architecture:
        return architectures()[self.architecture]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Keyword arguments of the predictor, by the types and ranges of its signature; some have defaults."""
        given, predictor = self._value(dict[str, Any], "facts"), import_object(self.declared.predictor)
        kinds = {name: kind for name, kind in hints_of(predictor).items() if name != "engine"}
        signature = inspect.signature(predictor).parameters
        needed = {name for name in kinds if signature[name].default is inspect.Parameter.empty}
        if not needed <= given.keys() <= kinds.keys():
            raise ZooError(f"facts are {listing(given) or 'none':.100}, not {listing(kinds) or 'none'}")
        return {name: read(kind, given[name], place=("facts", name)) for name, kind in kinds.items() if name in given}

    @cached_property
    def predicts(self) -> tuple[str, ...]:
        """Names of the outputs that prediction uses."""
        found: list[str] = self._value(list[str], "predicts")
        if not found or len(set(found)) < len(found) or not set(found) <= set(self.graph.outputs):
            raise ZooError(
                f"predicts is {json.dumps(found):.60}, and the outputs are {listing(self.graph.outputs):.100}"
            )
        return tuple(found)

    @cached_property
    def promised(self) -> Callable[[int, int, int], Shapes] | None:
        """A function from batch, height and width to the shapes of input and outputs; None if it has none."""
        predictor = import_object(self.declared.predictor)(None, **self.facts)
        return getattr(predictor, "shapes", None)

    def check(self) -> Export:
        """Returns itself after its metadata were checked."""
        try:
            self._check_texts()
            check_forward_pass(self.architecture)
            self._check_graph()
        except (ZooError, UnfitError) as error:
            raise ZooError(f"{self.where}: refused, its metadata: {error}") from None
        return self

    def _check_texts(self) -> None:
        for name, text in self.metadata.items():
            if name not in LONG and not is_line(text):
                raise ZooError(f"{name!r:.60} is not one short line")
        if not DIGEST.fullmatch(self.metadata.get("weights_sha256", "")):
            raise ZooError("weights_sha256 is not a SHA-256")
        if self.architecture not in architectures():
            raise unknown("architecture", self.architecture, architectures())
        for name in ("labels", "palette"):
            if name in self.metadata and self._value(Any, name) != self._value(dict[str, Any], "facts").get(name):
                raise ZooError(f"{name} differ from those in facts")

    def _value(self, kind: Any, name: str) -> Any:
        """A value of the metadata, read from JSON."""
        try:
            return read(kind, json.loads(self.metadata[name]), place=(name,))
        except RecursionError:
            raise ZooError(f"{name} is not JSON") from None
        except ValueError as error:
            raise error if isinstance(error, UnfitError) else ZooError(f"{name} is not JSON") from None

    def _check_graph(self) -> None:
        """Compares the shapes that facts promise with the graph's, as far as these are fixed."""
        (name, shape), example = self.graph.pictures, self.declared.example
        shapes = {name: shape, **{name: self.graph.outputs[name] for name in self.predicts}}
        if self.promised and example:
            pairs = zip(shape, (1, *example), strict=True)
            batch, _, *sides = (side if isinstance(side, int) else instead for side, instead in pairs)
            compare(shapes, self.promised(batch, *sides))


def compare(shapes: Mapping[str, Shape], promised: Shapes) -> None:
    """Refuses shapes that differ from those that facts promise.

    Args:
        shapes: shapes of the input and outputs, by name; a text stands for any number.
        promised: their promised shapes, the last of which may be absent.
    """
    if not 2 <= len(shapes) <= len(promised):
        raise ZooError(f"facts promise {len(promised) - 1} outputs, but there are {len(shapes) - 1}")
    for (name, have), want in zip(shapes.items(), promised, strict=False):
        fits = len(have) == len(want) and all(
            isinstance(side, str) or side == right for side, right in zip(have, want, strict=True)
        )
        if not fits:
            raise ZooError(f"facts promise that {name!r:.60} is {_text(want)}, but it is {_text(have)}")


def _text(shape: Sequence[int | str]) -> str:
    return "x".join(str(side) if isinstance(side, int) else "?" for side in shape)


def check_forward_pass(architecture: str) -> None:
    """Refuses an architecture without a forward pass to export."""
    if architectures()[architecture].example is None:
        way_out = "" if find_spec("torch") else ": pip install lightning-zoo"
        raise ZooError(f"{architecture} has no forward pass that an engine could compute; it needs torch{way_out}")
