"""Looks at each file of a data set once: pictures whole, with a fingerprint, and the class ids of masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.masks.files import Reader, turns_alone
from zoo.pictures.images import ORIENTATION, conversions, opened, upright_rgb

SIDE, AROUND = 16, 5  # side of a fingerprint, and of the window whose mean is subtracted
FLAT = 2.0  # deviation in 1/255 below which a picture shows nothing
OPAQUE = 255


@dataclass(frozen=True)
class Seen:
    """What a picture file is.

    Args:
        path: its path.
        split: its split.
        trouble: why it cannot be read; empty if it can, else all that follows has its default.
        size: width and height of the upright picture.
        grey: whether no pixel has a colour.
        transparent: whether some pixels are not opaque.
        changes: what becomes of it, such as "16 bits a channel became 8".
        flat: whether it shows nothing.
        digest: digest of its pixels.
        fingerprint: details of the picture at 16x16 pixels, ``(256,)`` float32 of length 1; zeros for a flat one.
    """

    path: Path
    split: Split
    trouble: str = ""
    size: tuple[int, int] = (0, 0)
    grey: bool = False
    transparent: bool = False
    changes: tuple[str, ...] = ()
    flat: bool = False
    digest: str = ""
    fingerprint: np.ndarray | None = None
    mask: SeenMask | None = None


@dataclass(frozen=True)
class SeenMask:
    """What the mask of a picture is.

    Args:
        path: its file, or the folder of its files; None: there is none.
        trouble: why it cannot be read; empty if it can, else all that follows has its default.
        size: width and height of the upright mask.
        counts: pixels of each id, ``(256,)``.
        turned_alone: whether EXIF rotates the picture, but not the mask.
        digest: digest of the ids.
    """

    path: Path | None
    trouble: str = ""
    size: tuple[int, int] = (0, 0)
    counts: np.ndarray | None = None
    turned_alone: bool = False
    digest: str = ""


def look(pictures: Iterable[tuple[Path, Split, Path | None]], read: Reader | None) -> Iterator[Seen]:
    """Looks at pictures, and at their masks where there is a reader, on all cores and in order."""
    with ThreadPoolExecutor() as pool:
        yield from pool.map(lambda each: look_at(each[0], each[1], each[2], read), pictures)


def look_at(path: Path, split: Split, mask: Path | None, read: Reader | None) -> Seen:
    """Looks at a picture and its mask."""
    turn, stored = None, (0, 0)
    try:
        with opened(path) as file:
            turn, stored = file.getexif().get(ORIENTATION), file.size
            changes, transparency = conversions(file), file.has_transparency_data
            transparent = transparency and _lowest_alpha(file) < OPAQUE
            pixels = np.ascontiguousarray(upright_rgb(file))
        seen = _seen(path, split, pixels, transparent, changes)
    except ZooError as error:
        seen = Seen(path, split, str(error).removeprefix(f"{path}: "))
    if read is None:
        return seen
    own = _look_at_mask(path, mask, read, turn, stored) if mask else SeenMask(None)
    return Seen(**{**vars(seen), "mask": own})


def _lowest_alpha(file: Image.Image) -> int:
    return int(np.asarray(file.convert("RGBA").getchannel("A")).min())


def _seen(path: Path, split: Split, pixels: np.ndarray, transparent: bool, changes: tuple[str, ...]) -> Seen:
    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    some = pixels[:: max(1, pixels.shape[0] // 256)]
    return Seen(
        path, split, size=(pixels.shape[1], pixels.shape[0]), transparent=transparent, changes=changes,
        grey=bool((some == some[..., :1]).all()), flat=float(some.std((0, 1)).max()) < FLAT,
        digest=_digest(pixels), fingerprint=fingerprint(small),
    )  # fmt: skip


def fingerprint(small: np.ndarray) -> np.ndarray:
    """The details of a grey picture ``(16, 16)`` uint8: ``(256,)`` float32 of length 1, or zeros.

    The product of two is their correlation. Re-encoded, resized, brighter or darker copies have 0.94 or more on
    photographs and on CamVid, and different pictures there 0.85 or less, also frames of one drive.
    """
    floats = small.astype(np.float32)
    details = (floats - cv2.blur(floats, (AROUND, AROUND))).ravel()
    length = float(np.linalg.norm(details))
    return details / length if small.std() >= FLAT else np.zeros_like(details)


def _digest(array: np.ndarray) -> str:
    shape = repr(array.shape).encode()
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16, key=shape[:64]).hexdigest()


def _look_at_mask(
    picture: Path, mask: Path, read: Callable[[Path, Path], tuple[np.ndarray, int | None]], turn: int | None,
    stored: tuple[int, int],
) -> SeenMask:  # fmt: skip
    try:
        ids, own_turn = read(picture, mask)
    except ZooError as error:
        named, _, trouble = str(error).partition(": ")
        if Path(named).is_file() and mask in (Path(named), *Path(named).parents):  # one file of a folder
            return SeenMask(Path(named), trouble)
        return SeenMask(mask, str(error))
    alone = turns_alone(turn, own_turn, stored, ids.shape)
    counts = np.bincount(ids.ravel(), minlength=256)
    return SeenMask(mask, "", (ids.shape[1], ids.shape[0]), counts, alone, _digest(ids))
