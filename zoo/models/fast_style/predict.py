"""From any picture to a picture in the style that a network has learnt, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from zoo.base.bounds import Count, Fraction, Width
from zoo.base.memory import running_out
from zoo.engines import Engine, Shapes, network_of
from zoo.models.fast_style.memory import rows_at_a_time
from zoo.pictures.images import Picture, naming, one_or_many, to_floats, to_pixels
from zoo.pictures.stylized import Stylized, as_content, check_strength, finish


@dataclass(frozen=True)
class Stylizer:
    """Styles pictures by an engine that gives ``(B, 3, H, W)``.

    Args:
        engine: computes the network.
        channels: number of channels of the network's first layer, from which memory is estimated.
    """

    engine: Engine
    channels: Width

    def shapes(self, batch: int, height: int, width: int) -> Shapes:
        """Shapes of the engine's input and output."""
        return (batch, 3, height, width), (batch, 3, height, width)

    def predict(
        self,
        picture: Picture | Sequence[Picture],
        *,
        strength: Fraction = 1.0,
        preserve_color: bool = False,
        tile: Count | Literal["auto"] | None = "auto",
        progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Styles a picture of any size: a :class:`Stylized`, or a list of them for a list or a batch.

        Grey pictures become RGB; transparency is kept.

        Args:
            picture: path, PIL picture, uint8 array ``(H, W, 3)`` or ``(H, W)``, or tensor ``(3, H, W)``; a list of
                these, or a tensor ``(B, 3, H, W)``, gives a list.
            strength: fraction of the result that is mixed with the picture, from 0 (original) to 1 (fully styled)
            preserve_color: keep the colours of the picture, and take only the luminance of the result
            tile: number of rows computed at a time, which changes the result by at most one 8-bit level; "auto" chooses
                it by the free memory, None takes the whole picture. Engines other than torch's only take the whole
            progress: called after each part of the work with the number of finished parts and their total.

        Raises:
            ZooError: a picture cannot be read, arguments are out of range, or there is too little memory.
        """
        check_strength(strength)

        def stylize(one: Picture) -> Stylized:
            with naming(one), running_out("memory ran out; make the picture smaller"):
                content, alpha, notes = as_content(one)
                result = self._restyle(content, tile, progress)
                return finish(result, content, alpha, strength=strength, preserve_color=preserve_color, notes=notes)

        return one_or_many(picture, lambda pictures: [stylize(one) for one in pictures])

    def predict_frame(
        self,
        frame: np.ndarray,
        *,
        strength: float = 1.0,
        preserve_color: bool = False,
        tile: int | Literal["auto"] | None = "auto",
    ) -> np.ndarray:
        """Styles a frame of a video, ``(H, W, 3)`` uint8, by itself; see :meth:`predict`, also for what it raises."""
        content = Image.fromarray(frame)
        with running_out(f"memory ran out for frames of {content.width}x{content.height} pixels"):
            result = self._restyle(content, tile, None)
            return np.asarray(finish(result, content, strength=strength, preserve_color=preserve_color))

    def _restyle(
        self, content: Image.Image, tile: int | Literal["auto"] | None, progress: Callable[[int, int], None] | None
    ) -> Image.Image:
        """Styles an RGB picture by the network: whole, or by strips where the whole is too large."""
        by_strips = hasattr(self.engine, "net")  # which needs the layers of the network one by one
        rows = rows_at_a_time(self.engine.device, self.channels, content.size, tile, by_strips)
        if rows is not None:
            net = network_of(self.engine, "a picture by strips, as --tile asks for,")
            from zoo.models.fast_style.strips import stylize_by_strips  # which needs torch

            return stylize_by_strips(net, content, rows, progress)
        (y,) = self.engine(to_floats(content)[None])
        if progress is not None:
            progress(1, 1)
        return Image.fromarray(to_pixels(y[0]))
