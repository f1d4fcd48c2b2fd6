"""The common part of results: saving, and display in a notebook."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.files import replace, replacing
from zoo.base.memory import running_out
from zoo.pictures.images import SUFFIXES

QUICK = range(1 << 16, 1 << 24)  # pixels of a PNG that OpenCV writes: it takes a while to import, and memory
SHOWN_SIDE = 1024  # most pixels of the longer side in a notebook


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a PNG whole or not at all, and a large one without a copy of it in memory."""
    with replacing(path) as temporary:
        plain = image.mode in ("L", "RGB") and not {"icc_profile", "transparency"} & image.info.keys()
        if plain and image.width * image.height in QUICK:
            temporary.write_bytes(_encoded(np.asarray(image)))
        else:
            image.save(temporary, "PNG", compress_level=1)  # half the time of level 4 for photographs, and as small


def _encoded(pixels: np.ndarray) -> bytes:
    """A PNG by OpenCV, in half of Pillow's time; photographs become a little larger, other results smaller."""
    import cv2  # small results need none of it

    pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    settings = {"COMPRESSION": 1, "STRATEGY": cv2.IMWRITE_PNG_STRATEGY_RLE}
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # from OpenCV 4.12 on
        settings["FILTER"] = cv2.IMWRITE_PNG_FILTER_PAETH
    words = [word for name, value in settings.items() for word in (getattr(cv2, f"IMWRITE_PNG_{name}"), value)]
    return bytes(cv2.imencode(".png", pixels, words)[1])


def save_pngs(pictures: Mapping[str, Image.Image], destination: str | Path) -> list[Path]:
    """Writes ``DESTINATION_KIND.png`` for each picture, whole or not at all, and makes the folder.

    Args:
        pictures: pictures by kind.
        destination: beginning of the files' names, such as ``out/street``.
    """
    destination = Path(destination)
    if not destination.name:
        raise ZooError(f"{destination} is not a file name; give the beginning of the files' names, such as out/street")
    destination.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, picture in pictures.items():
        written.append(destination.with_name(f"{destination.name}_{kind}.png"))
        save_png(picture, written[-1])
    return written


def save_json(values: Mapping[str, Any], destination: str | Path) -> Path:
    """Writes ``DESTINATION.json``, one line per value, whole or not at all."""
    path = Path(destination).with_name(f"{Path(destination).name}.json")
    lines = (f"  {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in values.items())
    replace(path, "{\n" + ",\n".join(lines) + "\n}\n")
    return path


def save_as(picture: Image.Image, path: Path) -> list[Path]:
    """Writes one file, whole or not at all, in the format that its suffix names, and makes the folder.

    Raises:
        ZooError: the format cannot hold the picture.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    format_ = Image.registered_extensions()[path.suffix.lower()]
    try:
        with replacing(path) as temporary:
            picture.save(temporary, format_, quality=95)  # if the format has one
    except (OSError, ValueError) as error:  # limits of the format: no transparency, or sides too long
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ZooError(f"{path}: {error}; save it as .png") from None
    return [path]


def png_source(picture: Image.Image) -> str:
    """A picture as the source of an HTML image."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return _source(buffer.getvalue())


def _source(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


class Shown:
    """A result that a notebook shows as a picture with a line below it."""

    def shown(self) -> Image.Image:
        """The picture that shows most of the result."""
        raise NotImplementedError

    def caption(self) -> str:
        """The line of text below the picture."""
        return type(self).__name__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without pixels."""
        raise NotImplementedError

    def summary(self) -> dict[str, Any]:
        """What of :meth:`to_dict` fits on a line."""
        return self.to_dict()

    def _repr_png_(self) -> bytes:
        picture, buffer = self.shown(), io.BytesIO()
        factor = min(1.0, SHOWN_SIDE / max(picture.size))
        width, height = (max(1, round(side * factor)) for side in picture.size)
        small = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
        small.save(buffer, "PNG", compress_level=4)
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        caption = html.escape(self.caption())
        return f'<figure><img src="{_source(self._repr_png_())}"><figcaption>{caption}</figcaption></figure>'


class PictureResult(Shown):
    """A result that is one picture, and can be used like one."""

    picture: Image.Image
    notes: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.picture.size

    @property
    def mode(self) -> str:
        return self.picture.mode

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the pixels of a PIL picture can only be copied")
        return np.array(self.picture, dtype)

    def shown(self) -> Image.Image:
        return self.picture

    def caption(self) -> str:
        return "; ".join((f"{self.picture.width}x{self.picture.height}", *self.notes))

    def compare(self) -> Image.Image:
        """The picture beside its original."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Size, mode and notes."""
        return {"size": list(self.size), "mode": self.mode, "notes": list(self.notes)}

    def _save(self, destination: str | Path, kind: str) -> list[Path]:
        """Writes ``DESTINATION_KIND.png`` and ``_compare.png``, or one file in the format of the suffix."""
        destination = Path(destination)
        with running_out(f"{destination}: memory ran out while saving it"):
            if destination.suffix.lower() in SUFFIXES:
                return save_as(self.picture, destination)
            return save_pngs({kind: self.picture, "compare": self.compare()}, destination)
