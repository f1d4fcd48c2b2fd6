"""Exports of models that have none, made once on this machine and kept in the cache."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from zoo.base import __version__
from zoo.base.files import replace
from zoo.cards.card import read_card
from zoo.engines.graph import OPSET
from zoo.exports.settings import Settings
from zoo.hub import client


def export_once(model: str | Path) -> Path:
    """The path of a model's ONNX file in the cache: of these weights, arguments, version of the zoo and opset.

    It was compared with torch by ONNX Runtime.

    Args:
        model: what ``zoo.load`` takes.

    Raises:
        UnlikeError: ONNX Runtime gives something else than torch.
        ZooError: the model cannot be exported, or packages are missing.
    """
    card = read_card(model)
    config = [card.config.get(name) for name in ("architecture", "arguments", "weights")]
    key = hashlib.sha256(json.dumps([*config, __version__, OPSET], sort_keys=True).encode()).hexdigest()
    path = client.home() / "exports" / key[:32] / f"{card.name}.onnx"
    if not path.is_file():
        Settings("onnx").refuse(card.name, card.architecture)
        from zoo.exports import job  # torch takes seconds to import
        from zoo.exports.subject import Subject

        subject = Subject.load(model, Settings("onnx"))
        made = job.make(subject, ("onnx",))
        job.judge(subject, made)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, made.file.contents[".onnx"])
    return path
