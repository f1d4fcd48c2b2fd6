"""The forms in which people keep masks, and how a folder tells which one it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.masks.class_folders import ClassFolders
from zoo.data.masks.coco import Coco, jsons_in
from zoo.data.masks.drawing import scheme_of
from zoo.data.masks.files import Ids, read_ids
from zoo.data.masks.options import MaskOptions, unnamed
from zoo.data.masks.pairing import Files, Pair, pairs_of, read_names, splits_by_masks
from zoo.data.masks.tables import Table


class Form(Protocol):
    """A way to keep masks."""

    pictures: Sequence[Path]  # all pictures, in the order of their names, without files that are masks

    @property
    def splits(self) -> Mapping[Path, Split] | None:
        """The split of each picture, where the masks tell it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order of their ids.

        Raises:
            ZooError: nothing names them.
        """

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...] | None:
        """The colour of each class, 0..255, where the data have them."""

    def mask_of(self, picture: Path) -> Path | None:
        """The file of a picture's mask; None: there is none."""

    def pairs(self, wanted: Sequence[Path]) -> list[Pair]:
        """Pictures with the files of their masks.

        Raises:
            ZooError: a mask is missing.
        """

    def read(self, picture: Path, mask: Path) -> Ids:
        """The class ids of a picture's mask ``(H, W)`` uint8, and the EXIF orientation of its file.

        Raises:
            ZooError: the mask is damaged, or holds what is no class.
        """


class MaskFiles:
    """One mask file for each picture.

    Args:
        files: pictures and masks.
        options: names, values and colours of the masks.
    """

    def __init__(self, files: Files, options: MaskOptions) -> None:
        self.files, self.options, self.palette = files, options, options.palette
        self.reading, found = read_names(files, options.mask_name)
        self.pictures: Sequence[Path] = found
        self._table: Table | None = None

    @cached_property
    def splits(self) -> Mapping[Path, Split] | None:
        return splits_by_masks(self.reading, self.files)

    @property
    def names(self) -> tuple[str, ...]:
        if (found := self.options.names) is None:
            raise unnamed([mask for _, mask in self.pairs(self.pictures)])
        return found

    def told(self) -> str:
        """The files, for a user."""
        return f"mask files ({self.reading.pattern})"

    def fits(self) -> bool:
        """Whether every picture has a mask."""
        return bool(self.pictures) and len(self.reading.mask_of) == len(self.pictures)

    def mask_of(self, picture: Path) -> Path | None:
        return self.reading.mask_of.get(picture)

    def pairs(self, wanted: Sequence[Path]) -> list[Pair]:
        if self.options.names is not None:  # wrong arguments are told once, not for each mask
            self._table = self.options.table(self.options.names)
        return pairs_of(self.files, self.reading, self.pictures, wanted)

    def read(self, picture: Path, mask: Path) -> Ids:
        return read_ids(mask) if self._table is None else self._table.read(mask)


def form_of(root: Path, masks: Path, options: MaskOptions) -> Form:
    """How masks are kept: as files, in a folder for each class, or in COCO JSON.

    Args:
        root: folder of the pictures.
        masks: folder of the masks, or a file of COCO JSON; may be ``root``.
        options: what the user says about them.

    Raises:
        ZooError: the masks fit several forms, or none of them is whole.
    """
    if masks.is_file():
        return _drawn(Coco(root, masks, [masks]), options, f"{masks}: category")
    files = Files(root, masks)
    if options.of_files:
        return MaskFiles(files, options)
    single, folders = MaskFiles(files, options), ClassFolders(files)
    coco = Coco(root, masks, paths) if (paths := jsons_in(masks)) else None
    fitting = [single.told()] * single.fits() + [folders.told()] * folders.fits(options.classes, options.ignore)
    if len(fitting := [*fitting, *([coco.told()] if coco else [])]) > 1:
        raise ZooError(
            f"{masks}: masks may be {' or '.join(fitting)}; choose by --data.masks FOLDER, --data.masks FILE.json "
            f"or, for files, --data.mask_name {single.reading.pattern}"
        )
    if coco:
        return _drawn(coco, options, f"{masks}: category")
    if folders.fits(options.classes, options.ignore):
        return _drawn(folders, options, f"{masks}: folder")
    return single


def _drawn(form: Coco | ClassFolders, options: MaskOptions, where: str) -> Form:
    form.scheme = scheme_of(form.found, options.classes, options.ignore, options.ignore_index, where)
    return form
