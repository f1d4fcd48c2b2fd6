"""The large files of a model: each is named by ``config.json`` with its SHA-256 and size. Nothing here needs torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import read_json, sha256_of
from zoo.cards import forms
from zoo.hub import layout
from zoo.hub.locate import CONFIG_FILE, Source

KINDS = ("onnx", "openvino")  # kinds of exports in a model's folder
RESTORING = "restore it: copy or download the folder again"


def read_config(source: Source) -> dict[str, Any]:
    """A model's ``config.json``.

    Raises:
        ZooError: the file is missing or has another form.
    """
    config = read_json(source.file(CONFIG_FILE, layout.PROSE))
    forms.check(forms.Config, config, f"{source}/{CONFIG_FILE}")
    return config


def entry_of(path: Path) -> dict[str, Any]:
    """The entry of a file in ``config.json``."""
    return {"file": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}


def exports(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A configuration's entries of exported files, by kind; unknown kinds, of a later version, are left out."""
    found = config.get("exports", {})
    return {kind: found[kind] for kind in KINDS if kind in found}


def entries(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A configuration's entries of weights, golden file and exports, by file name."""
    exported = exports(config)
    apart = exported.get("openvino", {}).get("weights")
    files = (config["weights"], config.get("golden"), *exported.values(), apart)
    return {each["file"]: each for each in files if each}


def read(source: Source, entry: Mapping[str, Any]) -> bytes:
    """The bytes of a file, fetched if needed, after their digest was compared with the configuration.

    Args:
        source: where the model's files are.
        entry: entry of the file in the configuration.

    Raises:
        ZooError: the file is missing, too large (and not fetched), or a different one.
    """
    return verified(_path(source, entry), entry, source.restoring)


def fetch(source: Source, entry: Mapping[str, Any]) -> Path:
    """The path of a file that was verified as in :func:`read`; raises the same errors."""
    path = _path(source, entry)
    verified(path, entry, source.restoring)
    return path


def _path(source: Source, entry: Mapping[str, Any]) -> Path:
    limit = min(entry.get("bytes") or layout.WEIGHTS, layout.limit(entry["file"]) or layout.PROSE)
    return source.file(entry["file"], limit)


def verified(path: Path, entry: Mapping[str, Any], restoring: str = RESTORING) -> bytes:
    """The bytes of a file, after their digest was compared.

    Args:
        path: path of the file.
        entry: its entry in ``config.json``.
        restoring: how to restore a damaged file.

    Raises:
        ZooError: it is a different file.
    """
    content = path.read_bytes()
    if (have := hashlib.sha256(content).hexdigest()) != (want := entry.get("sha256")):
        sizes = f"{len(content)} bytes of {entry.get('bytes')}"
        raise ZooError(
            f"{path}: refused, its SHA-256 is not that of config.json ({sizes})\nhave {have}, want {want}\n{restoring}"
        )
    return content
