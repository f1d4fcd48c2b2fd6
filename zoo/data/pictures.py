"""Folders of pictures, and how a picture comes to one size.

A picture becomes upright by its EXIF orientation, then 8-bit RGB without alpha, then, where grey is asked for, grey by
ITU-R BT.601 as Pillow's mode "L". Of its W x H pixels the middle is kept that has the aspect of the wanted w x h::

    part_width = min(W, H * w // h)         left = (W - part_width) // 2
    part_height = min(H, W * h // w)        top = (H - part_height) // 2

(both at least 1) and resized by Pillow's ``Resampling.BILINEAR``, which averages where it makes smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.splits import Split, split_of
from zoo.pictures.images import SUFFIXES


def find_pictures(folder: Path) -> list[Path]:
    """Every picture in a folder and its subfolders, in the order of their paths below it.

    Raises:
        ZooError: no such folder, or no pictures in it.
    """
    if not folder.is_dir():
        raise ZooError(f"{folder}: no such folder")
    if found := _pictures_in(folder):
        return found
    raise ZooError(f"{folder}: no pictures ({', '.join(sorted(SUFFIXES))})")


def _pictures_in(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


class PictureFolders:
    """Folders of pictures to learn from, whose splits stay as they are when pictures are added.

    Args:
        root: its folders ``train``, ``val`` and ``test`` are the splits, where it has the first two; else its pictures
            go to a split by the digest of their paths. None: there are no folders at all.
        extra: further folders to train on, never validated or tested on.
        held_out: share of the pictures of ``root`` for val, and as many for test, where it has no such folders.

    Raises:
        ZooError: a folder of ``extra`` holds ``root`` or lies in it, whose val and test would be trained on; or
            ``held_out`` is not between 0 and 0.5.
    """

    def __init__(self, root: Path | None, extra: Sequence[Path] | None, held_out: float) -> None:
        self.root, self.extra = Path(root) if root else None, [Path(folder) for folder in extra or ()]
        self.held_out = held_out
        if not 0 < held_out < 0.5:
            raise ZooError(f"data.held_out is between 0 and 0.5, not {held_out}")
        for folder in self.extra:
            if self.root is None:
                raise ZooError("data.extra: without data.root streets are drawn")
            own, other = self.root.resolve(), folder.resolve()
            if own.is_relative_to(other) or other.is_relative_to(own):
                raise ZooError(f"data.extra: {folder} overlaps data.root ({self.root}); take folders beside it")

    def names(self, split: Split) -> list[Path]:
        """The pictures of a split, those of ``root`` before those of ``extra``; none where there is no ``root``."""
        if self.root is None:
            return []
        names = self._own(self.root, split)
        if split == "train":
            names += [path for folder in self.extra for path in find_pictures(folder)]
        return names

    def _own(self, root: Path, split: Split) -> list[Path]:
        if not ((root / "train").is_dir() and (root / "val").is_dir()):
            return [path for path in find_pictures(root) if self._split_of(path.relative_to(root)) == split]
        return _pictures_in(root / split)

    def some(self, split: Split) -> list[Path]:
        """:meth:`names`, of which there must be some."""
        if found := self.names(split):
            return found
        raise ZooError(f"{self.root}: none of its pictures falls to {split}: add some, or change data.held_out")

    def _split_of(self, path: Path) -> Split:
        return split_of(path.with_suffix("").as_posix(), self.held_out)


def fit(picture: Image.Image, width: int, height: int) -> np.ndarray:
    """The largest middle part of this aspect at this size, ``(height, width)`` or ``(height, width, 3)``."""
    have_width, have_height = picture.size
    part_width = min(have_width, max(1, have_height * width // height))
    part_height = min(have_height, max(1, have_width * height // width))
    left, top = (have_width - part_width) // 2, (have_height - part_height) // 2
    part = picture.crop((left, top, left + part_width, top + part_height))
    return np.asarray(part.resize((width, height), Image.Resampling.BILINEAR))
