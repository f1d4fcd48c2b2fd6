"""From a picture to its relief, by any engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.base.bounds import Fraction
from zoo.engines import Engine
from zoo.pictures.images import Picture, one_or_many, to_floats, to_pixels
from zoo.pictures.results import Shown, save_pngs


@dataclass(frozen=True)
class Carved(Shown):
    """A relief ``(H, W, 3)`` uint8."""

    relief: np.ndarray

    def shown(self) -> Image.Image:
        return Image.fromarray(self.relief)

    def save(self, destination: str | Path) -> list[Path]:
        return save_pngs({"relief": self.shown()}, destination)

    def to_dict(self) -> dict[str, Any]:
        return {"mean": float(self.relief.mean())}


@dataclass(frozen=True)
class Carver:
    """Carves by an engine that gives ``(B, 1, H, W)``."""

    engine: Engine

    def predict(self, picture: Picture | Sequence[Picture], *, depth: Fraction = 1.0) -> Any:
        """Makes the relief of a picture.

        Args:
            picture: any.
            depth: how deep it is, from 0 (flat) to 1
        """

        def carve(one: Picture) -> Carved:
            (made,) = self.engine(to_floats(one)[None])
            return Carved(to_pixels(0.5 + depth * (np.repeat(made[0], 3, 0) - 0.5)))

        return one_or_many(picture, lambda pictures: [carve(one) for one in pictures])
