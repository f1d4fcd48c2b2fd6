"""Paths that know more of their picture than where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # before Python 3.12 Path itself cannot be inherited from


class PicturePath(_Path):
    """A path that can be used like any other, also by who does not know of this class.

    Attributes:
        content: reads the file's content, where it is no file of its own, such as a member of a tar.
        archive: the file that the picture lies in, if it is no file of its own.
        decoded: the picture, L, LA, RGB or RGBA, and notes on what was lost, if it was decoded before.
    """

    content: Callable[[], bytes] | None = None
    archive: Path | None = None
    decoded: tuple[Image.Image, tuple[str, ...]] | None = None


def file_of(path: Path) -> Path:
    """The file on the disk that holds a picture."""
    return getattr(path, "archive", None) or path
