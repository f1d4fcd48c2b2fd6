"""Samples in files that all processes of a machine map into memory, so that it holds them once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PIXELS, INDEX = "pixels", "index.json"
RUN = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "SLURM_JOB_ID")  # variables that differ between runs


def place(name: str) -> Path:
    """The folder of a run's samples on this machine, the same in each of its processes.

    Args:
        name: what distinguishes several data sets of a run.
    """
    parts = [os.environ.get(variable) for variable in RUN]
    digest = hashlib.sha256(repr([*parts, name]).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"zoo_samples_{_user()}_{digest}")


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0  # as the files of Windows have


def write(folder: Path, samples: np.ndarray | Sequence[Any]) -> None:
    """Writes samples whole or not at all.

    Args:
        folder: folder to make.
        samples: uint8 array, or sequence of samples, each a sequence of uint8 arrays of any shapes and of texts.

    Raises:
        OSError: there is no room, or the folder is there.
        TypeError: a part is neither.
    """
    folder.mkdir(mode=0o700)
    try:
        with (folder / PIXELS).open("wb") as file:
            if not len(samples):
                raise TypeError("there are no samples")
            whole = [_put(file, samples)] if isinstance(samples, np.ndarray) else None
            index = whole or [[_put(file, part) for part in sample] for sample in samples]
        (folder / INDEX).write_text(json.dumps({"array": whole is not None, "index": index}))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _put(file: Any, part: np.ndarray | str) -> Any:
    if isinstance(part, str):
        return part
    if not isinstance(part, np.ndarray) or part.dtype != np.uint8:
        raise TypeError(f"samples have 8 bits, not {getattr(part, 'dtype', type(part))}")
    start = file.tell()
    file.write(np.ascontiguousarray(part).data)
    return [start, *part.shape]


def read(folder: Path, make: Callable[[list[Any]], Any]) -> Any:
    """Maps samples that :func:`write` wrote; they stay valid when the folder is removed.

    Args:
        folder: folder of the samples.
        make: makes a sample from the list of its parts.

    Raises:
        FileNotFoundError: this user wrote none.
    """
    if folder.stat().st_uid != _user():
        raise FileNotFoundError(folder)
    told = json.loads((folder / INDEX).read_bytes())
    flat = np.memmap(folder / PIXELS, np.uint8, "c")  # writable, as torch requires; nobody writes

    def part(of: Any) -> Any:
        if isinstance(of, str):
            return of
        start, *shape = of
        return flat[start : start + int(np.prod(shape))].reshape(shape)

    if told["array"]:
        return part(told["index"][0])
    return [make([part(of) for of in sample]) for sample in told["index"]]


def remove(folder: Path) -> None:
    """Removes the files; processes that have mapped them keep their samples, and the disk is free when they end."""
    shutil.rmtree(folder, ignore_errors=True)
