"""Checks of masks: there, whole, as large as their pictures, and of known values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from zoo.data.labels import LabelMap
from zoo.data.segmentation import SegmentationData, from_255_to_1
from zoo.doctor.findings import Check, Finding, some
from zoo.doctor.listing import Files
from zoo.doctor.look import Seen, SeenMask
from zoo.doctor.pictures import names

MOST_VALUES = 8  # values that are named


def checks(data: SegmentationData, files: Files) -> dict[str, Check]:
    """The checks of masks by their names."""
    made = {
        "mask-missing": partial(missing, files),
        "mask-unpaired": partial(unpaired, files),
        "mask-unreadable": partial(unreadable, files),
        "mask-size": partial(sizes, files),
        "mask-turn": partial(turns, files),
        "mask-values": partial(values, data.labels, files),
        "mask-void": partial(void, data.labels, files),
        "mask-contradiction": partial(contradictions, files),
    }
    return dict(made)


def masks(files: Files) -> list[tuple[Seen, SeenMask]]:
    """Pictures with masks that can be read."""
    return [(each, each.mask) for each in files.seen if each.mask and each.mask.counts is not None]


def known(labels: LabelMap) -> np.ndarray:
    """Which of the 256 values of a mask are classes or ignored, ``(256,)`` bool."""
    found = np.arange(256) < len(labels)
    if labels.ignore_index is not None:
        found[labels.ignore_index] = True
    return found


def _of(those: Sequence[tuple[Seen, SeenMask]]) -> tuple[str, ...]:
    return tuple(_name(each, mask) for each, mask in those)


def _name(each: Seen, mask: SeenMask) -> str:
    """The mask's own file; the picture where one file or folder has the masks of many."""
    own = mask.path is not None and mask.path.suffix.lower() not in ("", ".json")
    return str(mask.path if own else each.path)


def missing(files: Files) -> Iterator[Finding]:
    """Pictures without a mask."""
    if those := [each for each in files.seen if each.mask and each.mask.path is None]:
        told = f"{some(len(those), 'picture', len(files.seen))} without a mask"
        do = "add the masks, or move the pictures away; if masks have other names: --data.mask_name NAME_mask.png"
        yield Finding("mask-missing", "error", told, do, names(those))


def unpaired(files: Files) -> Iterator[Finding]:
    """Masks without a picture."""
    if files.unpaired:
        told = f"{some(len(files.unpaired), 'mask')} without a picture, left out"
        do = "add the pictures, or move the masks away; a mask has the path of its picture"
        yield Finding("mask-unpaired", "warning", told, do, tuple(map(str, files.unpaired)))


def unreadable(files: Files) -> Iterator[Finding]:
    """Masks that are damaged, JPEG, or of colours or values without a name, by the reason."""
    by_reason = defaultdict[str, list[tuple[Seen, SeenMask]]](list)
    for each in files.seen:
        if each.mask and each.mask.trouble:
            by_reason[_reason(each.mask.trouble)].append((each, each.mask))
    for those in by_reason.values():
        reason, _, do = those[0][1].trouble.partition("\n")
        told = f"{some(len(those), 'mask', len(files.seen))} cannot be used: {reason}"
        do = do.replace("\n", " ") or "make them anew, or move them away with their pictures"
        yield Finding("mask-unreadable", "error", told, do, _of(those))


def _reason(trouble: str) -> str:
    """A trouble without its figures, which differ from file to file."""
    return "".join(letter for letter in trouble.split("\n")[0].split(":")[0] if not letter.isdecimal())


def sizes(files: Files) -> Iterator[Finding]:
    """Masks of another size than their pictures."""
    those = [(each, mask) for each, mask in masks(files) if not each.trouble and mask.size != each.size]
    those = [(each, mask) for each, mask in those if not mask.turned_alone]
    if those:
        each, mask = those[0]
        example = f"{mask.size[0]}x{mask.size[1]} for {each.size[0]}x{each.size[1]}"
        told = f"{some(len(those), 'mask', len(files.seen))} of another size than the picture, such as {example}"
        do = "make them anew, or resize them by nearest neighbour: convert MASK -filter point -resize WxH! MASK"
        yield Finding("mask-size", "error", told, do, _of(those))


def turns(files: Files) -> Iterator[Finding]:
    """Pictures that EXIF rotates, but not their masks."""
    if those := [each for each, mask in masks(files) if mask.turned_alone]:
        told = f"{some(len(those), 'picture', len(files.seen))} rotated by EXIF, while the mask has no orientation tag"
        do = (
            "upright masks: mogrify -auto-orient FILE; masks that fit the pixels as stored: exiftool -Orientation= FILE"
        )
        yield Finding("mask-turn", "error", told, do, names(those))


def values(labels: LabelMap, files: Files) -> Iterator[Finding]:
    """Masks with values that are no class, each with its share of their pixels."""
    unknown = ~known(labels)
    those = [(each, mask) for each, mask in masks(files) if (mask.counts[unknown] > 0).any()]  # type: ignore[index]
    if not those:
        return
    counts = np.sum(np.array([mask.counts for _, mask in those]), axis=0)
    wrong = np.flatnonzero(counts * unknown).tolist()
    shares = [f"{value} ({counts[value] / counts.sum():.2%})" for value in wrong[:MOST_VALUES]]
    void = "no value is ignored" if labels.ignore_index is None else f"{labels.ignore_index} is ignored"
    told = (
        f"{some(len(those), 'mask', len(files.seen))} with values that are no class: "
        f"{', '.join(shares)}{', ...' * (len(wrong) > MOST_VALUES)} of their pixels; "
        f"classes are 0..{len(labels) - 1}, {void}"
    )
    do = from_255_to_1(np.flatnonzero(counts), labels).strip() or (
        f"name the values: --data.values '{{{wrong[0]}: CLASS, ...}}', or ignore them: --data.ignore '[{wrong[0]}]'"
    )
    yield Finding("mask-values", "error", told, do, _of(those))


def void(labels: LabelMap, files: Files) -> Iterator[Finding]:
    """Masks in which every pixel is ignored."""
    if labels.ignore_index is None:
        return
    those = [(e, m) for e, m in masks(files) if m.counts[labels.ignore_index] == m.counts.sum()]  # type: ignore[index,union-attr]
    if those:
        told = f"{some(len(those), 'mask', len(files.seen))} of ignored pixels only: nothing is learnt from them"
        yield Finding("mask-void", "warning", told, "label them, or move them away with their pictures", _of(those))


def contradictions(files: Files) -> Iterator[Finding]:
    """The same picture with different masks."""
    by_picture = defaultdict[str, list[tuple[Seen, SeenMask]]](list)
    for each, mask in masks(files):
        if not each.trouble and not each.flat:
            by_picture[each.digest].append((each, mask))
    groups = [own for own in by_picture.values() if len({mask.digest for _, mask in own}) > 1]
    if groups:
        told = f"{some(len(groups), 'picture')} in several files with different masks"
        where = tuple(" = ".join(names([each for each, _ in own])) for own in groups)
        yield Finding("mask-contradiction", "warning", told, "keep the right mask of each", where)
