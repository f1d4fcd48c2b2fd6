"""Models as exported files, which predict without torch: by path, or by the name of a model."""

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
Make: TypeAlias = Callable[[str | Path], Path]  # exports a model, where torch is


def load(
    source: str | Path, engine: str | None = None, device: str = "cpu", check: bool = False, make: Make | None = None
) -> Exported:
    """Loads an exported file, or the export of a model.

    Args:
        source: path of an ``.onnx`` or ``.xml`` file, or a model as :func:`zoo.load` takes it.
        engine: see :func:`engine_of`.
        device: as the engine names it.
        check: whether the golden input in the file's metadata is replayed.
        make: exports a model whose card has no export.

    Raises:
        ZooError: no such file or engine, metadata that lie, a file that is not what ``config.json`` describes, or a
            golden output that differs.
    """
    kind = engine_of(source, engine)
    make_engine = engine_class(kind)  # found out now, not after an export
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
    """The engine that computes a model: the one that is asked for, a file's own, or torch where it is installed.

    Raises:
        ZooError: there is no such engine, it does not run such files, or it is torch and not installed.
    """
    if engine is not None and engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    there = find_spec("torch") is not None
    runs = RUNS.get(Path(source).suffix.lower(), ENGINES if there else ENGINES[1:])
    if engine == "torch" and not there:
        raise ZooError("the engine torch is not installed: pip install lightning-zoo")
    if engine not in (None, *runs):
        raise ZooError(f"{source}: the engine {engine} does not run such a file; {listing(runs)} would")
    return engine or runs[0]


def of_model(name: str | Path, engine: str, make: Make | None = None) -> Export:
    """The export of a model: that of its card, whose digest is compared first, or else one that is made.

    Raises:
        ZooError: no such model, one without a forward pass, a file that is refused, or no export and no torch.
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
            f"{name}: has no export, and torch, which would make one, is not installed\n"
            f"where torch is, zoo export {name} --to onnx writes a file that runs here"
        )
    else:
        export = read_file(make(name))
    check_weights(export, config, source)
    return export


def model_of(path: str | Path) -> str | Path:
    """The model of whose weights an exported file is: that of its folder, or the one that it names.

    Raises:
        ZooError: the file is refused, or its model is not here.
    """
    export, folder = read_file(path), expanded(path).parent
    with suppress(ZooError):
        check_weights(export, described.read_config(locate.find(folder)), folder)
        return folder
    name, revision = (export.metadata.get(key, "") for key in ("name", "revision"))
    try:
        source = locate.find(model := f"{name}@{revision}" if revision else name)
    except ZooError as error:
        raise ZooError(f"{path}: of which model? {first_line(error)}\nput the file into the model's folder") from None
    check_weights(export, described.read_config(source), source)
    return model


def check_weights(export: Export, config: Mapping[str, Any], source: object) -> None:
    """Refuses an export that is not of a model's weights.

    Args:
        export: of some model.
        config: content of the model's ``config.json``.
        source: of the model, for the error.
    """
    own = config.get("architecture"), config["weights"]["sha256"]
    if own != (export.architecture, export.metadata["weights_sha256"]):
        raise ZooError(f"{export.where}: refused, its metadata say that it is of other weights than those of {source}")


class Exported(Predicts):
    """A model that an engine computes without torch; ``zoo.load`` returns one of an exported file.

    Attributes:
        metadata: what the file says of itself, as texts by name.
        architecture: its name.
        labels: names of the classes, where it has such.
        palette: their colours, likewise.
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
        """Finds local features of a picture, where the architecture has such."""
        found = getattr(self._predictor(), "features", None)
        if found is None:
            raise ZooError(f"{self.declared.net.rpartition('.')[2]} has no local features")
        return found

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """The network's outputs for a batch ``(B, C, H, W)`` in 0..1, as float32 arrays."""
        import numpy as np  # what names models only needs none

        return self.engine(np.ascontiguousarray(x, np.float32))


@dataclass(frozen=True)
class _Held:
    """An engine that is held to the shapes which the file's facts promise."""

    engine: Engine
    export: Export

    @property
    def device(self) -> str:
        return self.engine.device

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        outputs = self.engine(x)
        if self.export.promised:
            batch, _, height, width = x.shape
            shapes = {name: output.shape for name, output in zip(self.export.predicts, outputs, strict=True)}
            try:
                compare({"the input": x.shape, **shapes}, self.export.promised(batch, height, width))
            except ZooError as error:
                raise ZooError(f"{self.export.where}: {error}") from None
        return outputs
