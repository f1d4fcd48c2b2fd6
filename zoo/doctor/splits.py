"""Checks of splits: classes in each, their balance, and pictures that lie in several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import combinations

import numpy as np
from lightning.pytorch import LightningDataModule

from zoo.base.splits import SPLITS, Split
from zoo.data.labels import LabelMap
from zoo.data.segmentation import SegmentationData
from zoo.doctor.findings import Check, Finding, Report, some
from zoo.doctor.listing import Files
from zoo.doctor.look import SIDE, Seen
from zoo.doctor.masks import known, masks

ALIKE = 0.9  # correlation of fingerprints from which two pictures count as one
ROWS = 512  # pictures that are compared with all others at a time
RARE = 0.01  # fraction of the pixels below which a class is rare
FEW = 3  # training pictures that must show a class


def checks(data: LightningDataModule, files: Files) -> dict[str, Check]:
    """The checks of splits by their names."""
    made = {"split-leak": partial(leaks, files), "split-twice": partial(twice, files)}
    made["split-empty"] = partial(empty, files)
    if isinstance(data, SegmentationData):
        made["batch-size"] = partial(batch, data, files)
        if files.masked:
            made["class-missing"] = partial(absent, data.labels, files)
            made["class-rare"] = partial(rare, data.labels, files)
    return dict(made)


def empty(files: Files) -> Iterator[Finding]:
    """Splits without any picture, where others have some."""
    for split in ("train", "val"):
        if files.masked and files.total and not files.total.get(split):
            do = f"move some pictures into a folder {split}, or let names decide: --data.val_fraction 0.15"
            yield Finding("split-empty", "error", f"no picture is for {split}", do)


def batch(data: SegmentationData, files: Files) -> Iterator[Finding]:
    """A batch that is larger than the training set."""
    if 0 < (count := files.total.get("train", 0)) < data.batch_size:
        told = f"data.batch_size {data.batch_size} is more than the {some(count, 'training picture')}"
        yield Finding("batch-size", "error", told, f"take a smaller one: --data.batch_size {count}")


def pixels(files: Files, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each id, and pictures that show it, in a split: both ``(256,)``."""
    counts = [mask.counts for each, mask in masks(files) if each.split == split]
    stacked = np.array(counts).reshape(-1, 256)
    return stacked.sum(0), (stacked > 0).sum(0)


def absent(labels: LabelMap, files: Files) -> Iterator[Finding]:
    """Classes that no mask of a split shows."""
    for split in SPLITS:
        counts, _ = pixels(files, split)
        if not counts.sum():
            continue
        those = [
            name for number, name in enumerate(labels.names) if number != labels.ignore_index and not counts[number]
        ]
        if not those:
            continue
        told = f"no mask of {split} shows {some(len(those), 'class')}: {', '.join(those)}"
        if split == "train":
            do = "add pictures with it, or leave the class out of data.classes"
            found = np.flatnonzero(counts)
            if not known(labels)[found].all():
                do = f"the masks hold {', '.join(map(str, found[:8]))}: see mask-values"
        else:
            do = f"its figure on {split} means nothing; move pictures that show it into {split}"
        yield Finding("class-missing", "error" if split == "train" else "warning", told, do, tuple(those))


def rare(labels: LabelMap, files: Files) -> Iterator[Finding]:
    """Classes with few pixels, or in few training pictures."""
    counts, shown = pixels(files, "train")
    own = counts[: len(labels)].astype(np.float64)
    if labels.ignore_index is not None and labels.ignore_index < len(own):
        own[labels.ignore_index] = 0
    if not (total := own.sum()):
        return
    lonely = [name for i, name in enumerate(labels.names) if own[i] and shown[i] < FEW]
    if lonely:
        told = f"fewer than {FEW} training pictures show {', '.join(lonely)}"
        yield Finding(
            "class-rare",
            "warning",
            told,
            "add pictures with it: a network cannot learn a class from so few",
            tuple(lonely),
        )
    those = [name for i, name in enumerate(labels.names) if 0 < own[i] < RARE * total]
    if those:
        shares = ", ".join(f"{name} {own[labels.names.index(name)] / total:.2%}" for name in those)
        do = f"show them more often: --data.augment.focus '[{', '.join(those)}]'"
        yield Finding(
            "class-balance", "note", f"rare classes, by their share of the training pixels: {shares}", do, tuple(those)
        )


def shares(labels: LabelMap, files: Files, report: Report) -> None:
    """Tells the share of each class in the pixels of each split, and how many pictures show it."""
    found = {split: pixels(files, split) for split in SPLITS if files.of(split)}
    ids = [*range(len(labels)), *([labels.ignore_index] if labels.ignore_index is not None else [])]
    titles = [*labels.names, "(ignored)"]
    table, width = dict[str, dict[str, float]](), max(map(len, titles))
    lines = [" " * width + "".join(f"{split:>9} {'pictures':>9}" for split in found)]
    for number, name in zip(ids, titles, strict=False):
        table[name] = {split: counts[number] / max(counts.sum(), 1) for split, (counts, _) in found.items()}
        cells = [f"{table[name][split]:>9.2%} {shown[number]:>9}" for split, (_, shown) in found.items()]
        lines.append(name.ljust(width) + "".join(cells))
    report.fact("class shares", table, *lines)


def leaks(files: Files) -> Iterator[Finding]:
    """Pictures that lie in two splits, also re-encoded, resized, brightened or mirrored."""
    for one, other in combinations(SPLITS, 2):
        a, b = ([each for each in files.of(split) if not each.flat] for split in (one, other))
        if found := alike(a, b):
            told = f"{some(len({id(right) for _, right in found}), 'picture')} of {other} nearly the same as in {one}: "
            told += f"figures on {'both' if one != 'train' else other} would be too good"
            if one != "train":
                told = (
                    f"{some(len({id(right) for _, right in found}), 'picture')} of {other} nearly the same as in {one}"
                )
            where = tuple(f"{left.path} ~ {right.path}" for left, right in found)
            yield Finding("split-leak", "warning", told, f"keep each in one split only, such as {one}", where)


def alike(a: list[Seen], b: list[Seen]) -> list[tuple[Seen, Seen]]:
    """Each picture of ``b`` with the most similar one of ``a``, where they are nearly the same or mirrored."""
    if not a or not b:
        return []
    left = np.stack([each.fingerprint for each in a])  # type: ignore[misc]
    found = []
    for start in range(0, len(b), ROWS):
        right = np.stack([each.fingerprint for each in b[start : start + ROWS]])  # type: ignore[misc]
        mirrored = right.reshape(-1, SIDE, SIDE)[..., ::-1].reshape(len(right), -1)
        likeness = np.maximum(right @ left.T, mirrored @ left.T)
        best = likeness.argmax(1)
        rows = np.flatnonzero(likeness.max(1) >= ALIKE).tolist()
        found += [(a[best[row]], b[start + row]) for row in rows]
    return found


def twice(files: Files) -> Iterator[Finding]:
    """Pictures of the same pixels within a split."""
    for split in SPLITS:
        groups = defaultdict[str, list[Seen]](list)
        for each in files.of(split):
            if not each.flat:
                groups[each.digest].append(each)
        if those := [own for own in groups.values() if len(own) > 1]:
            told = f"{some(len(those), 'picture')} of {split} more than once, pixel by pixel"
            where = tuple(" = ".join(str(each.path) for each in own) for own in those)
            yield Finding("split-twice", "note", told, "keep one of each", where)
