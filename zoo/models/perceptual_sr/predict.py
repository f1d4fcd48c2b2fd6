"""From what people have to a picture four times as large: part by part, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.memory import running_out
from zoo.data.low_resolution import SCALE
from zoo.models.perceptual_sr.memory import tile_side
from zoo.models.perceptual_sr.result import Upscaled
from zoo.pictures.images import Picture, to_array, to_picture, to_tensor

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
    name = f"{picture}: " if isinstance(picture, (str, Path)) else ""
    with running_out(f"{name}memory ran out when it was converted; cut the picture into parts"):
        source, notes = to_picture(picture)
    if not source.width or not source.height:
        raise ZooError(f"a picture has pixels, this one is {source.width}x{source.height}")
    try:
        side = tile_side(net, source, tile)
    except ZooError as error:
        raise ZooError(f"{name}{error}") from None
    size = (SCALE * source.width, SCALE * source.height)
    too_large = f"{name}memory ran out for a result of {size[0]}x{size[1]} pixels; cut the picture into parts"
    with running_out(too_large):
        colors = _spread_colors(source) if source.mode.endswith("A") else source
        enlarged = Image.new(source.mode, size)
    smaller = max(min(side, max(source.size)) // 2, 1)
    with running_out(
        f"{name}memory ran out by parts of {side} pixels; give smaller ones, by --tile {smaller} or tile={smaller}"
    ):
        _enlarge(net, colors, enlarged, side, progress)
    with running_out(too_large):
        if source.mode.endswith("A"):
            enlarged.putalpha(source.getchannel("A").resize(size, Image.Resampling.BICUBIC))
        if match_histogram:
            _match_histogram(enlarged, source)
    if "icc_profile" in source.info:
        enlarged.info["icc_profile"] = source.info["icc_profile"]
    return Upscaled(enlarged, source, notes)


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


@torch.inference_mode()
def _enlarge(
    net: PerceptualSR,
    source: Image.Image,
    enlarged: Image.Image,
    side: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Fills the enlarged picture, which is the only thing here that grows with its size."""
    boxes = [
        (x, y, min(x + side, source.width), min(y + side, source.height))
        for y in range(0, source.height, side)
        for x in range(0, source.width, side)
    ]
    for done, box in enumerate(boxes, 1):
        enlarged.paste(_part(net, source, box).convert(enlarged.mode), (SCALE * box[0], SCALE * box[1]))
        if progress is not None:
            progress(done, len(boxes))


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
