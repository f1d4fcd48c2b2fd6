"""Own pictures and masks as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.splits import Split, split_of
from zoo.data.labels import LabelMap
from zoo.data.pictures import find_pictures
from zoo.data.segmentation import Sample, SegmentationData, read_samples
from zoo.data.transforms import Augment
from zoo.pictures.sheets import distinct_colors


class SegmentationFolder(SegmentationData):
    """A folder of pictures and a folder of masks with the same names.

    A mask is a grey or palette PNG that holds class ids. Each picture goes to a split by the digest of its name, so
    that adding pictures never moves another from one split to the other.

    Args:
        pictures: folder of pictures, searched with its subfolders.
        masks: folder of masks, ``masks/a/b.png`` for ``pictures/a/b.jpg``.
        classes: names of the classes in the order of their ids, or one path of a text file with a name a line.
        ignore_index: id of pixels that count neither in the loss nor in the metric.
        val_share: share of the pictures to validate on; as large a share to test on.
        batch_size: training samples per step and device.
        num_workers: processes that augment; None chooses.
        augment: how training samples are varied.
        seed: of augmentation and order.
    """

    def __init__(
        self,
        pictures: Path,
        masks: Path,
        classes: list[str],
        ignore_index: int = 255,
        val_share: float = 0.15,
        batch_size: int = 8,
        num_workers: int | None = None,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        names = _class_names(classes)
        labels = LabelMap(names, tuple(distinct_colors(len(names))), ignore_index)
        super().__init__(labels, batch_size, num_workers, augment, seed)
        self.pictures, self.masks, self.val_share = Path(pictures), Path(masks), val_share

    def load(self, split: Split) -> list[Sample]:
        pairs = self.pairs()
        chosen = [pair for pair in pairs if self._split_of(pair[0]) == split]
        if not chosen:
            raise ZooError(f"none of the {len(pairs)} pictures falls to {split}: add some, or change data.val_share")
        samples = read_samples(chosen, self.labels)
        if split == "train":
            self._refuse_absent(samples)
        return samples

    def _refuse_absent(self, samples: list[Sample]) -> None:
        """A class that no mask shows is a mistake, most often masks of 0 and 255 where 0 and 1 are meant."""
        counts = sum(np.bincount(mask.ravel(), minlength=256) for _, mask in samples)
        found = np.flatnonzero(counts)
        for index, name in enumerate(self.labels.names):
            if index not in found:
                raise ZooError(
                    f"no training mask shows {name!r}, class {index}; their values are {', '.join(map(str, found))}, "
                    f"of which {self.labels.ignore_index} is ignored"
                )

    def pairs(self) -> list[tuple[Path, Path]]:
        """Every picture with its mask, in the order of their names."""
        found = find_pictures(self.pictures)
        if not self.masks.is_dir():
            raise ZooError(f"{self.masks}: no such folder")
        pairs = [(p, self.masks / p.relative_to(self.pictures).with_suffix(".png")) for p in found]
        if missing := [mask for _, mask in pairs if not mask.is_file()]:
            raise ZooError(f"{missing[0]}: no such mask ({len(missing)} of {len(pairs)} are missing)")
        return pairs

    def _split_of(self, picture: Path) -> Split:
        return split_of(picture.relative_to(self.pictures).with_suffix("").as_posix(), self.val_share)


def _class_names(classes: Sequence[str]) -> tuple[str, ...]:
    if len(classes) == 1 and Path(classes[0]).suffix == ".txt":
        file = Path(classes[0])
        if not file.is_file():
            raise ZooError(f"{file}: no such file; data.classes is a list of names or one text file, a name a line")
        classes = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ZooError(f"data.classes: at least two different names are needed, these are {list(classes)}")
    return tuple(classes)
