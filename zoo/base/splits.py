"""Splits that do not change when data is added."""

from __future__ import annotations

import hashlib
from typing import Literal, TypeAlias, get_args

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


def split_of(name: str, fraction: float) -> Split:
    """The split of an item by the SHA-256 of its name, so that adding items never moves it to another split.

    Args:
        name: name, such as a path below the data's folder without its suffix, or a digest of the content.
        fraction: fraction of val, and of test.
    """
    known = name.encode(errors="surrogateescape")  # a path need not be UTF-8
    place = int.from_bytes(hashlib.sha256(known).digest()[:8], "big") / 2**64
    if place < fraction:
        return "val"
    return "test" if place < 2 * fraction else "train"
