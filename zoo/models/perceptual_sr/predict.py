"""From any picture to a picture several times as large: tile by tile, in bounded memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from zoo.base import memory
from zoo.base.bounds import Count, Interval, check_count
from zoo.base.errors import ZooError
from zoo.base.memory import running_out
from zoo.engines import Engine, Shapes
from zoo.models.perceptual_sr.finish import complete, is_grey, spread_colors
from zoo.models.perceptual_sr.result import Upscaled
from zoo.pictures.images import Picture, naming, one_or_many, to_floats, to_picture, to_pixels
from zoo.pictures.tiling import Window, tiles, within

# Bytes for one tile: its halo then costs a third of the time. Twice as much took half as long again: feature maps then
# have 32 MiB and more, and glibc gives such blocks back to the system and has to allocate them again each time.
BUDGET = 256 * 2**20
MIN_TILE = 16  # pixels: a smaller tile would be nearly all halo
BEYOND = 2  # pixels around a tile that matter where its result is reduced
LARGE = 50_000_000  # pixels from which on the user has to confirm
PATCH = 96  # side in pixels of the patch from which the time is estimated
Size: TypeAlias = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class Options:
    """How a picture is enlarged: see :meth:`Upscaler.predict`."""

    scale: int
    side: int = 0  # largest longer side of the result, in pixels; 0: any
    tile: int | Literal["auto"] | None = "auto"
    self_ensemble: bool = False
    match_histogram: bool = False
    progress: Callable[[int, int], None] | None = None
    grey: bool = False  # whether the result has no colours


@dataclass(frozen=True)
class Upscaler:
    """Enlarges pictures by an engine that gives ``(B, 3, sH, sW)``.

    Args:
        engine: computes the network.
        reach: the radius of the network's receptive field, in pixels of the input.
        bytes_a_pixel: bytes of memory that the network takes per pixel of the input.
        scale: factor s of width and height.
    """

    engine: Engine
    reach: Annotated[int, Interval(ge=0, le=1024)]
    bytes_a_pixel: Annotated[int, Interval(ge=1, le=2**24)]
    scale: Annotated[int, Interval(ge=2, le=4)] = 4

    def shapes(self, batch: int, height: int, width: int) -> Shapes:
        """Shapes of the engine's input and output."""
        return (batch, 3, height, width), (batch, 3, self.scale * height, self.scale * width)

    def predict(
        self,
        picture: Picture | Sequence[Picture],
        *,
        scale: Count | None = None,
        max_side: Count | None = None,
        self_ensemble: bool = False,
        match_histogram: bool = False,
        tile: Count | Literal["auto"] | None = "auto",
        yes: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Enlarges a picture of any size: an :class:`Upscaled`, or a list of them for a list or a batch.

        Grey pictures stay grey, also those stored in colour. Transparency is kept, enlarged by bicubic interpolation.

        Args:
            picture: path, PIL picture, uint8 array ``(H, W, 3)`` or ``(H, W)``, or tensor ``(3, H, W)``; a list of
                these, or a tensor ``(B, 3, H, W)``, gives a list.
            scale: factor of width and height, from 2 to the network's own, which is the default; a smaller factor
                reduces the network's result
            max_side: largest longer side of the result in pixels
            self_ensemble: average the results of the eight symmetries of the picture: more PSNR, eight times as long
            match_histogram: match the histogram of each channel of the result to the picture's, the paper's
                post-processing
            tile: tile size in pixels of the picture, which does not change the result; "auto" takes a size that fits
                into memory, None the whole picture
            yes: also enlarge pictures of 50 megapixels and more
            progress: called after each tile with the number of finished tiles and their total.

        Raises:
            ZooError: a picture cannot be read, the scale, side or tile is impossible, there is too little memory, or a
                picture has 50 megapixels or more without ``yes``.
        """
        options = self._options(scale, max_side, tile, self_ensemble, match_histogram, progress)

        def upscale(one: Picture) -> Upscaled:
            with naming(one):
                with running_out("memory ran out when the picture was converted; cut it into parts"):
                    source, notes = to_picture(one)
                if not source.width or not source.height:
                    raise ZooError(f"the picture is empty ({source.width}x{source.height})")
                fitted = self._fitted(source.size, options)
                if source.width * source.height >= LARGE and not yes:
                    raise ZooError(self._expected(source.size, fitted))
                return Upscaled(self._upscale(source, fitted), source, notes)

        return one_or_many(picture, partial(map, upscale))

    def predict_frame(
        self,
        frame: np.ndarray,
        *,
        scale: Count | None = None,
        max_side: Count | None = None,
        self_ensemble: bool = False,
        match_histogram: bool = False,
        tile: Count | Literal["auto"] | None = "auto",
    ) -> np.ndarray:
        """Enlarges a frame of a video, ``(H, W, 3)`` uint8, by itself; see :meth:`predict`, also for what it raises."""
        options, source = self._options(scale, max_side, tile, self_ensemble, match_histogram), Image.fromarray(frame)
        return np.asarray(self._upscale(source, self._fitted(source.size, options)).convert("RGB"))

    def _options(
        self,
        scale: int | None,
        max_side: int | None,
        tile: int | Literal["auto"] | None,
        self_ensemble: bool,
        match_histogram: bool,
        progress: Callable[[int, int], None] | None = None,
    ) -> Options:
        """The checked options."""
        if tile not in ("auto", None):
            check_count("tile", tile, 'must be a number of pixels from 1 on, "auto" or None')
        if scale is not None:
            wanted = f"must be 2 to {self.scale}, the factor of these weights" if self.scale > 2 else "must be 2 here"
            check_count("scale", scale, wanted, least=2, most=self.scale)
        if max_side is not None:
            check_count("max_side", max_side, "must be a number of pixels from 1 on")
        return Options(int(scale or self.scale), int(max_side or 0), tile, self_ensemble, match_histogram, progress)

    def _fitted(self, size: Size, options: Options) -> Options:
        """The options with the smallest factor that gives the wanted longer side."""
        if not options.side:
            return options
        if options.side <= max(size):
            raise ZooError(f"the picture is {size[0]}x{size[1]} already; max_side must be more than {max(size)}")
        enough = min(options.scale, max(2, math.ceil(options.side / max(size))))
        return replace(options, scale=enough, side=0 if enough * max(size) <= options.side else options.side)

    def _expected(self, size: Size, options: Options) -> str:
        """A message that says how much time and memory a large picture takes."""
        patch = np.zeros((1, 3, PATCH, PATCH), np.float32)
        self.engine(patch)  # the first call takes longer
        start = time.perf_counter()
        self.engine(patch)
        seconds = (time.perf_counter() - start) * size[0] * size[1] / PATCH**2 * (8 if options.self_ensemble else 1)
        factor = options.side / max(size) if options.side else options.scale
        width, height = (max(1, round(factor * side)) for side in size)
        return (
            f"{size[0]}x{size[1]} pixels become {width}x{height}, in about {max(1, round(seconds / 60))} min and "
            f"{4 * width * height / 1e9:.1f} GB of memory; confirm with --yes or yes=True"
        )

    def _upscale(self, source: Image.Image, options: Options) -> Image.Image:
        copies = 1 if not options.side else 4 if source.mode.endswith("A") else 2  # in memory while it is reduced
        side = self.tile_side(source, options.tile, options.scale, copies)
        size = (options.scale * source.width, options.scale * source.height)
        too_large = f"memory ran out for a result of {size[0]}x{size[1]} pixels; cut the picture into parts"
        with running_out(too_large):
            colors = spread_colors(source) if source.mode.endswith("A") else source
            enlarged = Image.new(source.mode, size)
        smaller = min(side, max(source.size)) // 2
        way_out = f"give smaller tiles, by --tile {smaller} or tile={smaller}" if smaller else "free some memory"
        with running_out(f"memory ran out with tiles of {side} pixels; {way_out}"):
            self._enlarge(colors, enlarged, side, replace(options, grey=is_grey(colors)))
        with running_out(too_large):
            if options.side:
                factor = options.side / max(size)
                enlarged = enlarged.resize([max(1, round(factor * s)) for s in size], Image.Resampling.BICUBIC)
            complete(enlarged, source, options.match_histogram)
        return enlarged

    def tile_side(
        self, source: Image.Image, tile: int | Literal["auto"] | None, scale: int | None = None, copies: int = 1
    ) -> int:
        """The tile size, in pixels of the source, that fits into memory beside the result.

        Args:
            source: picture to enlarge.
            tile: tile size; "auto": a size that fits; None: the whole picture.
            scale: factor of the result; None: the network's own.
            copies: copies of the result that are in memory at a time.

        Raises:
            ZooError: there is too little memory.
        """
        scale = scale or self.scale
        device, result = self.engine.device, copies * result_bytes(source, scale)
        task = f"{source.width}x{source.height} pixels x{scale}"
        least = self.part_bytes(source.size, MIN_TILE)
        memory.refuse_beyond(f"{task}:", [(result, "cpu"), (least, device)], "cut the picture into parts")
        budget = min(BUDGET, (memory.free_bytes(device) - (result if device == "cpu" else 0)) / 2)
        fitting = whole = max(source.size)
        if self.part_bytes(source.size, whole) > budget:
            fitting = max(math.isqrt(int(budget) // self.part_bytes((1, 1), 1)) - 2 * self.halo, MIN_TILE)
        side = fitting if tile == "auto" else int(tile or whole)
        way_out = f"give smaller tiles, by --tile {fitting} or tile={fitting}"
        need = self.part_bytes(source.size, side)
        memory.refuse_beyond(f"{task}, with tiles of {side}:", [(result, "cpu"), (need, device)], way_out)
        return side

    @property
    def halo(self) -> int:
        """Pixels around a tile that influence its result: through the network, and through reducing it."""
        return self.reach + BEYOND

    def part_bytes(self, size: Size, side: int) -> int:
        """Bytes of memory of a tile with its halo, for a picture of this width and height."""
        width, height = (min(side + 2 * self.halo, whole) for whole in size)
        return width * height * max(self.bytes_a_pixel, 4 * 3 * self.scale**2)  # as floats the result alone takes that

    def _enlarge(self, source: Image.Image, enlarged: Image.Image, side: int, options: Options) -> None:
        """Fills the enlarged picture tile by tile; nothing else here grows with its size."""
        parts = list(tiles(source.height, source.width, side + 2 * self.halo, self.halo))
        for done, (seen, kept) in enumerate(parts, 1):
            _, rows, columns = seen
            part = to_floats(source.crop((columns.start, rows.start, columns.stop, rows.stop)))
            pixels = to_pixels(self._ensemble(part) if options.self_ensemble else self._once(part))
            made = self._part(pixels, kept, seen, options.scale).convert("L" if options.grey else enlarged.mode)
            enlarged.paste(made, (options.scale * kept[2].start, options.scale * kept[1].start))
            if options.progress is not None:
                options.progress(done, len(parts))

    def _once(self, part: np.ndarray) -> np.ndarray:
        """One call of the network: ``(3, H, W)`` -> ``(3, sH, sW)``, float."""
        (y,) = self.engine(part[None])
        return np.asarray(y[0])

    def _ensemble(self, part: np.ndarray) -> np.ndarray:
        """The mean of the network's results for the tile rotated and mirrored, each transformed back."""
        total = np.zeros((3, *(self.scale * side for side in part.shape[1:])), np.float32)
        for turns in range(4):
            turned = np.rot90(part, turns, (1, 2))
            total += np.rot90(self._once(np.ascontiguousarray(turned)), -turns, (1, 2))
            mirrored = np.ascontiguousarray(turned[..., ::-1])
            total += np.rot90(self._once(mirrored)[..., ::-1], -turns, (1, 2))
        return total / 8

    def _part(self, pixels: np.ndarray, kept: Window, seen: Window, scale: int) -> Image.Image:
        """The kept window of an enlarged tile ``(sH, sW, 3)``, at a scale of at most s."""
        _, rows, columns = within(kept, seen)
        inner = (columns.start, rows.start, columns.stop, rows.stop)
        if scale == self.scale:
            return Image.fromarray(pixels[within(kept, seen, scale)[1:]])
        height, width = (side // self.scale for side in pixels.shape[:2])
        outer = [max(0, inner[0] - BEYOND), max(0, inner[1] - BEYOND)]
        outer += [min(width, inner[2] + BEYOND), min(height, inner[3] + BEYOND)]
        left, top, right, bottom = (self.scale * edge for edge in outer)
        cut = Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right]))
        size = scale * (outer[2] - outer[0]), scale * (outer[3] - outer[1])
        box = [scale * (edge - start) for edge, start in zip(inner, outer[:2] * 2, strict=True)]
        return cut.resize(size, Image.Resampling.BICUBIC).crop(box)  # type: ignore[arg-type]


def result_bytes(source: Image.Image, scale: int) -> int:
    """Bytes of the enlarged picture: Pillow holds a pixel of mode L in one byte, others in four."""
    bytes_ = {"L": 1, "RGB": 4}.get(source.mode, 4 + 1)  # transparency is enlarged by itself
    return source.width * source.height * scale**2 * bytes_
