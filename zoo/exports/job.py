"""From a model to its files: made in memory, compared with torch, and written only then."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.packages import versions_of
from zoo.cards import parity
from zoo.cards.parity import Certificate
from zoo.exports import certificate, convert, formats, metadata, parting, pictures, quantize, use
from zoo.exports.certificate import RUNTIMES, Found, UnlikeError
from zoo.exports.convert import EXPORTERS, Exporter
from zoo.exports.formats import File
from zoo.exports.settings import Settings
from zoo.exports.subject import Subject
from zoo.models.base import Model
from zoo.models.evaluation import Results

PACKAGES = ("torch", "numpy", "onnx", "onnxruntime", "onnxscript", "openvino", "opencv-python-headless", "spandrel")
Measure: TypeAlias = "Callable[[Model], Results]"


@dataclass(frozen=True)
class Made:
    """A file that is not written yet.

    Args:
        file: its bytes.
        graph: the ONNX model in float32 that it was made from; empty for a program of torch or a file for spandrel.
        entries: metadata of the file.
        found: results of the runtimes, first the one that must agree with torch.
    """

    file: File
    graph: bytes
    entries: dict[str, str]
    found: list[Found]


@dataclass(frozen=True)
class Done:
    """What was written.

    Args:
        files: files of the export, the main one first.
        beside: files that describe it.
        certificate: certificate of the main file.
        found: results of the runtimes.
    """

    files: list[Path]
    beside: list[Path]
    certificate: Certificate
    found: list[Found]


def export(model: str | Path, settings: Settings, folder: Path, measure: Measure | None = None) -> Done:
    """Writes a model's export, ``parity.json`` and ``USE.md``, all of them or none.

    Args:
        model: what ``zoo.load`` takes.
        settings: settings of the export.
        folder: folder of the files; made if it is missing.
        measure: function that measures the card's figures of a network; None: figures are left out.

    Raises:
        UnlikeError: a runtime computes something else than torch, or int8 costs too much.
        ZooError: the export is not possible.
    """
    subject = Subject.load(model, settings)
    made = make(subject, RUNTIMES[settings.to])
    judge(subject, made)
    if measure is not None:
        good = [each for each in made.found if not each.fault]
        certificate.measure_figures(subject.net, measure, made.file.open, good, settings.precision)
        judge(subject, made)
    return write(subject, made, folder)


def make(subject: Subject, kinds: Sequence[str]) -> Made:
    """Makes the file by the exporter that agrees with torch on every runtime, else on the one that must agree.

    Args:
        subject: model to export.
        kinds: kinds of the runtimes, first the one that must agree.

    Raises:
        ZooError: every exporter refuses the network.
    """
    if subject.settings.to in ("torch", "spandrel"):
        return _without_graph(subject, kinds)
    made, refused = list[Made](), list[ZooError]()
    for exporter in EXPORTERS:
        try:
            made.append(attempt(subject, exporter, kinds))
        except ZooError as error:
            refused.append(error)
        else:
            if not any(each.fault for each in made[-1].found):
                break
    if not made:
        raise refused[-1]
    return min(made, key=lambda each: (bool(each.found[0].fault), sum(bool(one.fault) for one in each.found)))


def _without_graph(subject: Subject, kinds: Sequence[str]) -> Made:
    settings, net = subject.settings, subject.net
    if settings.to == "torch":
        entries = metadata.of_model(subject, "torch.export")
        file = formats.torch_program(net, subject.example, settings.size, entries)
    else:
        entries = metadata.of_model(subject, "safetensors")
        file = formats.foreign_file(net, subject.declared.foreign, entries, settings.precision == "fp16")
    found = certificate.examine(kinds, file.open, subject.reference, settings.precision, must=settings.to)
    return Made(file, b"", entries, found)


def attempt(subject: Subject, exporter: Exporter, kinds: Sequence[str]) -> Made:
    """Makes the file by one of torch's exporters.

    The graph in float32 must agree with torch on ONNX Runtime first; if it does not, it is returned unchanged.
    """
    settings, reference = subject.settings, subject.reference
    graph = convert.to_onnx(subject.net, subject.example, exporter, settings.size)
    plain, entries = File({".onnx": graph}), metadata.of_model(subject, exporter)
    base = certificate.examine(("onnx",), plain.open, reference, must="onnx")
    if base[0].fault:
        return Made(plain, graph, entries, base)
    file = finished(subject, graph, entries)
    return Made(file, graph, entries, certificate.examine(kinds, file.open, reference, settings.precision, kinds[0]))


def finished(subject: Subject, graph: bytes, entries: Mapping[str, str]) -> File:
    """The requested file, made from the graph in float32."""
    settings, content = subject.settings, graph
    if settings.precision == "int8":
        shown = pictures.opened(settings.calibrate, pictures.MAX_PICTURES)
        content = quantize.quantized(graph, [each.x for each in subject.inputs(shown, len(shown))[: len(shown)]])
    if settings.precision == "fp16" and settings.to == "onnx":
        content = formats.halved(graph)
    content = metadata.describe(content, entries, convert.named_shapes(subject.net, subject.example, settings.size))
    if settings.to == "openvino":
        return formats.openvino_files(content, settings.precision == "fp16")
    return File({".onnx": content})


def judge(subject: Subject, made: Made) -> None:
    """Refuses a file that differs from torch: on the runtime that must agree, or on any without ``force``.

    Raises:
        UnlikeError: names the layer where they begin to differ, if it is found.
    """
    first, settings = made.found[0], subject.settings
    for each in made.found:
        if each.fault and not each.figures and not each.parting:
            each.parting = _parting(subject, made, each)
    refused = [each for each in made.found if each.fault and (each is first or not settings.force)]
    if refused:
        told = ("; ".join(filter(None, (f"{each.name}: {each.fault}", each.parting))) for each in refused[:2])
        raise UnlikeError(f"{subject.card.name}: not exported: " + "\n".join(told), forced=not first.fault)
    if first.figures and settings.precision == "int8" and not settings.force:
        certificate.refuse_cost(subject.card.name, first.figures[0])


def _parting(subject: Subject, made: Made, found: Found) -> str:
    """Where a runtime parts from torch, or from ONNX Runtime if that agrees with torch; empty if unknown."""
    x = found.worst(subject.reference.inputs)
    if x is None or not made.graph or subject.settings.precision != "fp32":
        return ""
    if found.kind == "onnx":
        return f"they part at {parting.from_torch(subject.net, made.graph, x)}"
    return f"it parts from ONNX Runtime at {parting.between(made.graph, found.kind, x)}"


def write(subject: Subject, made: Made, folder: Path) -> Done:
    """Puts the files into the folder, all of them or none; nothing else in it changes."""
    name = subject.card.name
    contents = {f"{name}{suffix}": content for suffix, content in made.file.contents.items()}
    told = certify(subject, made, next(iter(contents)), next(iter(contents.values())))
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix=".zoo-export-", dir=folder) as temporary:
            draft = Path(temporary)
            for file in filter(lambda file: (folder / file).is_file(), (parity.FILE, use.FILE)):
                (draft / file).write_bytes((folder / file).read_bytes())  # they describe other exports too
            parity.write(draft, told)
            use.write(draft, use.render(subject.architecture, told.file, made.entries, subject.settings.size))
            for file, content in contents.items():
                (draft / file).write_bytes(content)
            for file in (use.FILE, parity.FILE, *contents):
                (draft / file).replace(folder / file)
    finally:
        with suppress(OSError):  # a folder that is not empty stays
            for each in missing:
                each.rmdir()
    return Done([folder / file for file in contents], [folder / parity.FILE, folder / use.FILE], told, made.found)


def certify(subject: Subject, made: Made, file: str, content: bytes) -> Certificate:
    """The entry of the file in ``parity.json``."""
    return Certificate(
        file=file,
        sha256=hashlib.sha256(content).hexdigest(),
        weights_sha256=str(subject.card.config["weights"]["sha256"]),
        zoo_version=__version__,
        exporter=made.entries["exporter"],
        precision=subject.settings.precision,
        versions=versions_of(PACKAGES),
        runtimes={each.name: each.certified() for each in made.found},
    )
