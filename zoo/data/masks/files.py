"""Reads class ids from mask files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from zoo.base.errors import ZooError
from zoo.pictures.images import ORIENTATION, SIDEWAYS, opened, upright_rgb

VALUES = ("L", "P", "1", "I", "I;16", "I;16B", "I;16L")  # modes of Pillow whose values are class ids
COLORS = ("LA", "RGB", "RGBA")  # modes whose pixels may be grey nevertheless
TURNED = range(2, 9)  # values of EXIF's orientation that turn or mirror a picture
Ids: TypeAlias = tuple[np.ndarray, int | None]  # class ids (H, W) uint8, and the EXIF orientation of their file
Reader: TypeAlias = Callable[[Path, Path], Ids]  # from a picture and its mask


def read_pair(picture: Path, mask: Path, read: Reader | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A picture ``(H, W, 3)`` and the class ids of its mask ``(H, W)``, both uint8, each upright by its own EXIF.

    Args:
        picture: path of the picture.
        mask: path of its mask.
        read: function that reads the mask; None: a grey or palette picture of class ids.

    Raises:
        ZooError: a file is damaged, a mask holds no class ids, or sizes disagree; or the picture's EXIF rotates it, the
            mask has no EXIF orientation, and its size does not tell whether it fits the upright picture.
    """
    with opened(picture) as file:
        turn, stored = file.getexif().get(ORIENTATION), file.size
        pixels = np.array(upright_rgb(file))
    ids, own_turn = read(picture, mask) if read else read_ids(mask)
    if turns_alone(turn, own_turn, stored, ids.shape):
        raise ZooError(
            f"{picture}: EXIF rotates it (orientation {turn}), but {mask} has no orientation tag\n"
            f"if the mask is upright, rotate the picture's pixels: mogrify -auto-orient {picture.name}\n"
            f"if the mask fits the pixels as stored, remove the tag: exiftool -Orientation= {picture.name}"
        )
    if pixels.shape[:2] != ids.shape:
        sizes = " and ".join(f"{width}x{height}" for height, width in (pixels.shape[:2], ids.shape))
        raise ZooError(f"{picture.name} and its annotation {mask} differ in size: {sizes}")
    return pixels, ids


def turns_alone(turn: int | None, own_turn: int | None, stored: tuple[int, int], shape: tuple[int, ...]) -> bool:
    """Whether EXIF rotates a picture, but not its mask, and the mask's size does not tell that it is upright.

    Args:
        turn: the picture's orientation.
        own_turn: the mask's.
        stored: width and height of the picture as stored.
        shape: shape of the mask.
    """
    if turn not in TURNED or own_turn is not None:
        return False
    return not (turn in SIDEWAYS and stored[0] != stored[1] and shape == stored)  # (H, W) of an upright mask


def read_mask(path: Path) -> np.ndarray:
    """Class ids ``(H, W)`` uint8 of a grey or palette picture, upright by its EXIF orientation.

    Grey saved as RGB, or with a fully opaque alpha channel, counts as grey.
    """
    return read_ids(path)[0]


def read_ids(path: Path) -> Ids:
    """The class ids, and the EXIF orientation of the file.

    Raises:
        ZooError: the file is damaged, no mask, or holds values above 255.
    """
    values, turn, lossy = read_values(path)
    if lossy:
        raise ZooError(
            f"{path}: a mask holds class ids (grey or palette PNG), this one is JPEG, which changes ids\n"
            "if its values are far apart, name them: --data.values '{0: background, 255: crack}'"
        )
    if values.min() < 0 or values.max() > 255:  # a mask of 16 or 32 bits
        raise ZooError(
            f"{path}: values {values.min()}..{values.max()} are outside the class ids 0..255\n"
            "name the values: --data.values '{VALUE: CLASS, ...}'"
        )
    return values.astype(np.uint8), turn


def read_values(path: Path) -> tuple[np.ndarray, int | None, bool]:
    """The values of a grey or palette picture ``(H, W)``, its EXIF orientation, and whether it is a JPEG.

    Raises:
        ZooError: the file is damaged or has colours.
    """
    with opened(path) as file:
        deep = file.mode in COLORS and ";16" in str(getattr(file, "tile", ""))  # Pillow would drop the ids themselves
        if file.mode not in (*VALUES, *COLORS) or deep:
            kind = f"{file.mode}{' of 16 bits' * deep}"
            raise ZooError(f"a mask holds class ids (grey or palette PNG), this one is {kind}")
        turn, lossy = file.getexif().get(ORIENTATION), file.format == "JPEG"
        upright = ImageOps.exif_transpose(file)
        values = _grey(upright) if upright.mode in COLORS else np.array(upright)
    return values, turn, lossy


def read_colors(path: Path) -> tuple[np.ndarray, int | None, bool]:
    """The colours ``(H, W, 3)`` uint8 of a picture without its alpha, its EXIF orientation, and whether it is a JPEG.

    Raises:
        ZooError: the file is damaged.
    """
    with opened(path) as file:
        turn, lossy = file.getexif().get(ORIENTATION), file.format == "JPEG"
        return np.array(upright_rgb(file)), turn, lossy


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
        f"{shown}{', ...' * (len(colors) > 3)}\nname the colours: --data.colors '{{CLASS: \"#{colors[0][:6]}\", ...}}'"
    )
