"""One folder of binary masks for each class: ``masks/crack/00.png`` and ``masks/rust/00.png`` for ``00.jpg``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.masks.drawing import Scheme
from zoo.data.masks.files import Ids, read_values
from zoo.data.masks.pairing import Files, Pair, meant
from zoo.data.naming import meaning
from zoo.data.pictures import say_once


class ClassFolders:
    """Masks in one folder for each class. Where classes overlap, the last one counts.

    Args:
        files: pictures and masks.
    """

    splits: Mapping[Path, Split] | None = None
    palette: tuple[tuple[int, int, int], ...] | None = None
    scheme: Scheme

    def __init__(self, files: Files) -> None:
        self.files = files
        self.pictures: Sequence[Path] = files.pictures
        masks = dict[tuple[tuple[object, ...], str], dict[str, list[Path]]]()
        for path in files.mask_files:
            folder = path.parent.relative_to(files.masks)
            if folder.parts and not meaning(folder.name).known:
                key = meant(folder.parent), path.stem.casefold()
                masks.setdefault(key, {}).setdefault(folder.name, []).append(path)
        self.masks_of = {path: self._of(path, masks) for path in self.pictures}
        self.found = tuple(sorted({name for own in masks.values() for name in own}))

    def _of(
        self, picture: Path, masks: Mapping[tuple[tuple[object, ...], str], dict[str, list[Path]]]
    ) -> dict[str, Path]:
        folder, stem = picture.parent.relative_to(self.files.root), picture.stem.casefold()
        own = masks.get((meant(folder), stem)) or masks.get((meant(folder, splits=False), stem)) or {}
        if twice := next((paths for paths in own.values() if len(paths) > 1), None):
            raise ZooError(f"{picture} has two masks of one class: {twice[0]} and {twice[1]}; move one of them away")
        return {name: paths[0] for name, paths in own.items()}

    def fits(self, classes: Sequence[str] | None, ignore: Sequence[int | str]) -> bool:
        """Whether every picture has a mask in a folder, and a folder is that of a class."""
        named = classes is None or any(name in classes or name in ignore for name in self.found)
        return bool(self.found) and named and all(self.masks_of.values())

    @property
    def names(self) -> tuple[str, ...]:
        return self.scheme.names

    def told(self) -> str:
        """The folders, for a user."""
        return f"folders of classes ({', '.join(self.found[:3])}{', ...' * (len(self.found) > 3)})"

    def mask_of(self, picture: Path) -> Path | None:
        """The folder of the folders of classes; None if none of them has a mask of the picture."""
        masks = self.masks_of[picture]
        return next(iter(masks.values())).parent.parent if masks else None

    def pairs(self, wanted: Sequence[Path]) -> list[Pair]:
        for path in wanted:
            if not self.masks_of[path]:
                raise ZooError(f"{path}: no mask of it in any folder of {self.files.masks}: {', '.join(self.found)}")
        return [(path, next(iter(self.masks_of[path].values())).parent.parent) for path in wanted]

    def read(self, picture: Path, mask: Path) -> Ids:
        masks, order = self.masks_of[picture], sorted(self.scheme.ids, key=lambda name: self.scheme.ids[name])
        ids, turn, overlap = None, None, 0
        for name in (name for name in order if name in masks):
            shown, own_turn = _binary(masks[name])
            if ids is None:
                ids, turn = np.full(shown.shape, self.scheme.background, np.uint8), own_turn
                drawn = np.zeros(shown.shape, bool)
            if shown.shape != ids.shape:
                sizes = " and ".join(f"{width}x{height}" for height, width in (ids.shape, shown.shape))
                raise ZooError(f"{masks[name]} differs in size from another mask of {picture.name}: {sizes}")
            overlap += int((drawn & shown).sum())
            ids[shown], drawn = self.scheme.ids[name], drawn | shown
        assert ids is not None  # a picture without a mask is refused before
        if overlap:
            say_once(f"{self.files.masks}: masks of different classes overlap; the last class counts")
        return ids, turn


def _binary(path: Path) -> tuple[np.ndarray, int | None]:
    """Where a mask is not 0, ``(H, W)`` bool, and the EXIF orientation of its file."""
    values, turn, lossy = read_values(path)
    if lossy:
        say_once(f"{path.parent}: masks are JPEG, which changes labels: values from 128 on count; better use PNG")
        return values >= 128, turn
    if len(found := np.unique(values[values != 0])) > 1:
        raise ZooError(
            f"{path}: a mask of one class holds 0 and one other value, this one has {', '.join(map(str, found[:4]))}"
        )
    return values != 0, turn
