"""Tensors in a safetensors file that ``config.json`` describes by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.cards.described import RESTORING, verified


def pack(file: str, tensors: dict[str, Tensor]) -> tuple[bytes, dict[str, Any]]:
    """The content of a file, and its entry in ``config.json``: name, SHA-256 and bytes."""
    content = safetensors.torch.save(tensors, metadata={"format": "pt"})
    return content, {"file": file, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def read(path: Path, entry: Mapping[str, Any] | None = None, restoring: str = RESTORING) -> dict[str, Tensor]:
    """The tensors of a file, parsed from the very bytes whose digest was compared.

    Args:
        path: path of the file.
        entry: its entry in ``config.json``, if it belongs to a model.
        restoring: how to restore a damaged file.

    Raises:
        ZooError: the file is missing, differs from its entry, or is not a safetensors file.
    """
    if not path.is_file():
        raise ZooError(f"{path}: no such file")
    content = path.read_bytes() if entry is None else verified(path, entry, restoring)
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # errors of the parser, or of torch for a number type that it lacks
        raise ZooError(f"{path}: refused, not a whole safetensors file: {first_line(error)}") from error
