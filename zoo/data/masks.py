"""Masks: which file belongs to a picture, and the class ids in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import ImageOps

from zoo.base.errors import ZooError
from zoo.pictures.folders import find
from zoo.pictures.images import FORMATS, ORIENTATION, opened, upright_rgb

Pair: TypeAlias = tuple[Path, Path]  # a picture and its mask
TURNED = range(2, 9)  # values of EXIF's orientation that turn or mirror a picture
SIDEWAYS = range(5, 9)  # those that exchange its sides


def pair_up(pictures: Sequence[Path], root: Path, masks: Path) -> list[Pair]:
    """Each picture with its mask, ``masks/a/b.png`` for ``root/a/b.jpg``; what is a mask is no picture.

    Raises:
        ZooError: no such folder, masks that are missing, or a picture that would be its own mask.
    """
    if not masks.is_dir():
        raise ZooError(f"{masks}: no such folder")
    own, other = root.resolve(), masks.resolve()
    if own in other.parents:
        pictures = [path for path in pictures if not (own / path.relative_to(root)).is_relative_to(other)]
    pairs = [(path, _mask_of(path, root, masks)) for path in pictures]
    if own == other:
        of_others = {mask for path, mask in pairs if _below(path, root) != _below(mask, masks)}
        pairs = [(path, mask) for path, mask in pairs if masks / _below(path, root) not in of_others]
        if alone := [path for path, mask in pairs if _below(path, root) == _below(mask, masks)]:
            raise ZooError(
                f"{alone[0]} would be its own mask, and {len(alone)} of {len(pairs)} pictures would\n"
                "put pictures and masks into two folders: --data.pictures FOLDER --data.masks FOLDER"
            )
    if missing := [pair for pair in pairs if not pair[1].is_file()]:
        raise _missing(missing[0], root, masks, f"{len(missing)} of {len(pairs)} are missing")
    return pairs


def _below(path: Path, root: Path) -> Path:
    return path.relative_to(root)


def _mask_of(picture: Path, root: Path, masks: Path) -> Path:
    mask = (masks / _below(picture, root)).with_suffix(".png")
    return mask if mask.is_file() or not (loud := mask.with_suffix(".PNG")).is_file() else loud


def _missing(pair: Pair, root: Path, masks: Path, many: str) -> ZooError:
    """The error for a mask that is not there: names what lies there instead."""
    picture, mask = pair
    told = f"{mask}: no such mask ({many})"
    if near := _like(picture, mask):
        kind = near.suffix.lower()
        if kind == ".png":
            return ZooError(f"{told}; there is {near.name}: the mask of {picture.name} must be called {mask.name}")
        lossy = ", JPEG changes class ids" if kind in FORMATS["JPEG"] else ""
        return ZooError(f"{told}; there is {near.name}: masks are PNG{lossy}")
    found = find(masks, {".png"})
    if not found.pictures:
        there = found.left_out()
        return ZooError(f"{masks}: no masks, which are .png files{f'; it holds {there}' if there else ''}")
    example = _below(found.pictures[0], masks).as_posix()
    shown = _below(picture, root).as_posix()
    return ZooError(f"{told}; a mask has its picture's path: pictures are like {shown}, masks like {example}")


def _like(picture: Path, mask: Path) -> Path | None:
    """A file whose name begins as that of a mask should, such as 00_mask.png or 00.jpg.png for 00.png."""
    start, own = mask.stem.casefold(), picture.resolve()
    for path in sorted(mask.parent.iterdir()) if mask.parent.is_dir() else ():
        rest = path.name[len(start) :]
        if path.name.casefold().startswith(start) and not rest[:1].isalnum() and path.resolve() != own:
            return path
    return None


def read_pair(picture: Path, mask: Path) -> tuple[np.ndarray, np.ndarray]:
    """A picture ``(H, W, 3)`` and the class ids of its mask ``(H, W)``, both uint8, each upright by its own EXIF.

    Raises:
        ZooError: a file is damaged, a mask holds no class ids, sizes disagree; or the picture's EXIF turns it, the mask
            has none, and its size does not tell whether it was made on the upright picture.
    """
    with opened(picture) as file:
        turn, stored = file.getexif().get(ORIENTATION), file.size
        pixels = np.array(upright_rgb(file))
    ids, own_turn = _read_ids(mask)
    if turn in TURNED and own_turn is None:
        sideways = turn in SIDEWAYS and stored[0] != stored[1] and ids.shape == stored  # as (W, H)
        if not sideways:
            raise ZooError(
                f"{picture}: EXIF turns it (orientation {turn}), and {mask} has no such tag\n"
                f"where the mask is upright, turn the picture for good: mogrify -auto-orient {picture.name}\n"
                f"where it lies as the picture is stored, remove the tag: exiftool -Orientation= {picture.name}"
            )
    if pixels.shape[:2] != ids.shape:
        sizes = " and ".join(f"{width}x{height}" for height, width in (pixels.shape[:2], ids.shape))
        raise ZooError(f"{picture.name} and its annotation {mask} differ in size: {sizes}")
    return pixels, ids


def read_mask(path: Path) -> np.ndarray:
    """Class ids ``(H, W)`` uint8 of a grey or palette PNG, upright by its EXIF orientation."""
    return _read_ids(path)[0]


def _read_ids(path: Path) -> tuple[np.ndarray, int | None]:
    """The class ids, and the orientation that the file itself tells."""
    with opened(path) as file:
        if file.mode not in ("L", "P", "1", "I", "I;16"):
            raise ZooError(f"an annotation holds class ids (grey or palette PNG), this one is {file.mode}")
        turn = file.getexif().get(ORIENTATION)
        ids = np.array(ImageOps.exif_transpose(file))
    if ids.min() < 0 or ids.max() > 255:  # of 16 or 32 bits
        raise ZooError(f"{path}: values {ids.min()}..{ids.max()} are no class ids, which are 0..255")
    return ids.astype(np.uint8), turn
