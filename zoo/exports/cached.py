"""Exports of models that have none, made once on this machine and kept in the cache."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryFile

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.engines.graph import OPSET, read_graph
from zoo.exports.settings import Settings
from zoo.exports.source import find
from zoo.hub import client


def export_once(model: str | Path) -> Path:
    """The path of a model's ONNX file in the cache, for its weights and arguments, the zoo's version and the opset.

    ONNX Runtime compared it with torch.

    Args:
        model: what ``zoo.load`` takes.

    Raises:
        ZooError: the model cannot be exported, packages are missing, the cache cannot be written, or ONNX Runtime
            computes something else than torch.
    """
    card, _ = find(model)
    config = [card.config.get(name) for name in ("architecture", "arguments", "weights")]
    key = hashlib.sha256(json.dumps([*config, __version__, OPSET], sort_keys=True).encode()).hexdigest()
    path = client.home() / "exports" / key[:32] / f"{card.name}.onnx"
    if not _is_sound(path):
        Settings("onnx").refuse(card.name, card.architecture)
        _make_folder(path.parent, card.name)
        from zoo.exports import job  # torch takes seconds to import
        from zoo.exports.certificate import UnlikeError
        from zoo.exports.subject import Subject

        subject = Subject.load(model, Settings("onnx"))
        made = job.make(subject, ("onnx",))
        try:
            job.judge(subject, made)
        except UnlikeError as error:
            raise ZooError(f"{error}\nengine='torch' runs it") from error
        replace(path, made.file.contents[".onnx"])
    return path


def _make_folder(folder: Path, name: str) -> None:
    """Makes a folder of the cache, before anything is computed for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ZooError(
            f"cannot store the export of {name} in {folder}: {error.strerror}\n"
            "set HF_HOME to another cache, or write the file into any folder with zoo export"
        ) from error


def _is_sound(path: Path) -> bool:
    """Whether the file exists and is whole."""
    try:
        read_graph(path.read_bytes(), path)
    except (OSError, ZooError):
        return False
    return True
