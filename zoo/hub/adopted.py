"""Safetensors files by other programs, for networks that the zoo has too: the tensors' shapes tell the architecture.

The file is copied into the cache and gets a ``config.json``; from then on it is a model like any other. Only names,
shapes and types of the tensors are read here. Nothing in the file can name code.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any, TypeAlias

from zoo.base.errors import ZooError
from zoo.base.files import read_text, replace, replacing, sha256_of
from zoo.base.registry import architectures, import_object
from zoo.hub import client, layout

Shapes: TypeAlias = "dict[str, tuple[int, ...]]"  # shapes of tensors by name

SUFFIX = ".safetensors"
HEADER = 1 << 20  # most bytes of the header
TYPES = {"F16": ("float16", 2), "BF16": ("bfloat16", 2), "F32": ("float32", 4)}
CONFIG, WEIGHTS = "config.json", "model.safetensors"


def adopt(path: Path) -> Path:
    """Makes a model from a file, once, and returns its folder in the cache.

    Raises:
        ZooError: the file is not a whole safetensors file, or fits no network of the zoo.
    """
    shapes, dtype = read_header(path)
    architecture, arguments = _recognised(path, shapes)
    digest = sha256_of(path)
    folder = client.home() / "adopted" / digest[:32]
    weights = {"file": WEIGHTS, "sha256": digest, "bytes": path.stat().st_size, "dtype": dtype}
    config = json.dumps({"architecture": architecture, "arguments": arguments, "weights": weights}, indent=2) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    if not _is(folder / WEIGHTS, digest):
        with replacing(folder / WEIGHTS) as temporary:
            shutil.copyfile(path, temporary)
            if not _is(temporary, digest):
                raise ZooError(f"{path}: the file changed while it was read; try again")
    if not (folder / CONFIG).is_file() or read_text(folder / CONFIG) != config:
        replace(folder / CONFIG, config)
    return folder


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest


def _recognised(path: Path, shapes: Shapes) -> tuple[str, dict[str, Any]]:
    """The architecture that a file's tensors belong to, and the arguments of its network."""
    kinds = {name: declared.foreign for name, declared in architectures().items() if declared.foreign}
    for name, function in kinds.items():
        arguments = import_object(function)(shapes)
        if arguments is not None:
            return name, arguments
    raise ZooError(
        f"{path}: its tensors fit no network that loads from files of other programs: {', '.join(kinds)}\n"
        "a model of the zoo is a folder: pass the folder, not the file of its weights"
    )


def read_header(path: Path) -> tuple[Shapes, str]:
    """Shapes and the common type of the tensors of a safetensors file.

    Raises:
        ZooError: the file is damaged, cut short or too large, or holds several number types.
    """
    if not path.is_file():
        raise ZooError(f"{path}: no such file")
    size = path.stat().st_size
    if size > layout.WEIGHTS:
        raise ZooError(f"{path}: refused, it has {size:,} bytes, more than {layout.WEIGHTS:,}")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length <= min(HEADER, size) else b""
    try:
        header: Any = json.loads(text)
        header.pop("__metadata__", None)
        shapes = {str(name): tuple(map(_side, entry["shape"])) for name, entry in header.items()}
        types = {str(entry["dtype"]) for entry in header.values()}
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise ZooError(f"{path}: refused, not a safetensors file, or damaged; copy it again") from None
    if not shapes:
        raise ZooError(f"{path}: refused, it holds no tensors")
    if len(types) != 1 or not types <= TYPES.keys():
        raise ZooError(f"{path}: refused, its numbers are {', '.join(sorted(types))}, not all of one float type")
    dtype, width = TYPES[types.pop()]
    if 8 + length + width * sum(map(math.prod, shapes.values())) != size:
        raise ZooError(f"{path}: refused, it was cut short, or is damaged; copy it again")
    return shapes, dtype


def _side(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value
