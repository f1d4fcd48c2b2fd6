"""Checks of pictures: whole, large enough, and of one kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

from lightning.pytorch import LightningDataModule

from zoo.data.picture_data import PictureData
from zoo.data.segmentation import SegmentationData
from zoo.data.super_resolution import SuperResolutionPairs
from zoo.doctor.findings import Check, Finding, some
from zoo.doctor.listing import Files
from zoo.doctor.look import Seen

RARE = 0.2  # fraction of the pictures up to which a kind is an exception
MULTIPLE = 32  # of which sides are suggested, since networks halve pictures five times


def checks(data: LightningDataModule, files: Files) -> dict[str, Check]:
    """The checks of pictures by their names."""
    made = {
        "picture-unreadable": partial(unreadable, data, files),
        "picture-small": partial(small, data, files),
        "picture-blank": partial(blank, files),
        "picture-grey": partial(odd_colors, files),
        "picture-transparent": partial(transparent, files),
        "picture-converted": partial(converted, files),
    }
    return dict(made)


def names(seen: Sequence[Seen]) -> tuple[str, ...]:
    return tuple(str(each.path) for each in seen)


def unreadable(data: LightningDataModule, files: Files) -> Iterator[Finding]:
    """Files that are missing, empty, truncated or no pictures, by the reason."""
    by_reason = defaultdict[str, list[Seen]](list)
    for each in files.seen:
        if each.trouble:
            by_reason[each.trouble.split("\n")[0]].append(each)
    skipped = isinstance(data, PictureData)
    for reason, those in by_reason.items():
        what = f"{some(len(those), 'picture', len(files.seen))} cannot be read: {reason}"
        do = "a training would leave them out; " if skipped else ""
        if reason == "no such file":
            what, do = (
                f"{some(len(those), 'picture', len(files.seen))} missing",
                "copy them again, or remove links to them",
            )
        else:
            do += f"copy {'them' if len(those) > 1 else 'it'} again, or move {'them' if len(those) > 1 else 'it'} away"
            do += " with the masks" if files.masked else ""
        yield Finding("picture-unreadable", "warning" if skipped else "error", what, do, names(those))


def small(data: LightningDataModule, files: Files) -> Iterator[Finding]:
    """Training pictures that are smaller than a crop."""
    if isinstance(data, SegmentationData):
        height, width = data.augment.crop
        those = [each for each in files.of("train") if each.size[0] < width or each.size[1] < height]
        if those:
            least = [min(each.size[axis] for each in those) // MULTIPLE * MULTIPLE or MULTIPLE for axis in (1, 0)]
            least = [min(have, want) for have, want in zip(least, (height, width), strict=True)]
            rest = "ignored" if data.labels.ignore_index is not None else "mirrored"
            told = some(len(those), "training picture", len(files.of("train")))
            told += f" smaller than the crop of {width}x{height}"
            do = f"the rest of a crop is {rest}; take a smaller one: --data.augment.crop '{least}'"
            yield Finding("picture-small", "warning", told, do, names(those))
    elif isinstance(data, PictureData):
        side = data.crop if isinstance(data, SuperResolutionPairs) else data.smallest
        used = partial(_side_used, data)
        those = [each for each in files.of("train") if used(each) < side]
        if those:
            told = (
                f"{some(len(those), 'training picture', len(files.of('train')))} left out: smaller than {side} pixels"
            )
            told += " as they are used" if isinstance(data, SuperResolutionPairs) else ""
            yield Finding("picture-small", "warning", told, "add larger ones, or take a smaller crop", names(those))


def _side_used(data: PictureData, seen: Seen) -> int:
    """The shorter side in pixels of a picture as a training takes it."""
    if not isinstance(data, SuperResolutionPairs):
        return min(seen.size)
    return round(min(seen.size) * min(1.0, data.shrink, data.largest / max(seen.size)))


def blank(files: Files) -> Iterator[Finding]:
    """Pictures of one colour."""
    if those := [each for each in files.sound if each.flat]:
        told = f"{some(len(those), 'picture', len(files.sound))} blank: one colour, nothing to learn from"
        yield Finding("picture-blank", "warning", told, "look at them, and move them away", names(those))


def odd_colors(files: Files) -> Iterator[Finding]:
    """Grey pictures among colour ones, or the reverse."""
    grey = [each for each in files.sound if each.grey and not each.flat]
    colored = [each for each in files.sound if not each.grey]
    for those, others, kind, rest in ((grey, colored, "grey", "have colours"), (colored, grey, "colour", "are grey")):
        if those and len(those) <= RARE * len(others):
            told = f"{some(len(those), 'picture', len(files.sound))}: only {'this' * (len(those) == 1) or 'these'}"
            told += f" {'is' if len(those) == 1 else 'are'} {kind}, the others {rest}"
            yield Finding("picture-grey", "note", told, "look whether they belong here", names(those))


def transparent(files: Files) -> Iterator[Finding]:
    """Pictures with an alpha channel that is not opaque."""
    if those := [each for each in files.sound if each.transparent]:
        told = f"{some(len(those), 'picture', len(files.sound))} with transparent parts, which become white"
        do = "flatten them on the background that you expect: mogrify -background black -alpha remove -alpha off FILE"
        yield Finding("picture-transparent", "warning", told, do, names(those))


def converted(files: Files) -> Iterator[Finding]:
    """Pictures of which something is lost: 16 bits, CMYK, further frames."""
    by_change = defaultdict[str, list[Seen]](list)
    for each in files.sound:
        for change in each.changes:
            by_change[change].append(each)
    for change, those in by_change.items():
        told = f"{some(len(those), 'picture', len(files.sound))} converted: {change}"
        do = "convert them yourself where more should be kept: stretch 16 bits to 8, save each frame as a file"
        yield Finding("picture-converted", "warning", told, do, names(those))
