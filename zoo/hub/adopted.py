"""Safetensors files of other programs, of networks that the zoo has too: their shapes tell which one that is.

Such a file is copied into the cache, with a ``config.json`` beside it, and from there on a model like any other. No
more of it than names, shapes and types of the tensors is read here; nothing in it can name code.
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

Shapes: TypeAlias = "dict[str, tuple[int, ...]]"  # of tensors by their names

SUFFIX = ".safetensors"
HEADER = 1 << 20  # bytes of the header, at most
TYPES = {"F16": ("float16", 2), "BF16": ("bfloat16", 2), "F32": ("float32", 4)}
CONFIG, WEIGHTS = "config.json", "model.safetensors"


def adopt(path: Path) -> Path:
    """Returns the folder of a model that is made of a file, in the cache; it is made once.

    Raises:
        ZooError: not a whole safetensors file, or of no network that the zoo has.
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
                raise ZooError(f"{path}: it changed while it was read; try again")
    if not (folder / CONFIG).is_file() or read_text(folder / CONFIG) != config:
        replace(folder / CONFIG, config)
    return folder


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest


def _recognised(path: Path, shapes: Shapes) -> tuple[str, dict[str, Any]]:
    """The architecture that a file's tensors are of, and the arguments of its network."""
    kinds = {name: declared.foreign for name, declared in architectures().items() if declared.foreign}
    for name, function in kinds.items():
        arguments = import_object(function)(shapes)
        if arguments is not None:
            return name, arguments
    raise ZooError(
        f"{path}: its tensors are of no network that files of other programs are read for: {', '.join(kinds)}\n"
        "a model of the zoo is a folder: name that, not the file of its weights"
    )


def read_header(path: Path) -> tuple[Shapes, str]:
    """Shapes and the common type of the tensors of a safetensors file.

    Raises:
        ZooError: damaged, cut short, too large, or of several types of numbers.
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
        raise ZooError(f"{path}: refused, its numbers are {', '.join(sorted(types))}, not all of one type of floats")
    dtype, width = TYPES[types.pop()]
    if 8 + length + width * sum(map(math.prod, shapes.values())) != size:
        raise ZooError(f"{path}: refused, it was cut short, or is damaged; copy it again")
    return shapes, dtype


def _side(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value
