"""A picture in a style, with previews and losses of its optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.pictures.images import SUFFIXES, on_white
from zoo.pictures.results import save_png
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.stylized import Stylized

MAX_PICTURES = 6  # largest number of pictures on a strip
WIDTH = 240  # width of each picture in pixels


@dataclass(frozen=True, eq=False)
class Painting(Stylized):
    """A picture in a style, with previews of its optimisation.

    Args:
        previews: previews by the number of their iteration.
        losses: losses of all iterations; losses at different sizes cannot be compared.
    """

    previews: dict[int, Image.Image] = field(default_factory=dict, repr=False)
    losses: tuple[float, ...] = field(default=(), repr=False)

    def strip(self) -> Image.Image:
        """The content, the previews and the result, side by side."""
        return strip_of([("content", self.content), *((str(n), p) for n, p in self.previews.items())], self.picture)

    def save(self, destination: str | Path) -> list[Path]:
        """As :meth:`Stylized.save`, and ``DESTINATION_strip.png`` where there are previews."""
        written = super().save(destination)
        destination = Path(destination)
        if self.previews and destination.suffix.lower() not in SUFFIXES:
            written.append(destination.with_name(f"{destination.name}_strip.png"))
            save_png(self.strip(), written[-1])
        return written


def strip_of(pictures: Sequence[tuple[str, Image.Image]], result: Image.Image) -> Image.Image:
    """Some of the pictures, evenly chosen, with their titles, and the result."""
    places = np.unique(np.linspace(0, len(pictures) - 1, min(len(pictures), MAX_PICTURES - 1)).round().astype(int))
    chosen = [*(pictures[place] for place in places), ("result", result)]
    cells = [np.asarray(on_white(picture)) for _, picture in chosen]
    return contact_sheet([cells], [title for title, _ in chosen], width=WIDTH)
