"""Reads metadata and shapes of a file in OpenVINO's own format: the .xml, beside a .bin with the weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from zoo.base.errors import ZooError
from zoo.base.text import printable, shortened
from zoo.engines.graph import DIGEST, METADATA, Graph, Shape, check_digest, check_graph

STANDARD = re.compile(r"opset\d+")
AGAIN = "zoo export MODEL --to openvino writes a readable file"


def read_ir(xml: bytes, weights: bytes, where: str | Path, keys: Sequence[str] = METADATA) -> Graph:
    """Metadata and shapes of a file of OpenVINO.

    Args:
        xml: content of the .xml.
        weights: content of the .bin beside it.
        where: name of the .xml, for errors.
        keys: names of required metadata; with :data:`~zoo.engines.graph.DIGEST`, both must be what was exported.

    Raises:
        ZooError: the file is not OpenVINO's, has operators that are not OpenVINO's, takes something else than a batch
            of pictures, lacks metadata, or is damaged.
    """
    net = _parse(xml, where)
    layers = net.findall("layers/layer")
    for layer in net.iter("layer"):
        if not STANDARD.fullmatch(layer.get("version", "")):
            operator = shortened(printable(f"{layer.get('type')} of {layer.get('version')}"), 80)
            raise ZooError(f"{where}: has a custom operator, {operator}; {AGAIN}")
    inputs = [layer for layer in layers if layer.get("type") == "Parameter"]
    outputs = [layer for layer in layers if layer.get("type") == "Result"]
    found = Graph(
        {entry.tag: entry.get("value", "") for entry in net.findall("rt_info/zoo/*")},
        0,
        {layer.get("name", ""): _shape(layer.find("output/port")) for layer in inputs},
        {layer.get("output_names", ""): _shape(layer.find("input/port")) for layer in outputs},
    )
    types = {port.get("precision") for layer in inputs for port in layer.iter("port")}
    check_graph(found, types == {"FP32"}, where, keys)
    if DIGEST in keys:
        check_digest(found, ir_sha256(xml, weights), where)
    return found


def ir_sha256(xml: bytes, weights: bytes) -> str:
    """The SHA-256 of the layers and weights of a file of OpenVINO.

    It excludes the metadata, which follow the layers.
    """
    return hashlib.sha256(xml[: xml.rfind(b"<rt_info>")] + weights).hexdigest()


def _parse(xml: bytes, where: str | Path) -> ElementTree.Element:
    """The file's tree; declarations of types and entities, which could blow it up, are not part of the format."""
    try:
        if b"<!" in xml or b"\0" in xml:
            raise ValueError
        net = ElementTree.fromstring(xml)  # noqa: S314  which has no entities
    except (ElementTree.ParseError, ValueError, LookupError):  # the last for an unknown encoding
        raise ZooError(f"{where}: not a file of OpenVINO, or cut short") from None
    if net.tag != "net":
        raise ZooError(f"{where}: not a file of OpenVINO")
    return net


def _shape(port: ElementTree.Element | None) -> Shape:
    sides = [] if port is None else [side.text or "" for side in port.findall("dim")]
    return tuple(int(side) if re.fullmatch("[1-9][0-9]{0,9}", side) else "?" for side in sides)
