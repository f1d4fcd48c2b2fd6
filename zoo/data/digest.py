"""A hash that identifies the data of a figure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from torch import Tensor


def digest(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over the shape of each array (int32, little-endian) and its values, row by row."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.asarray(array.shape, "<i4").tobytes() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def arrays_of(samples: Any) -> Iterator[np.ndarray]:
    """The arrays and tensors in nested lists and tuples; names and numbers are left out."""
    if isinstance(samples, np.ndarray):
        yield samples
    elif isinstance(samples, Tensor):
        yield samples.numpy()
    elif isinstance(samples, (list, tuple)):
        for each in samples:
            yield from arrays_of(each)
