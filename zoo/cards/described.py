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

KINDS = ("onnx", "openvino")  # of exports that a model's folder may hold
RESTORING = "restore it: copy or download the folder again"


def read_config(source: Source) -> dict[str, Any]:
    """A model's ``config.json``.

    Raises:
        ZooError: there is none, or it has another form.
    """
    config = read_json(source.file(CONFIG_FILE, layout.PROSE))
    forms.check(forms.Config, config, f"{source}/{CONFIG_FILE}")
    return config


def entry_of(path: Path) -> dict[str, Any]:
    """What ``config.json`` says of a file."""
    return {"file": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}


def exports(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a configuration says of exported files, by their kinds; others than these are of a later version."""
    found = config.get("exports", {})
    return {kind: found[kind] for kind in KINDS if kind in found}


def entries(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a configuration says of its files, by their names: of weights, golden file and exports."""
    exported = exports(config)
    apart = exported.get("openvino", {}).get("weights")
    files = (config["weights"], config.get("golden"), *exported.values(), apart)
    return {each["file"]: each for each in files if each}


def read(source: Source, entry: Mapping[str, Any]) -> bytes:
    """The bytes of a file, fetched if need be, whose digest is that of the configuration.

    Args:
        source: of the model.
        entry: of the file in its configuration.

    Raises:
        ZooError: no such file, a larger one, which is not fetched, or another one.
    """
    return verified(_path(source, entry), entry, source.restoring)


def fetch(source: Source, entry: Mapping[str, Any]) -> Path:
    """The path of such a file, after it was compared; raises as :func:`read`."""
    path = _path(source, entry)
    verified(path, entry, source.restoring)
    return path


def _path(source: Source, entry: Mapping[str, Any]) -> Path:
    limit = min(entry.get("bytes") or layout.WEIGHTS, layout.limit(entry["file"]) or layout.PROSE)
    return source.file(entry["file"], limit)


def verified(path: Path, entry: Mapping[str, Any], restoring: str = RESTORING) -> bytes:
    """The bytes of a file, after their digest was compared.

    Args:
        path: of the file.
        entry: in ``config.json``.
        restoring: how to get a file back that is damaged.

    Raises:
        ZooError: it is another file.
    """
    content = path.read_bytes()
    if (have := hashlib.sha256(content).hexdigest()) != (want := entry.get("sha256")):
        sizes = f"{len(content)} bytes of {entry.get('bytes')}"
        raise ZooError(
            f"{path}: refused, its SHA-256 is not that of config.json ({sizes})\nhave {have}, want {want}\n{restoring}"
        )
    return content
