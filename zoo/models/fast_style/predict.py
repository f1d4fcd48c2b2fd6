"""From any picture to a picture in a style, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image

from zoo.base.bounds import Count, Fraction, Width, check_count
from zoo.base.errors import ZooError
from zoo.base.memory import running_out
from zoo.base.typed import Form, Longest
from zoo.engines import Engine, Shapes, network_of
from zoo.models.fast_style.blend import weights_of
from zoo.models.fast_style.memory import rows_at_a_time
from zoo.pictures.grain import grained
from zoo.pictures.images import Picture, naming, one_or_many, to_floats, to_pixels
from zoo.pictures.masked import read_mask
from zoo.pictures.stylized import Stylized, as_content, check_strength, finish

SIDE = 800  # longer side in pixels at which pictures are painted: strokes are as large as a painting's
MOST_ENLARGED = 2.0  # factor by which a small picture is enlarged to be painted
Name = Annotated[str, Form.of(r"\w{1,40}", "that is a name")]


@dataclass(frozen=True)
class Stylizer:
    """Styles pictures by an engine that gives ``(B, 3, H, W)`` for pictures and weights of the styles.

    Args:
        engine: computes the network.
        styles: names of the network's styles.
        channels: number of channels of the network's first layer, from which memory is estimated.
        grain: standard deviation of the noise that pictures get before they are painted.
    """

    engine: Engine
    styles: Annotated[tuple[Name, ...], Form(bool, "of which there is one or more"), Longest(1000)]
    channels: Width
    grain: Fraction = 0.0

    def shapes(self, batch: int, height: int, width: int) -> Shapes:
        """Shapes of the engine's input and output."""
        return (batch, 3, height, width), (batch, 3, height, width)

    def predict(
        self,
        picture: Picture | Sequence[Picture],
        *,
        style: Mapping[str, float] | Sequence[str] | str | None = None,
        strength: Fraction = 1.0,
        preserve_color: bool = False,
        mask: Picture | None = None,
        size: Count | Literal["original"] = SIDE,
        grain: Fraction | None = None,
        tile: Count | Literal["auto"] | None = "auto",
        progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Styles a picture of any size: a :class:`Stylized`, or a list of them for a list or a batch.

        Grey pictures become RGB; transparency is kept.

        Args:
            picture: path, PIL picture, uint8 array ``(H, W, 3)`` or ``(H, W)``, or tensor ``(3, H, W)``; a list of
                these, or a tensor ``(B, 3, H, W)``, gives a list.
            style: name of a style; several names, which are blended alike; or their weights, such as
                '{starry_night: 0.7, scream: 0.3}'. By default the first style
            strength: fraction of the result that is mixed with the picture, from 0 (original) to 1 (fully styled)
            preserve_color: keep the colours of the picture, and take only the luminance of the result
            mask: picture of the same shape: white parts are styled, black parts stay
            size: longer side in pixels at which the picture is painted, before it gets its own size again; a smaller
                side gives larger strokes. "original" paints at the picture's own size, with strokes of a fixed number
                of pixels
            grain: standard deviation of the noise that the picture gets before it is painted, so that flat parts get
                strokes, from 0 (flat parts stay flat) to 1. By default as much as in training; frames of videos get
                none
            tile: number of rows computed at a time, which changes the result by at most one 8-bit level; "auto" chooses
                it by the free memory, None takes the whole picture. Engines other than torch's only take the whole
            progress: called after each part of the work with the number of finished parts and their total.

        Raises:
            ZooError: a picture or mask cannot be read, a style is unknown, arguments are out of range, or there is too
                little memory.
        """
        check_strength(strength)
        weights, side = weights_of(style, self.styles), checked_side(size)
        noise = self.grain if grain is None else check_grain(grain)

        def stylize(one: Picture) -> Stylized:
            with naming(one), running_out("memory ran out; make the picture smaller"):
                content, alpha, notes = as_content(one)
                chosen = None if mask is None else read_mask(mask, content.size)
                result = self._restyle(content, weights, side, noise, tile, progress)
                return finish(
                    result, content, alpha, strength=strength, preserve_color=preserve_color, mask=chosen, notes=notes
                )

        return one_or_many(picture, partial(map, stylize))

    def predict_frame(
        self,
        frame: np.ndarray,
        *,
        style: Mapping[str, float] | Sequence[str] | str | None = None,
        strength: float = 1.0,
        preserve_color: bool = False,
        mask: Picture | None = None,
        size: int | Literal["original"] = SIDE,
        tile: int | Literal["auto"] | None = "auto",
    ) -> np.ndarray:
        """Styles a frame of a video, ``(H, W, 3)`` uint8, by itself; see :meth:`predict`, also for what it raises.

        A frame gets no grain, which would stand still before what moves.
        """
        content, weights, side = Image.fromarray(frame), weights_of(style, self.styles), checked_side(size)
        with running_out(f"memory ran out for frames of {content.width}x{content.height} pixels"):
            chosen = None if mask is None else read_mask(mask, content.size)
            result = self._restyle(content, weights, side, 0.0, tile, None)
            made = finish(result, content, strength=strength, preserve_color=preserve_color, mask=chosen)
            return np.asarray(made.picture)

    def _restyle(
        self,
        content: Image.Image,
        weights: np.ndarray,
        side: int | None,
        noise: float,
        tile: int | Literal["auto"] | None,
        progress: Callable[[int, int], None] | None,
    ) -> Image.Image:
        """Styles an RGB picture: painted at its working size, and brought back to its own."""
        worked = at_side(content, side)
        by_strips = hasattr(self.engine, "net")  # which needs the layers of the network one by one
        rows = rows_at_a_time(self.engine.device, self.channels, worked.size, tile, by_strips)
        worked = grained(worked, noise)
        if rows is not None:
            net = network_of(self.engine, "a picture by strips, as --tile asks for,")
            from zoo.models.fast_style.strips import stylize_by_strips  # which needs torch

            result = stylize_by_strips(net, worked, weights, rows, progress)
        else:
            (y,) = self.engine(to_floats(worked)[None], weights[None])
            if progress is not None:
                progress(1, 1)
            result = Image.fromarray(to_pixels(y[0]))
        if result.size == content.size:
            return result
        return result.resize(content.size, Image.Resampling.LANCZOS)


def checked_side(size: int | Literal["original"]) -> int | None:
    """The longer side at which pictures are painted; None: their own."""
    if size == "original":
        return None
    check_count("size", size, 'must be a number of pixels from 1 on, or "original"')
    return int(size)


def check_grain(grain: float) -> float:
    if isinstance(grain, bool) or not isinstance(grain, (int, float, np.number)) or not 0 <= grain <= 1:
        raise ZooError(f"grain must be a number from 0 to 1, not {grain!r:.60}")
    return float(grain)


def at_side(picture: Image.Image, side: int | None) -> Image.Image:
    """A picture resized to a longer side in pixels; small pictures are enlarged at most twofold."""
    longer = max(picture.size)
    factor = 1.0 if side is None else min(side / longer, MOST_ENLARGED)
    if factor == 1:
        return picture
    width, height = (max(1, round(factor * each)) for each in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
