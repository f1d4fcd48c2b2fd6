"""From what people have to a picture four times as large: part by part, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image

from zoo.base import memory
from zoo.base.bounds import Count, Interval, check_count
from zoo.base.errors import ZooError
from zoo.base.memory import running_out
from zoo.data.low_resolution import SCALE
from zoo.engines import Engine, Shapes
from zoo.models.perceptual_sr.result import Upscaled
from zoo.pictures.images import Picture, naming, one_or_many, to_floats, to_picture, to_pixels
from zoo.pictures.tiling import tiles, within

STRIP = 256  # rows of a picture that are changed at once
BUDGET = 512 * 2**20  # bytes for one part; its surroundings then cost a third or less of the time
SMALLEST = 16  # pixels of a part: below that it is nearly all surroundings


@dataclass(frozen=True)
class Upscaler:
    """Enlarges pictures by an engine that gives ``(B, 3, 4H, 4W)``.

    Args:
        engine: computes the network.
        reach: the radius of the network's receptive field, in pixels of the input.
        bytes_a_pixel: of memory that the network takes, by pixels of the input.
    """

    engine: Engine
    reach: Annotated[int, Interval(ge=0, le=1024)]
    bytes_a_pixel: Annotated[int, Interval(ge=4 * 3 * SCALE**2, le=2**24)]  # as floats the result alone takes the least

    def shapes(self, batch: int, height: int, width: int) -> Shapes:
        """What the engine takes and gives."""
        return (batch, 3, height, width), (batch, 3, SCALE * height, SCALE * width)

    def predict(
        self,
        picture: Picture | Sequence[Picture],
        *,
        match_histogram: bool = False,
        tile: Count | Literal["auto"] | None = "auto",
        progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Enlarges a picture of any size four times: an :class:`Upscaled`, or a list of them for a list or a batch.

        Grey pictures stay grey, and transparency is kept, enlarged by bicubic interpolation.

        Args:
            picture: path, PIL picture, uint8 array ``(H, W, 3)`` or ``(H, W)``, or tensor ``(3, H, W)``; a list of
                these, or a tensor ``(B, 3, H, W)``, gives a list.
            match_histogram: give each channel of the result the distribution of values that it has in the picture,
                the paper's post-processing
            tile: side of a tile in pixels of the picture; the result is that of the whole picture. "auto" takes what
                fits into memory, None the whole
            progress: called after each part with how many are done, and of how many.

        Raises:
            ZooError: a picture that cannot be read, no such tile, or too little memory.
        """

        def upscale(one: Picture) -> Upscaled:
            with naming(one):
                with running_out("memory ran out when it was converted; cut the picture into parts"):
                    source, notes = to_picture(one)
                if not source.width or not source.height:
                    raise ZooError(f"the picture is empty ({source.width}x{source.height})")
                return Upscaled(self._upscale(source, match_histogram, tile, progress), source, notes)

        return one_or_many(picture, lambda many: [upscale(one) for one in many])

    def _upscale(
        self,
        source: Image.Image,
        match_histogram: bool,
        tile: int | Literal["auto"] | None,
        progress: Callable[[int, int], None] | None,
    ) -> Image.Image:
        side = self.tile_side(source, tile)
        size = (SCALE * source.width, SCALE * source.height)
        too_large = f"memory ran out for a result of {size[0]}x{size[1]} pixels; cut the picture into parts"
        with running_out(too_large):
            colors = _spread_colors(source) if source.mode.endswith("A") else source
            enlarged = Image.new(source.mode, size)
        smaller = min(side, max(source.size)) // 2
        way_out = f"give smaller ones, by --tile {smaller} or tile={smaller}" if smaller else "free some memory"
        with running_out(f"memory ran out by parts of {side} pixels; {way_out}"):
            self._enlarge(colors, enlarged, side, progress)
        with running_out(too_large):
            _complete(enlarged, source, match_histogram)
        return enlarged

    def tile_side(self, source: Image.Image, tile: int | Literal["auto"] | None) -> int:
        """The side of parts, in pixels of the source, that fit into memory beside the result.

        Args:
            source: what is enlarged.
            tile: the side; "auto": what fits; None: the whole picture.

        Raises:
            ZooError: no such tile, or too little memory.
        """
        if tile not in ("auto", None):
            check_count("tile", tile, 'is a number of pixels from 1 on, "auto" or None')
        device, result = self.engine.device, result_bytes(source)
        task = f"{source.width}x{source.height} pixels x{SCALE}"
        least = self.part_bytes(source.size, SMALLEST)
        memory.refuse_beyond(f"{task}:", [(result, "cpu"), (least, device)], "cut the picture into parts")
        budget = min(BUDGET, (memory.free_bytes(device) - (result if device == "cpu" else 0)) / 2)
        fitting = whole = max(source.size)
        if self.part_bytes(source.size, whole) > budget:
            fitting = max(math.isqrt(int(budget) // self.bytes_a_pixel) - 2 * self.reach, SMALLEST)
        side = fitting if tile == "auto" else int(tile or whole)
        way_out = f"give smaller parts, by --tile {fitting} or tile={fitting}"
        need = self.part_bytes(source.size, side)
        memory.refuse_beyond(f"{task}, by parts of {side}:", [(result, "cpu"), (need, device)], way_out)
        return side

    def part_bytes(self, size: tuple[int, int], side: int) -> int:
        """Memory of a part with its surroundings, of a picture of this width and height."""
        width, height = (min(side + 2 * self.reach, whole) for whole in size)
        return width * height * self.bytes_a_pixel

    def _enlarge(
        self, source: Image.Image, enlarged: Image.Image, side: int, progress: Callable[[int, int], None] | None
    ) -> None:
        """Fills the enlarged picture, which is the only thing here that grows with its size."""
        parts = list(tiles(source.height, source.width, side + 2 * self.reach, self.reach))
        for done, (seen, kept) in enumerate(parts, 1):
            _, rows, columns = seen
            part = source.crop((columns.start, rows.start, columns.stop, rows.stop))
            (y,) = self.engine(to_floats(part)[None])
            made = Image.fromarray(to_pixels(y[0][within(kept, seen, SCALE)])).convert(enlarged.mode)
            enlarged.paste(made, (SCALE * kept[2].start, SCALE * kept[1].start))
            if progress is not None:
                progress(done, len(parts))


def result_bytes(source: Image.Image) -> int:
    """What the enlarged picture takes: Pillow holds a pixel in one byte where it is L, else in four."""
    bytes_ = {"L": 1, "RGB": 4}.get(source.mode, 4 + 1)  # transparency is enlarged by itself
    return source.width * source.height * SCALE**2 * bytes_


def _complete(enlarged: Image.Image, source: Image.Image, match_histogram: bool) -> None:
    """Gives the enlarged colours what else the source has: transparency, distribution of values, profile."""
    if source.mode.endswith("A"):
        enlarged.putalpha(source.getchannel("A").resize(enlarged.size, Image.Resampling.BICUBIC))
    if match_histogram:
        _match_histogram(enlarged, source)
    if "icc_profile" in source.info:
        enlarged.info["icc_profile"] = source.info["icc_profile"]


def _spread_colors(picture: Image.Image) -> Image.Image:
    """The colours of a transparent picture, L or RGB; where nothing is seen, those of what is seen nearby.

    What is stored there, mostly black, would darken the edges. What is nearby is told by the picture at half the size,
    whose gaps are filled in the same way (push and pull, Gortler et al., 1996, https://doi.org/10.1145/237170.237200).
    """
    colors = picture.convert(picture.mode[:-1])
    seen = picture.getchannel("A").point([0] + 255 * [255])
    if seen.getextrema() != (0, 255):
        return colors
    gaps = colors.copy()
    gaps.putalpha(seen)
    half = _spread_colors(gaps.reduce(2))  # Pillow weights colours by their alpha
    box = (0, 0, picture.width / 2, picture.height / 2)
    spread = half.resize(picture.size, Image.Resampling.BILINEAR, box)
    spread.paste(colors, mask=seen)
    return spread


def _match_histogram(picture: Image.Image, reference: Image.Image) -> None:
    """Gives each channel but transparency, in place, the distribution of values that it has in the reference.

    Pixels that are wholly transparent do not count.
    A value becomes that of the reference with the same quantile, interpolated and rounded down, as
    ``skimage.exposure.match_histograms`` does it.
    """
    channels = picture.getbands()
    own, wanted = (_histograms(image) for image in (picture, reference))
    if not (own.any() and wanted.any()):
        return
    tables: list[int] = []
    for channel, counts, reference_counts in zip(channels, own, wanted, strict=True):
        values = np.flatnonzero(reference_counts)
        quantiles = counts.cumsum() / counts.sum()
        reference_quantiles = reference_counts[values].cumsum() / reference_counts.sum()
        matched = np.interp(quantiles, reference_quantiles, values).astype(int)
        tables += list(range(256)) if channel == "A" else matched.tolist()
    for top in range(0, picture.height, STRIP):  # a table makes a copy
        box = (0, top, picture.width, min(top + STRIP, picture.height))
        picture.paste(picture.crop(box).point(tables), box)


def _histograms(picture: Image.Image) -> np.ndarray:
    """Counts of the values of each channel, ``(C, 256)``, without pixels that are wholly transparent."""
    mask = picture.getchannel("A") if picture.mode.endswith("A") else None
    return np.reshape(picture.histogram(mask), (-1, 256))
