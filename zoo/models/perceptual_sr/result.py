"""An enlarged picture, its comparison with bicubic interpolation, and its files."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.pictures.images import on_white
from zoo.pictures.results import PictureResult, png_source
from zoo.pictures.sheets import contact_sheet

SHOWN_SIZE = (480, 360)  # largest width and height of the result in a comparison, in pixels
IN_NOTEBOOK = (800, 600)
# A user drags the width of the upper picture. No script is needed, which other people's notebooks may not run.
BEFORE_AFTER = (
    '<figure><div style="position:relative;width:{width}px;max-width:100%"><img style="width:{width}px;max-width:none" '
    'src="{after}" alt="enlarged by the network"><div style="position:absolute;top:0;left:0;width:50%;height:100%;'
    'max-width:100%;overflow:hidden;resize:horizontal;border-right:2px solid white"><img style="width:{width}px;'
    'max-width:none" src="{before}" alt="bicubic interpolation"></div></div><figcaption>{caption}</figcaption></figure>'
)


@dataclass(frozen=True, eq=False)
class Upscaled(PictureResult):
    """A picture larger than its source.

    Args:
        picture: RGB, or L where the source is grey, with an A where it is transparent.
        source: picture that was enlarged, of the same mode.
        notes: lines that a user should know, such as "16 bits a channel became 8".
    """

    picture: Image.Image
    source: Image.Image = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def factor(self) -> float:
        """Factor of width and height, to two decimals."""
        return round(max(self.size) / max(self.source.size), 2)

    def bicubic(self) -> Image.Image:
        """The source enlarged by Pillow's bicubic interpolation."""
        return self.source.resize(self.size, Image.Resampling.BICUBIC)

    def middle(self, width: int, height: int) -> tuple[Image.Image, Image.Image]:
        """The middle of :meth:`bicubic` and of the picture, RGB, pixel by pixel, transparent parts on white.

        Args:
            width: largest width in pixels of the picture.
            height: largest height in pixels of the picture.
        """
        width, height = min(width, self.picture.width), min(height, self.picture.height)
        left, top = (self.picture.width - width) // 2, (self.picture.height - height) // 2
        box = (left, top, left + width, top + height)
        across, down = (a / b for a, b in zip(self.source.size, self.size, strict=True))
        part = tuple(edge * factor for edge, factor in zip(box, (across, down) * 2, strict=True))
        bicubic = self.source.resize((width, height), Image.Resampling.BICUBIC, part)  # type: ignore[arg-type]
        return on_white(bicubic), on_white(self.picture.crop(box))

    def compare(self) -> Image.Image:
        """The middle of the picture beside the middle of :meth:`bicubic`; pixels of small pictures become squares."""
        cells = self.middle(*SHOWN_SIZE)
        zoom = max(1, min(side // own for side, own in zip(SHOWN_SIZE, cells[0].size, strict=True)))
        large = [np.asarray(cell.resize((zoom * cell.width, zoom * cell.height), 0)) for cell in cells]
        return contact_sheet([large], ("bicubic", "network"), width=large[0].shape[1])

    def caption(self) -> str:
        """A line of text to show below the picture."""
        size = f"{self.source.width}x{self.source.height} to {self.picture.width}x{self.picture.height}"
        return "; ".join((size, "bicubic interpolation left of the line: drag the lower end of the line", *self.notes))

    def _repr_html_(self) -> str:
        before, after = self.middle(*IN_NOTEBOOK)
        texts = {"before": png_source(before), "after": png_source(after), "caption": html.escape(self.caption())}
        return BEFORE_AFTER.format(width=after.width, **texts)

    def save(self, destination: str | Path) -> list[Path]:
        """Writes ``DESTINATION_xN.png`` and ``DESTINATION_compare.png``, or one file of the format its suffix names.

        Args:
            destination: beginning of the files' names, such as ``out/street``, or a file such as ``street_x4.jpg``.
        """
        return self._save(destination, f"x{self.factor:g}")
