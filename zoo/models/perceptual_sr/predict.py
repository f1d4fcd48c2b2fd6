"""From what people have to a picture four times as large: part by part, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from PIL import Image

from zoo.errors import ZooError
from zoo.images import Picture, to_array, to_picture, to_tensor
from zoo.models.perceptual_sr.result import SCALE, Upscaled

if TYPE_CHECKING:
    from zoo.models.perceptual_sr.net import PerceptualSR

__all__ = ["Upscaled", "match_histogram", "upscale"]

STRIP = 256  # rows of a picture that are changed at once
Box = tuple[int, int, int, int]  # left, top, right, bottom


@torch.inference_mode()
def upscale(
    net: PerceptualSR,
    picture: Picture,
    *,
    match_histogram: bool = False,
    tile: int | Literal["auto"] | None = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Upscaled:
    """Enlarges one picture; see :meth:`PerceptualSR.predict`."""
    source, notes = to_picture(picture)
    side = 256 if tile == "auto" else tile or max(source.size)
    enlarged = Image.new(source.mode, (SCALE * source.width, SCALE * source.height))
    boxes = [
        (x, y, min(x + side, source.width), min(y + side, source.height))
        for y in range(0, source.height, side)
        for x in range(0, source.width, side)
    ]
    for done, box in enumerate(boxes, 1):
        enlarged.paste(_enlarge(net, source, box), (SCALE * box[0], SCALE * box[1]))
        if progress is not None:
            progress(done, len(boxes))
    if match_histogram:
        _match_histogram(enlarged, source)
    return Upscaled(enlarged, source, notes)


def _enlarge(net: PerceptualSR, source: Image.Image, box: Box) -> Image.Image:
    """A part of the enlarged picture, as if the network had seen the whole."""
    left, top = (max(edge - net.reach, 0) for edge in box[:2])
    right, bottom = (min(edge + net.reach, side) for edge, side in zip(box[2:], source.size, strict=True))
    like = next(net.parameters())
    x = to_tensor(source.crop((left, top, right, bottom)))[None]
    y = net(x.to(like.device, like.dtype, memory_format=torch.channels_last))[0]
    rows, columns = (slice(SCALE * (box[i] - edge), SCALE * (box[i + 2] - edge)) for i, edge in ((1, top), (0, left)))
    part = Image.fromarray(to_array(y[:, rows, columns])).convert(source.mode[:-1] if "A" in source.mode else source.mode)
    if "A" in source.mode:
        part.putalpha(source.getchannel("A").resize(part.size, Image.Resampling.BICUBIC, box))
    return part


def _match_histogram(picture: Image.Image, reference: Image.Image) -> None:
    np.zeros(0)
