"""Masks: finds the mask of each picture and reads its class ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from zoo.base.errors import ZooError
from zoo.data.pictures import check_folder, say_once
from zoo.pictures.folders import find
from zoo.pictures.images import FORMATS, ORIENTATION, SIDEWAYS, opened, upright_rgb

Pair: TypeAlias = tuple[Path, Path]  # a picture and its mask
VALUES = ("L", "P", "1", "I", "I;16")  # modes of Pillow whose values are class ids
COLORS = ("LA", "RGB", "RGBA")  # modes whose pixels may be grey nevertheless
TURNED = range(2, 9)  # values of EXIF's orientation that turn or mirror a picture


def pair_up(pictures: Sequence[Path], root: Path, masks: Path) -> list[Pair]:
    """Each picture with its mask, ``masks/a/b.png`` for ``root/a/b.jpg``; a mask is never taken for a picture.

    Counts in messages cover both folders. A line is printed once about masks without a picture.

    Args:
        pictures: the wanted pictures of ``root``.
        root: folder of the pictures.
        masks: folder of the masks; may be ``root``.

    Raises:
        ZooError: no such folder, missing masks, or a picture that would be its own mask.
    """
    check_folder(masks, "masks")
    pairs, wanted = _all_pairs(pictures, root, masks), set(pictures)
    if root.resolve() == masks.resolve():
        _refuse_own_masks(pairs, wanted, root, masks)
    missing = [pair for pair in pairs if not pair[1].is_file()]
    for pair in missing:
        if pair[0] in wanted:
            raise _missing(pair, root, masks, f"{len(missing)} of {len(pairs)} are missing")
    _say_unused(pairs, root, masks)
    return [pair for pair in pairs if pair[0] in wanted]


def _all_pairs(pictures: Sequence[Path], root: Path, masks: Path) -> list[Pair]:
    """The wanted pictures, then all others of ``root``, each with the path of its mask, which need not exist."""
    own, other = root.resolve(), masks.resolve()
    found = list(dict.fromkeys([*pictures, *find(root).pictures]))
    if own in other.parents:
        found = [path for path in found if not (own / _below(path, root)).is_relative_to(other)]
    pairs = [(path, _mask_of(path, root, masks)) for path in found]
    if own == other:
        of_others = {mask for path, mask in pairs if _below(path, root) != _below(mask, masks)}
        pairs = [(path, mask) for path, mask in pairs if masks / _below(path, root) not in of_others]
    return pairs


def _refuse_own_masks(pairs: list[Pair], wanted: set[Path], root: Path, masks: Path) -> None:
    alone = [path for path, mask in pairs if _below(path, root) == _below(mask, masks)]
    if first := next((path for path in alone if path in wanted), None):
        raise ZooError(
            f"{first} would be its own mask, as would {len(alone)} of {len(pairs)} pictures\n"
            "put pictures and masks into two folders, --data.pictures FOLDER --data.masks FOLDER,\n"
            "and give each mask the name of its picture: 00.png for 00.jpg, not 00_mask.png"
        )


def _say_unused(pairs: list[Pair], root: Path, masks: Path) -> None:
    """Prints which masks belong to no picture of any split: a picture may be missing."""
    used, own, other = {mask for _, mask in pairs}, root.resolve(), masks.resolve()
    unused = [path for path in find(masks, {".png"}).pictures if path not in used]
    if other in own.parents:  # the pictures lie in the folder of the masks
        unused = [path for path in unused if not (other / _below(path, masks)).is_relative_to(own)]
    if unused:
        masks_are = f"{len(unused)} mask{'s' * (len(unused) > 1)}"
        say_once(f"{masks}: left out {masks_are} without a picture, such as {_below(unused[0], masks).as_posix()}")


def _below(path: Path, root: Path) -> Path:
    return path.relative_to(root)


def _mask_of(picture: Path, root: Path, masks: Path) -> Path:
    mask = (masks / _below(picture, root)).with_suffix(".png")
    return mask if mask.is_file() or not (loud := mask.with_suffix(".PNG")).is_file() else loud


def _missing(pair: Pair, root: Path, masks: Path, many: str) -> ZooError:
    """The error for a missing mask; it names a similar file if there is one."""
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
        return ZooError(f"{masks}: no masks (.png files){f'; the folder holds {there}' if there else ''}")
    example = _below(found.pictures[0], masks).as_posix()
    shown = _below(picture, root).as_posix()
    return ZooError(f"{told}; a mask needs the path of its picture: pictures are like {shown}, masks like {example}")


def _like(picture: Path, mask: Path) -> Path | None:
    """A file whose name begins like the mask's, such as 00_mask.png or 00.jpg.png for 00.png."""
    start, own = mask.stem.casefold(), picture.resolve()
    for path in sorted(mask.parent.iterdir()) if mask.parent.is_dir() else ():
        rest = path.name[len(start) :]
        if path.name.casefold().startswith(start) and not rest[:1].isalnum() and path.resolve() != own:
            return path
    return None


def read_pair(picture: Path, mask: Path) -> tuple[np.ndarray, np.ndarray]:
    """A picture ``(H, W, 3)`` and the class ids of its mask ``(H, W)``, both uint8, each upright by its own EXIF.

    Raises:
        ZooError: a file is damaged, a mask holds no class ids, or sizes disagree; or the picture's EXIF rotates it, the
            mask has no EXIF orientation, and its size does not tell whether it fits the upright picture.
    """
    with opened(picture) as file:
        turn, stored = file.getexif().get(ORIENTATION), file.size
        pixels = np.array(upright_rgb(file))
    ids, own_turn = _read_ids(mask)
    if turn in TURNED and own_turn is None:
        sideways = turn in SIDEWAYS and stored[0] != stored[1] and ids.shape == stored  # as (W, H)
        if not sideways:
            raise ZooError(
                f"{picture}: EXIF rotates it (orientation {turn}), but {mask} has no orientation tag\n"
                f"if the mask is upright, rotate the picture's pixels: mogrify -auto-orient {picture.name}\n"
                f"if the mask fits the pixels as stored, remove the tag: exiftool -Orientation= {picture.name}"
            )
    if pixels.shape[:2] != ids.shape:
        sizes = " and ".join(f"{width}x{height}" for height, width in (pixels.shape[:2], ids.shape))
        raise ZooError(f"{picture.name} and its annotation {mask} differ in size: {sizes}")
    return pixels, ids


def read_mask(path: Path) -> np.ndarray:
    """Class ids ``(H, W)`` uint8 of a grey or palette PNG, upright by its EXIF orientation.

    Grey saved as RGB, or with a fully opaque alpha channel, counts as grey.
    """
    return _read_ids(path)[0]


def _read_ids(path: Path) -> tuple[np.ndarray, int | None]:
    """The class ids, and the EXIF orientation of the file."""
    with opened(path) as file:
        deep = file.mode in COLORS and ";16" in str(getattr(file, "tile", ""))  # Pillow would drop the ids themselves
        if file.mode not in (*VALUES, *COLORS) or deep or file.format == "JPEG":
            kind = "JPEG, which changes ids" if file.format == "JPEG" else f"{file.mode}{' of 16 bits' * deep}"
            raise ZooError(f"a mask holds class ids (grey or palette PNG), this one is {kind}")
        turn = file.getexif().get(ORIENTATION)
        upright = ImageOps.exif_transpose(file)
        ids = _grey(upright) if upright.mode in COLORS else np.array(upright)
    if ids.min() < 0 or ids.max() > 255:  # a mask of 16 or 32 bits
        raise ZooError(f"{path}: values {ids.min()}..{ids.max()} are outside the class ids 0..255")
    return ids.astype(np.uint8), turn


def _grey(picture: Image.Image) -> np.ndarray:
    """The grey value of each pixel, ``(H, W)`` uint8, of an opaque picture with equal colour channels.

    Raises:
        ZooError: the picture has colours or transparent pixels.
    """
    if picture.mode != "RGB":
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() == (255, 255):
            picture = picture.convert("RGB")
    pixels = np.array(picture)
    if picture.mode == "RGB" and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    counted: Any = picture.getcolors(picture.width * picture.height)
    colors = [bytes(color).hex() for _, color in sorted(counted, reverse=True)]
    shown = ", ".join(f"#{color}" for color in colors[:3])
    raise ZooError(
        f"a mask holds class ids, this one has {len(colors)} colours{' and transparency' * (picture.mode == 'RGBA')}: "
        f"{shown}{', ...' * (len(colors) > 3)}\nconvert each colour to its class id (0, 1, ...) in a grey PNG"
    )
