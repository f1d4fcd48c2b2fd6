"""A picture four times as large, and what is done with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.data.low_resolution import SCALE
from zoo.pictures.results import PictureResult, on_white
from zoo.pictures.sheets import contact_sheet

SHOWN = (120, 90)  # pixels of the source, width and height, that a comparison shows at most


@dataclass(frozen=True, eq=False)
class Upscaled(PictureResult):
    """A picture four times as large as its source.

    Args:
        picture: RGB, or L where the source is grey, with an A where it is transparent.
        source: what was enlarged, of the same mode.
        notes: what a user should know of, such as "16 bits a channel became 8".
    """

    picture: Image.Image
    source: Image.Image = field(repr=False)
    notes: tuple[str, ...] = ()

    def bicubic(self) -> Image.Image:
        """What Pillow's bicubic interpolation makes of the source."""
        return self.source.resize(self.size, Image.Resampling.BICUBIC)

    def compare(self) -> Image.Image:
        """The middle of the picture beside that of :meth:`bicubic`, pixel by pixel, transparent parts on white."""
        width, height = (min(shown, side) for shown, side in zip(SHOWN, self.source.size, strict=True))
        left, top = (self.source.width - width) // 2, (self.source.height - height) // 2
        box = (left, top, left + width, top + height)
        size = (SCALE * width, SCALE * height)
        bicubic = self.source.resize(size, Image.Resampling.BICUBIC, box)
        own = self.picture.crop(tuple(SCALE * edge for edge in box))  # type: ignore[arg-type]
        zoom = max(1, min(SHOWN[0] // width, SHOWN[1] // height))  # pixels of small pictures become squares
        cells = [on_white(part).resize((zoom * size[0], zoom * size[1]), 0) for part in (bicubic, own)]
        return contact_sheet([[np.asarray(cell) for cell in cells]], ("bicubic", "network"), width=cells[0].width)

    def save(self, destination: str | Path) -> list[Path]:
        """Writes ``DESTINATION_x4.png`` and ``DESTINATION_compare.png``, or one file of the format its suffix names.

        Args:
            destination: beginning of the files' names, such as ``out/street``, or a file such as ``street_x4.jpg``.
        """
        return self._save(destination, "x4")
