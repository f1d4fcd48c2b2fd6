"""Splits that do not change when data is added."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
NO_PICTURE = 0.001  # a smaller fraction asks for no picture of val and test


def split_of(name: str, fraction: float) -> Split:
    """The split of an item by the SHA-256 of its name, so that adding items never moves it to another split.

    Args:
        name: name, such as a path below the data's folder without its suffix, or a digest of the content.
        fraction: fraction of val, and of test.
    """
    return _split_at(_place(name), fraction)


def dealt(names: Sequence[str], fraction: float) -> list[Split]:
    """The split of each item as :func:`split_of` has it; a small set gets an item of each split all the same.

    A split to which no item falls gets the one whose hash is nearest, as long as another item is left where that was;
    of two items one is for train, one for val. Only these items can move when others are added.

    Args:
        names: different names.
        fraction: fraction of val, and of test; below 0.001 nothing is moved.
    """
    places = [_place(name) for name in names]
    splits = [_split_at(place, fraction) for place in places]
    if fraction < NO_PICTURE:
        return splits
    wanted: tuple[Split, ...] = ("train", "val", "test")
    for split in wanted:
        if split in splits:
            continue
        spare = [i for i, own in enumerate(splits) if splits.count(own) > 1 or (own == "test" and len(names) > 1)]
        if spare:
            sign = -1 if split == "train" else 1  # the item whose hash is nearest to the split's range
            _, _, chosen = min((splits[i] != "train", sign * places[i], i) for i in spare)
            splits[chosen] = split
    return splits


def _place(name: str) -> float:
    known = name.encode(errors="surrogateescape")  # a path need not be UTF-8
    return int.from_bytes(hashlib.sha256(known).digest()[:8], "big") / 2**64


def _split_at(place: float, fraction: float) -> Split:
    if place < fraction:
        return "val"
    return "test" if place < 2 * fraction else "train"
