"""Exported files, which predict without torch: by path, or by the name of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.registry import Architecture, architectures
from zoo.base.text import first_line, listing, unknown
from zoo.cards import described
from zoo.cards.export_file import Export, check_forward_pass, compare, parse, read_file
from zoo.engines import ENGINES, Engine, engine_class
from zoo.hub import locate
from zoo.models.prediction import Predicts

if TYPE_CHECKING:
    import numpy as np

RUNS = {".onnx": ("onnx", "openvino", "opencv"), ".xml": ("openvino",)}  # engines by the suffix of a file
Make: TypeAlias = Callable[[str | Path], Path]  # exports a model, with torch


def load(
    source: str | Path, engine: str | None = None, device: str = "cpu", check: bool = False, make: Make | None = None
) -> Exported:
    """Loads an exported file, or the export of a model.

    Args:
        source: path of an ``.onnx`` or ``.xml`` file, or a model as :func:`zoo.load` takes it.
        engine: see :func:`engine_of`.
        device: device, as the engine names it.
        check: whether to replay the golden input in the file's metadata.
        make: function that exports a model whose card has no export.

    Raises:
        ZooError: there is no such file or engine, the metadata are wrong, the file differs from ``config.json``, or
            the golden output differs.
    """
    kind = engine_of(source, engine)
    make_engine = engine_class(kind)  # fails now, not after an export
    export = read_file(source) if is_file(source) else of_model(source, kind, make)
    found = Exported(export, make_engine(export.content, export.predicts, device))
    if check:
        from zoo.cards import replay  # which imports NumPy

        replay.check(found.engine, found.metadata, export.where)
    return found


def is_file(source: str | Path) -> bool:
    """Whether a model is named by the path of an exported file."""
    return Path(source).suffix.lower() in RUNS


def engine_of(source: str | Path, engine: str | None = None) -> str:
    """The engine that computes a model: the requested one, a file's own, or torch if it is installed.

    Raises:
        ZooError: the engine does not exist, does not run this file, or is torch and not installed.
    """
    if engine is not None and engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    there = find_spec("torch") is not None
    runs = RUNS.get(Path(source).suffix.lower(), ENGINES if there else ENGINES[1:])
    if engine == "torch" and not there:
        raise ZooError("the engine torch is not installed: pip install lightning-zoo")
    if engine not in (None, *runs):
        raise ZooError(f"{source}: the engine {engine} does not run this file; use {listing(runs)}")
    return engine or runs[0]


def of_model(name: str | Path, engine: str, make: Make | None = None) -> Export:
    """The export of a model: the one in its card, after its digest was compared, or else a new one.

    Raises:
        ZooError: the model does not exist or has no forward pass, its file is refused, or both export and torch are
            missing.
    """
    source = locate.find(name)
    config = described.read_config(source)
    if (architecture := config.get("architecture")) not in architectures():
        raise ZooError(f"{source}: {unknown('architecture', f'{architecture!s:.60}', architectures())}")
    check_forward_pass(architecture)
    entries = described.exports(config)
    if entry := entries.get(engine) or entries.get("onnx"):
        content, apart = described.read(source, entry), entry.get("weights")
        export = parse(f"{source}/{entry['file']}", (content, described.read(source, apart)) if apart else content)
    elif make is None or find_spec("torch") is None:
        raise ZooError(
            f"{name}: has no export, and torch, which could make one, is not installed\n"
            f"on a machine with torch, zoo export {name} --to onnx writes a file that runs here"
        )
    else:
        export = read_file(make(name))
    check_weights(export, config, source)
    return export


def model_of(path: str | Path) -> str | Path:
    """The model that an exported file was made from: the one in its folder, or the one that it names.

    Raises:
        ZooError: the file is refused, or its model is not found.
    """
    export, folder = read_file(path), expanded(path).parent
    with suppress(ZooError):
        check_weights(export, described.read_config(locate.find(folder)), folder)
        return folder
    name, revision = (export.metadata.get(key, "") for key in ("name", "revision"))
    try:
        source = locate.find(model := f"{name}@{revision}" if revision else name)
    except ZooError as error:
        raise ZooError(f"{path}: model not found: {first_line(error)}\nput the file into the model's folder") from None
    check_weights(export, described.read_config(source), source)
    return model


def check_weights(export: Export, config: Mapping[str, Any], source: object) -> None:
    """Refuses an export that was made from other weights than a model's.

    Args:
        export: the exported file.
        config: content of the model's ``config.json``.
        source: where the model is, for the error.
    """
    own = config.get("architecture"), config["weights"]["sha256"]
    if own != (export.architecture, export.metadata["weights_sha256"]):
        raise ZooError(f"{export.where}: refused, its metadata name other weights than those of {source}")


class Exported(Predicts):
    """A model that an engine computes without torch; ``zoo.load`` returns it for an exported file.

    Attributes:
        metadata: metadata of the file, texts by name.
        architecture: name of the architecture.
        labels: names of the classes, if it has any.
        palette: colours of the classes, if it has any.
    """

    def __init__(self, export: Export, engine: Engine) -> None:
        self.metadata, self.architecture = export.metadata, export.architecture
        self.labels, self.palette = (export.facts.get(name, ()) for name in ("labels", "palette"))
        self._export, self._engine = export, _Held(engine, export)

    def __repr__(self) -> str:
        return f"Exported({self._export.where!r}, {self.architecture!r}, device={self.engine.device!r})"

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def declared(self) -> Architecture:
        return self._export.declared

    def facts(self) -> dict[str, Any]:
        return self._export.facts

    @property
    def features(self) -> Callable[..., Any]:
        """Finds local features of a picture, if the architecture has them."""
        found = getattr(self._predictor(), "features", None)
        if found is None:
            raise ZooError(f"{self.declared.net.rpartition('.')[2]} has no local features")
        return found

    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """The network's outputs for a batch ``(B, C, H, W)`` in 0..1, as float32 arrays; see :class:`Engine`."""
        import numpy as np  # listing models needs none

        return self.engine(np.ascontiguousarray(x, np.float32), weights)


@dataclass(frozen=True)
class _Held:
    """An engine whose outputs are checked against the shapes that the file's facts promise."""

    engine: Engine
    export: Export

    @property
    def device(self) -> str:
        return self.engine.device

    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        outputs = self.engine(x, weights)
        if self.export.promised:
            batch, _, height, width = x.shape
            shapes = {name: output.shape for name, output in zip(self.export.predicts, outputs, strict=True)}
            try:
                compare({"the input": x.shape, **shapes}, self.export.promised(batch, height, width))
            except ZooError as error:
                raise ZooError(f"{self.export.where}: {error}") from None
        return outputs
