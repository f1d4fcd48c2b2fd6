"""Your own pictures and masks as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.splits import Split
from zoo.base.tables import lines
from zoo.data.labels import LabelMap
from zoo.data.layout import pictures_of
from zoo.data.masks import Pair, pair_up
from zoo.data.pictures import check_folder, say_once
from zoo.data.sampling import replicas
from zoo.data.segmentation import Sample, SegmentationData, from_255_to_1, read_samples
from zoo.data.transforms import Augment
from zoo.pictures.sheets import distinct_colors


class SegmentationFolder(SegmentationData):
    """A folder of pictures and a folder of masks with the same names.

    A mask is a grey or palette PNG of class ids; a grey mask may be saved as RGB.

    Args:
        pictures: folder of pictures, searched with its subfolders. Subfolders train, val and test are the splits;
            without them a hash of each picture's path decides its split.
        masks: folder of masks, ``masks/a/b.png`` for ``pictures/a/b.jpg``; may be the folder of the pictures.
        classes: names of the classes in the order of their ids, or the path of a text file with one name per line.
        ignore_index: id of pixels that count neither in the loss nor in the metric, 0 to 255; None: every pixel counts.
        val_fraction: fraction of the pictures for val, and the same fraction for test, if there are no subfolders
            train, val and test.
        batch_size: training samples per step and device.
        num_workers: number of processes that augment; None: chosen by the number of cores.
        augment: augmentation of the training samples.
        seed: random seed of augmentation and order.
    """

    def __init__(
        self,
        pictures: Path,
        masks: Path,
        classes: list[str] | str,
        ignore_index: int | None = 255,
        val_fraction: float = 0.15,
        batch_size: int = 8,
        num_workers: int | None = None,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        names = _class_names(classes)
        labels = LabelMap(names, tuple(distinct_colors(len(names))), ignore_index)
        super().__init__(labels, batch_size, num_workers, augment, seed)
        self.pictures, self.masks, self.val_fraction = Path(pictures), Path(masks), val_fraction

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit":
            self._say_counts()

    def _say_counts(self) -> None:
        """Prints how many pictures each split has, and how many training pictures an epoch leaves out."""
        train, val = len(self.kept("train")), len(self.kept("val"))
        told = f"{train} pictures to train on, {val} to validate"
        with suppress(ZooError):  # training needs no test pictures
            told += f", {len(self.pairs('test'))} to test"
        say_once(f"{self.pictures}: {told}")
        batch = self.batch_size * replicas()["num_replicas"]
        if train < 4 * (train % batch) < 4 * train:
            say_once(
                f"batches of {batch} leave out {train % batch} of {train} training pictures in each epoch: "
                "take a smaller data.batch_size"
            )

    def load(self, split: Split) -> list[Sample]:
        samples = read_samples(self.pairs(split), self.labels)
        if split == "train":
            self._refuse_absent(samples)
        return samples

    def pairs(self, split: Split) -> list[Pair]:
        """The pictures of a split with their masks, in the order of their names.

        Raises:
            ZooError: no such folder, the split has no pictures, or a mask is missing.
        """
        check_folder(self.pictures, "pictures")
        if found := pair_up(pictures_of(self.pictures, split, self.val_fraction), self.pictures, self.masks):
            return found
        raise ZooError(
            f"{self.pictures}: the {split} split gets none of its pictures: add pictures, change data.val_fraction,\n"
            "or put pictures and masks into folders train, val and test"
        )

    def _refuse_absent(self, samples: list[Sample]) -> None:
        """Refuses a class that no mask shows: most often masks hold 0 and 255 instead of 0 and 1."""
        counts = sum(np.bincount(mask.ravel(), minlength=256) for _, mask in samples)
        found = np.flatnonzero(counts)
        for index, name in enumerate(self.labels.names):
            if index not in found:
                raise ZooError(
                    f"no training mask shows {name!r}, class {index}; the masks hold {', '.join(map(str, found))}, "
                    f"and {'none' if self.labels.ignore_index is None else self.labels.ignore_index} is ignored"
                    + from_255_to_1(found, self.labels)
                )


def _class_names(classes: Sequence[str] | str) -> tuple[str, ...]:
    """The names, stripped, with non-breaking spaces replaced by plain ones."""
    if isinstance(classes, str) or (len(classes) == 1 and Path(classes[0]).suffix.lower() == ".txt"):
        file = expanded(classes if isinstance(classes, str) else classes[0])
        if not file.is_file():
            raise ZooError(f"{file}: no such file; data.classes is a list of names or one text file, one name per line")
        classes = [line for _, line in lines(file) if line.strip()]
    names = [name.strip().replace("\xa0", " ") for name in classes]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ZooError(f"data.classes needs at least two different names, not {names!r:.200}")
    return tuple(names)
