"""From what people have to a picture four times as large: part by part, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from PIL import Image

from zoo.data.low_resolution import SCALE
from zoo.errors import ZooError
from zoo.images import Picture, to_array, to_picture, to_tensor
from zoo.models.perceptual_sr.memory import ran_out, tile_side
from zoo.models.perceptual_sr.result import Upscaled

if TYPE_CHECKING:
    from zoo.models.perceptual_sr.net import PerceptualSR

__all__ = ["Upscaled", "upscale"]

STRIP = 256  # rows of a picture that are changed at once
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom


def upscale(
    net: PerceptualSR,
    picture: Picture,
    *,
    match_histogram: bool = False,
    tile: int | Literal["auto"] | None = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Upscaled:
    """Enlarges one picture; see :meth:`PerceptualSR.predict`.

    Args:
        net: in eval mode.
    """
    source, notes = to_picture(picture)
    name = f"{picture}: " if isinstance(picture, (str, Path)) else ""
    if not source.width or not source.height:
        raise ZooError(f"a picture has pixels, this one is {source.width}x{source.height}")
    try:
        side = tile_side(net, source, tile)
    except ZooError as error:
        raise ZooError(f"{name}{error}") from None
    try:
        enlarged = _enlarge(net, source, side, progress)
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        smaller = max(min(side, max(source.size)) // 2, 1)
        raise ZooError(
            f"{name}memory ran out by parts of {side} pixels; give smaller ones, by --tile {smaller} or tile={smaller}"
        ) from error
    if match_histogram:
        _match_histogram(enlarged, source)
    return Upscaled(enlarged, source, notes)


@torch.inference_mode()
def _enlarge(
    net: PerceptualSR, source: Image.Image, side: int, progress: Callable[[int, int], None] | None
) -> Image.Image:
    """The enlarged picture, which is the only thing here that grows with its size."""
    enlarged = Image.new(source.mode, (SCALE * source.width, SCALE * source.height))
    if "icc_profile" in source.info:
        enlarged.info["icc_profile"] = source.info["icc_profile"]
    boxes = [
        (x, y, min(x + side, source.width), min(y + side, source.height))
        for y in range(0, source.height, side)
        for x in range(0, source.width, side)
    ]
    for done, box in enumerate(boxes, 1):
        enlarged.paste(_part(net, source, box).convert(source.mode), (SCALE * box[0], SCALE * box[1]))
        if progress is not None:
            progress(done, len(boxes))
    if source.mode.endswith("A"):
        enlarged.putalpha(source.getchannel("A").resize(enlarged.size, Image.Resampling.BICUBIC))
    return enlarged


def _part(net: PerceptualSR, source: Image.Image, box: Box) -> Image.Image:
    """What becomes of the pixels in a box, in RGB: the network sees all around them that reaches them."""
    left, top = (max(edge - net.reach, 0) for edge in box[:2])
    right, bottom = (min(edge + net.reach, side) for edge, side in zip(box[2:], source.size, strict=True))
    x = to_tensor(source.crop((left, top, right, bottom)))[None]
    like = next(net.parameters())
    y = net(x.to(like.device, like.dtype, memory_format=torch.channels_last))[0]
    rows = slice(SCALE * (box[1] - top), SCALE * (box[3] - top))
    columns = slice(SCALE * (box[0] - left), SCALE * (box[2] - left))
    return Image.fromarray(to_array(y[:, rows, columns]))


def _match_histogram(picture: Image.Image, reference: Image.Image) -> None:
    """Gives each channel but transparency, in place, the distribution of values that it has in the reference.

    A value becomes that of the reference with the same quantile, interpolated and rounded down, as
    ``skimage.exposure.match_histograms`` does it.
    """
    channels = picture.getbands()
    own, wanted = (np.reshape(image.histogram(), (-1, 256)) for image in (picture, reference))
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
