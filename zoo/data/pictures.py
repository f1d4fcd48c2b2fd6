"""Finds the pictures of folders and resizes them.

A picture is rotated upright by its EXIF orientation, then converted to 8-bit RGB without alpha and, if requested, to
grey by ITU-R BT.601 as in Pillow's mode "L". Of its W x H pixels, the middle with the aspect of w x h is cropped::

    part_width = min(W, H * w // h)         left = (W - part_width) // 2
    part_height = min(H, W * h // w)        top = (H - part_height) // 2

(both at least 1) and resized to w x h by Pillow's ``Resampling.BILINEAR``, which antialiases when it downscales.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.base import processes
from zoo.base.errors import ZooError
from zoo.pictures import folders
from zoo.pictures.images import ORIENTATION, SIDEWAYS, SUFFIXES, opened


def find_pictures(folder: Path) -> list[Path]:
    """Every picture in a folder (:func:`zoo.pictures.folders.find`), in the order of their paths below it.

    A line is printed once about files that are left out.

    Raises:
        ZooError: no such folder, or no pictures in it.
    """
    found = folders.find(folder)
    left_out = found.left_out()
    if not found.pictures:
        there = f"; it holds {left_out}" if left_out else ""
        raise ZooError(f"{folder}: no pictures ({', '.join(sorted(SUFFIXES))}){there}")
    if left_out:
        say_once(f"{folder}: left out {left_out}")
    return found.pictures


def check_folder(folder: Path, key: str, value: str = "FOLDER") -> None:
    """Refuses a folder that does not exist.

    Args:
        folder: folder of a DataModule.
        key: argument of the DataModule that names it.
        value: value of this argument, in a user's words.

    Raises:
        ZooError: names the folder, and the option that gives another.
    """
    if not folder.is_dir():
        problem = "not a folder" if folder.exists() else "no such folder"
        raise ZooError(f"{folder}: {problem}\npass yours: --data.{key} {value}")


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture as it is shown, from the header of its file; (0, 0) if it cannot be read."""
    try:
        with opened(path) as picture:
            return picture.size[::-1] if picture.getexif().get(ORIENTATION) in SIDEWAYS else picture.size
    except ZooError:
        return 0, 0


def say_once(text: str) -> None:
    """Prints a line to stderr, each line only once and only in the first process."""
    if not processes.rank():
        _say(text)


@lru_cache
def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def fit(picture: Image.Image, width: int, height: int) -> np.ndarray:
    """The largest central crop of this aspect, resized: ``(height, width)`` or ``(height, width, 3)``."""
    have_width, have_height = picture.size
    part_width = min(have_width, max(1, have_height * width // height))
    part_height = min(have_height, max(1, have_width * height // width))
    left, top = (have_width - part_width) // 2, (have_height - part_height) // 2
    part = picture.crop((left, top, left + part_width, top + part_height))
    return np.asarray(part.resize((width, height), Image.Resampling.BILINEAR))
