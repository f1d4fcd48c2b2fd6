"""Base of the DataModules that read any folder of pictures, or draw street scenes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader

from zoo.base import processes
from zoo.base.errors import ZooError
from zoo.base.memory import refuse_beyond
from zoo.base.splits import Split
from zoo.data.layout import pictures_of, training_pictures
from zoo.data.module import DataModule, Kept, TrainingBatches, batches_loader
from zoo.data.pictures import check_folder
from zoo.data.sampling import replicas
from zoo.data.split_lists import listed_splits
from zoo.data.streets import draw_streets
from zoo.pictures.folders import find
from zoo.pictures.images import open_rgb


class UnusableError(ZooError):
    """A readable picture is not used; says why in a word, such as "small", and in a line."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class PictureData(DataModule[Kept]):
    """Base of the DataModules of unlabelled pictures; a subclass defines what is kept of a picture, and the batches.

    Attributes:
        streets: number of street scenes to draw for each split if there is no folder.
        street_size: height and width of the street scenes.
        epoch: number of training samples per epoch.
        held_out_pictures: maximum number of pictures of val, and of test; None: all.
        smallest: minimum side of the pictures of a folder, in pixels; smaller pictures are not used.
        splits: lists of the pictures of ``root`` in each split (:mod:`zoo.data.split_lists`); None: those in ``root``.
        shape: shape of the array kept of each picture; None: the shapes differ.

    Args:
        root: folder of pictures; a picture stays in its split when others are added
            (:func:`zoo.data.layout.pictures_of`). None: street scenes are drawn.
        extra: folders of further training pictures, never used for validation or test; of a folder that is split, only
            its training pictures.
        val_fraction: fraction of the pictures of ``root`` for val, and the same fraction for test, unless it has
            folders for them.
        options: arguments of :class:`DataModule`.

    Raises:
        ZooError: a folder of ``extra`` contains ``root`` or lies in it, so that pictures of val and test would be
            trained on; or ``val_fraction`` is not between 0 and 0.5.
    """

    training_only = DataModule.training_only | {"extra"}
    streets: ClassVar[dict[str, int]]
    street_size: ClassVar[tuple[int, int]] = (240, 320)
    epoch: int
    held_out_pictures: int | None = None
    smallest: int = 1
    splits: Path | None = None
    shape: tuple[int, ...] | None = None

    def __init__(self, root: Path | None, extra: list[Path] | None, val_fraction: float, **options: Any) -> None:
        super().__init__(**options)
        self.root, self.extra = Path(root) if root else None, [Path(f) for f in extra or ()]
        self.val_fraction = val_fraction
        if not 0 < val_fraction < 0.5:
            raise ZooError(f"data.val_fraction must be between 0 and 0.5, not {val_fraction}")
        for folder in self.extra:
            if self.root is None:
                raise ZooError("data.extra needs data.root: without it, street scenes are drawn")
            own, other = self.root.resolve(), folder.resolve()
            if own.is_relative_to(other) or other.is_relative_to(own):
                raise ZooError(f"data.extra: {folder} overlaps data.root ({self.root}); give folders outside it")

    def keep(self, picture: Image.Image, name: str, split: Split) -> Any:
        """What is kept of a picture, RGB, uint8: with ``shape``, an array of that shape or several, ``(N, *shape)``.

        Args:
            picture: picture from a folder, or drawn.
            name: path of the picture, or number of the drawn scene.
            split: split of the picture.

        Raises:
            UnusableError: the picture is from a folder and cannot be used.
        """
        raise NotImplementedError

    def most(self, paths: list[Path], split: Split) -> int:
        """The maximum number of arrays that are kept of pictures."""
        return len(paths)

    def batch_maker(self) -> Callable[[np.random.Generator], Any]:
        """The function that makes a training batch from the pictures in memory."""
        raise NotImplementedError

    def names(self, split: Split) -> list[Path]:
        """The pictures of a split, first of ``root``, then of ``extra``; an empty list if scenes are drawn."""
        if self.root is None:
            return []
        check_folder(self.root, "root")
        listed = listed_splits(self.root, self.splits, find(self.root).pictures)
        names = pictures_of(self.root, split, self.val_fraction, listed=listed)
        if split != "train":
            return names[: self.held_out_pictures]
        for folder in self.extra:
            check_folder(folder, "extra", "'[FOLDER, ...]'")
        return names + [path for folder in self.extra for path in training_pictures(folder)]

    def some(self, split: Split) -> list[Path]:
        """The pictures of a split as :meth:`names` lists them; refuses an empty list."""
        if found := self.names(split):
            return found
        raise ZooError(
            f"{self.root}: the {split} split gets none of its pictures: add pictures, change data.val_fraction,\n"
            "or put pictures into folders train, val and test"
        )

    def load(self, split: Split) -> Kept:
        if self.root is None:
            scenes = draw_streets(split, self.streets[split], self.street_size)
            drawn = (self.keep(Image.fromarray(scene), str(i), split) for i, (scene, _) in enumerate(scenes))
            return self._gather(drawn, len(scenes))
        paths, skipped = self.some(split), list[ZooError]()
        pictures = self._gather(self._read(paths, split, skipped), self.most(paths, split))
        if not len(pictures):
            raise ZooError(f"{self.root}: none of {len(paths)} pictures of {split} can be used; {skipped[0]}")
        if skipped and not processes.rank():
            kinds = Counter(getattr(one, "kind", "broken") for one in skipped)
            told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            text = f"{split}: {len(skipped)} of {len(paths)} pictures skipped ({told}); {skipped[0]}"
            print(text, file=sys.stderr)  # noqa: T201
        return pictures

    def _read(self, paths: list[Path], split: Split, skipped: list[ZooError]) -> Iterator[Any]:
        """Yields what is kept of each picture, read on all cores, in order; lists unusable pictures in ``skipped``."""
        with ThreadPoolExecutor() as pool:
            for one in pool.map(partial(self._read_one, split=split), paths):
                if isinstance(one, ZooError):
                    skipped.append(one)
                else:
                    yield one

    def _read_one(self, path: Path, split: Split) -> Any | ZooError:
        try:
            picture = open_rgb(path)
            if min(picture.size) < self.smallest:
                size = f"{picture.width}x{picture.height}"
                raise UnusableError("small", f"{path}: {size} is smaller than {self.smallest} pixels")
            return self.keep(picture, str(path), split)
        except ZooError as error:
            return error

    def _gather(self, pictures: Iterator[Any], count: int) -> Any:
        """The pictures as a list; with ``shape``, as one array ``(N, *shape)``, without a second copy."""
        if self.shape is None:
            return list(pictures)
        task = f"data: {count} pictures of {self.shape[1]}x{self.shape[0]} pixels:"
        need = count * int(np.prod(self.shape))
        refuse_beyond(task, [(need, "cpu")], "give fewer pictures, or a smaller size")
        array, used = np.empty((count, *self.shape), np.uint8), 0
        for picture in pictures:
            several = picture.reshape(-1, *self.shape)
            array[used : used + len(several)] = several
            used += len(several)
        return array[:used]

    def batches(self) -> int:
        """Training batches per epoch over all devices, at least one for each."""
        return max(self.epoch // self.batch_size, replicas()["num_replicas"])

    def train_dataloader(self) -> DataLoader:
        batches = TrainingBatches(self.batches(), self.seed, self.batch_maker())
        return batches_loader(batches, self.num_workers, self.start())
