"""From what people have to a picture in the style that a network has learnt, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.memory import running_out
from zoo.models.fast_style.memory import rows_at_a_time
from zoo.models.fast_style.net import FastStyle
from zoo.models.fast_style.strips import stylize_by_strips
from zoo.pictures.images import Picture, to_array, to_tensor
from zoo.pictures.stylized import Stylized, as_content, check_strength, finish


def stylize(
    net: FastStyle,
    picture: Picture,
    *,
    strength: float = 1.0,
    preserve_color: bool = False,
    tile: int | Literal["auto"] | None = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Stylized:
    """Styles one picture; see :meth:`FastStyle.predict`.

    Args:
        net: in eval mode.
    """
    check_strength(strength)
    name = f"{picture}: " if isinstance(picture, (str, Path)) else ""
    with running_out(f"{name}memory ran out; make the picture smaller"):
        content, alpha, notes = as_content(picture)
        try:
            result = restyle(net, content, tile, progress)
        except ZooError as error:
            raise ZooError(f"{name}{error}") from None
        return finish(result, content, alpha, strength=strength, preserve_color=preserve_color, notes=notes)


def stylize_frame(
    net: FastStyle,
    frame: np.ndarray,
    *,
    strength: float = 1.0,
    preserve_color: bool = False,
    tile: int | Literal["auto"] | None = "auto",
) -> np.ndarray:
    """Styles one frame of a video, ``(H, W, 3)`` uint8, by itself; see :meth:`FastStyle.predict_frame`."""
    content = Image.fromarray(frame)
    with running_out(f"memory ran out for frames of {content.width}x{content.height} pixels"):
        result = restyle(net, content, tile)
        return np.asarray(finish(result, content, strength=strength, preserve_color=preserve_color))


@torch.inference_mode()
def restyle(
    net: FastStyle,
    content: Image.Image,
    tile: int | Literal["auto"] | None = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Image.Image:
    """What the network makes of an RGB picture: whole, or by strips where that is too large."""
    rows = rows_at_a_time(net, content.size, tile)
    if rows is not None:
        return stylize_by_strips(net, content, rows, progress)
    like = next(net.parameters())
    x = to_tensor(content)[None].to(like.device, like.dtype, memory_format=torch.channels_last)
    result = Image.fromarray(to_array(net(x)[0]))
    if progress is not None:
        progress(1, 1)
    return result
