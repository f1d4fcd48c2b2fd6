"""Your own pictures and masks as a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.splits import Split
from zoo.base.tables import lines
from zoo.data.labels import LabelMap
from zoo.data.layout import folder_splits, pictures_of
from zoo.data.masks.drawing import BACKGROUND
from zoo.data.masks.files import Reader
from zoo.data.masks.forms import Form, MaskFiles, form_of
from zoo.data.masks.options import MaskOptions
from zoo.data.masks.pairing import Pair, unpaired
from zoo.data.pictures import check_folder, find_pictures, say_once
from zoo.data.sampling import replicas
from zoo.data.segmentation import Sample, SegmentationData, from_255_to_1, read_samples
from zoo.data.split_lists import listed_splits
from zoo.data.transforms import Augment
from zoo.pictures.folders import find
from zoo.pictures.sheets import distinct_colors


class SegmentationFolder(SegmentationData):
    """A folder of pictures and a folder of masks with similar names.

    Masks are files of class ids, of other values or of colours, one for each picture; or files of 0 and another value
    in one folder for each class, ``masks/crack/b.png``; or COCO JSON with polygons and run-length encodings. A set that
    fits several of these is refused with the argument to choose by.

    Args:
        pictures: folder of pictures, searched with its subfolders. Subfolders train, val and test, at any depth, are
            the splits; without them a hash of each picture's path decides its split.
        masks: folder of masks, ``masks/a/b.png`` for ``pictures/a/b.jpg``. None: masks lie in the folder of the
            pictures, in folders such as ``train/images`` and ``train/masks``, or beside their pictures. A file or a
            folder of COCO JSON is taken too.
        classes: names of the classes in the order of their ids, or the path of a text file with one name per line.
            None: those of ``values``, of ``colors``, of folders of classes or of COCO JSON, the last two after
            "background".
        ignore_index: id of pixels that count neither in the loss nor in the metric, 0 to 255; None: every pixel counts.
        val_fraction: fraction of the pictures for val, and the same fraction for test, if neither folders nor lists
            tell the splits. Each split gets a picture if there are three.
        batch_size: training samples per step and device.
        num_workers: number of processes that augment; None: chosen by the number of cores.
        augment: augmentation of the training samples.
        seed: random seed of augmentation and order.
        mask_name: names of the masks, such as "NAME_mask.png", where NAME stands for the name of the picture without
            its suffix, or "labels/NAME.png" for masks in folders "labels". None: found by the names that there are.
        values: class of each value of the masks, 0 to 65535, such as ``{0: background, 255: crack}``.
        colors: colour of each class, "#rrggbb" or three numbers, or the path of a CSV, a JSON or a text file of names
            and colours, such as CamVid's label_colors.txt.
        ignore: values, colours or names of classes that count neither in the loss nor in the metric.
        splits: a CSV or JSON of pictures and their splits, or a folder with lists train.txt, val.txt and test.txt.
            None: folders or lists in ``pictures``, if there are any.

    Raises:
        ZooError: two classes are not named, a table is damaged, or the data that name the classes are missing.
    """

    def __init__(
        self,
        pictures: Path,
        masks: Path | None = None,
        classes: list[str] | str | None = None,
        ignore_index: int | None = 255,
        val_fraction: float = 0.15,
        batch_size: int = 8,
        num_workers: int | None = None,
        augment: Augment | None = None,
        seed: int = 0,
        mask_name: str | None = None,
        values: dict[int, str] | None = None,
        colors: dict[str, str | list[int]] | str | None = None,
        ignore: list[int | str] | None = None,
        splits: Path | None = None,
    ) -> None:
        named = None if classes is None else _class_names(classes)
        self.pictures, self.val_fraction = Path(pictures), val_fraction
        self.splits = None if splits is None else Path(splits)
        self.masks = self.pictures if masks is None else Path(masks)
        self.options = MaskOptions(named, ignore_index, mask_name, values, colors, tuple(ignore or ()))
        names, palette = self.options.names, self.options.palette
        if names is None:  # the data name them
            form = self.form()
            names, palette = form.names, form.palette
        _check_names(names)
        labels = LabelMap(names, palette or tuple(distinct_colors(len(names))), ignore_index)
        super().__init__(labels, batch_size, num_workers, augment, seed)

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
        form = self.form()
        samples = read_samples(self._pairs(form, split), self.labels, form.read)
        if split == "train":
            self._refuse_absent(samples, not isinstance(form, MaskFiles))
        return samples

    def pairs(self, split: Split) -> list[Pair]:
        """The pictures of a split with their masks, in the order of their names.

        Raises:
            ZooError: no such folder, the split has no pictures, or a mask is missing.
        """
        return self._pairs(self.form(), split)

    def form(self) -> Form:
        """How the masks are kept.

        Raises:
            ZooError: no such folder, no pictures, or the folders fit several forms.
        """
        check_folder(self.pictures, "pictures")
        if not find(self.pictures).pictures:
            find_pictures(self.pictures)  # which says what there is
        if not self.masks.is_file():
            check_folder(self.masks, "masks")
        return form_of(self.pictures, self.masks, self.options)

    def listed(self, split: Split) -> dict[Path, Path | None]:
        form = self.form()
        return {path: form.mask_of(path) for path in self._pictures(form, split)}

    def unpaired(self) -> list[Path]:
        form = self.form()
        return unpaired(form.files, form.reading) if isinstance(form, MaskFiles) else []

    def reader(self) -> Reader:
        form = self.form()
        form.pairs([])  # makes the table of values or colours
        return form.read

    def _pictures(self, form: Form, split: Split) -> list[Path]:
        listed: Mapping[Path, Split] | None = listed_splits(self.pictures, self.splits, form.pictures)
        if listed is None and not folder_splits(self.pictures, form.pictures):
            listed = form.splits
        return pictures_of(self.pictures, split, self.val_fraction, form.pictures, listed)

    def _pairs(self, form: Form, split: Split) -> list[Pair]:
        if pictures := self._pictures(form, split):
            return form.pairs(pictures)
        raise ZooError(
            f"{self.pictures}: the {split} split gets none of its pictures: add pictures, change data.val_fraction,\n"
            "or put pictures and masks into folders train, val and test"
        )

    def _refuse_absent(self, samples: list[Sample], drawn: bool) -> None:
        """Refuses a class that no mask shows: most often masks hold 0 and 255 instead of 0 and 1.

        Shapes that are drawn have a background beside their classes, unless classes are given.
        """
        counts = sum(np.bincount(mask.ravel(), minlength=256) for _, mask in samples)
        found = np.flatnonzero(counts)
        for index, name in enumerate(self.labels.names):
            if index not in found and name == BACKGROUND and drawn and self.options.classes is None:
                others = ", ".join(each for each in self.labels.names if each != BACKGROUND)
                raise ZooError(f"no training pixel is background: name the classes, --data.classes '[{others}]'")
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
    return tuple(names)


def _check_names(names: Sequence[str]) -> None:
    if len(names) < 2 or len(set(names)) < len(names):
        raise ZooError(f"data.classes needs at least two different names, not {list(names)!r:.200}")
