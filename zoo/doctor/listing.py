"""The files of a data set by splits, also those that a training would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lightning.pytorch import LightningDataModule

from zoo.base.splits import SPLITS, Split
from zoo.data.masks.files import Reader
from zoo.data.picture_data import PictureData
from zoo.data.segmentation import SegmentationData
from zoo.data.style_pair import StylePair
from zoo.data.super_resolution import SuperResolutionPairs, benchmark_files
from zoo.doctor.findings import Finding, Level, Report
from zoo.doctor.look import Seen, look

MOST = 4000  # pictures that are looked at unless all are asked for


@dataclass
class Files:
    """The files of a data set.

    Args:
        seen: pictures that were looked at, in the order of the splits.
        total: number of pictures of each split.
        masked: whether the pictures have masks.
        unpaired: masks without a picture.
    """

    seen: list[Seen] = field(default_factory=list)
    total: dict[Split, int] = field(default_factory=dict)
    masked: bool = False
    unpaired: list[Path] = field(default_factory=list)

    @property
    def sound(self) -> list[Seen]:
        """Pictures that can be read."""
        return [each for each in self.seen if not each.trouble]

    def of(self, split: Split) -> list[Seen]:
        """Readable pictures of a split."""
        return [each for each in self.sound if each.split == split]


def gather(data: LightningDataModule, report: Report, most: int = MOST) -> Files:
    """Lists the files of each split and looks at them; what cannot be listed is a finding.

    Args:
        data: the data set.
        report: gets facts and findings.
        most: number of pictures to look at, spread evenly over all.
    """
    files, listed = Files(masked=isinstance(data, SegmentationData)), list[tuple[Path, Split, Path | None]]()
    readers: list[Reader] = []

    def list_split(split: Split) -> Iterator[Finding]:
        own = listing(data, split)
        if files.total.get(split, 0) or own:
            files.total[split] = len(own)
        listed.extend((path, split, mask) for path, mask in own.items())
        yield from ()

    def open_masks() -> Iterator[Finding]:
        if isinstance(data, SegmentationData):
            files.unpaired = data.unpaired()
            readers.append(data.reader())
        yield from ()

    for split in SPLITS:
        level: Level = "warning" if split == "test" else "error"  # a training needs no test pictures
        report.run(f"files-{split}", partial(list_split, split), level)
    if files.masked and listed:
        report.run("masks", open_masks)
    step = max(1, -(-len(listed) // most))
    files.seen = list(look(listed[::step], readers[0] if readers else None))
    files.masked = bool(readers)
    if step > 1:
        told = f"looked at {len(files.seen)} of {len(listed)} pictures, spread evenly (--all looks at all)"
        report.fact("looked at", len(files.seen), told)
    return files


def listing(data: LightningDataModule, split: Split) -> dict[Path, Path | None]:
    """The pictures of a split with their masks, None where there is none; empty for pictures that the program draws.

    Raises:
        ZooError: a folder or a list is missing.
    """
    if isinstance(data, SegmentationData):
        return data.listed(split)
    pictures: Sequence[Path] = []
    if isinstance(data, SuperResolutionPairs) and data.benchmark_folders.get(split):
        pictures = [path for folder in data.benchmark_folders[split] for path in benchmark_files(folder, split)]
    elif isinstance(data, PictureData):
        pictures = data.names(split)
    elif isinstance(data, StylePair) and split == "train":
        pictures = [path for path in (data.content, *data.styles) if isinstance(path, (str, Path))]  # type: ignore[misc]
    return {Path(path): None for path in pictures}
