"""A picture in a style: the input, last step and result of both kinds of style transfer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.base.errors import ZooError
from zoo.pictures.images import Picture, on_white, to_floats, to_picture, to_pixels
from zoo.pictures.results import PictureResult
from zoo.pictures.sheets import contact_sheet

SHOWN_SIDE = 640  # pixels of the longer side of each picture of a comparison
STRIP = 256  # rows of a picture that are mixed at once
LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # weights of R, G and B: Y of YIQ and of ITU-R BT.601


@dataclass(frozen=True, eq=False)
class Stylized(PictureResult):
    """A picture in a style.

    Args:
        picture: the result, RGB, or RGBA if the content is transparent.
        content: the original, of the same size and mode.
        notes: notes to the user, such as "16 bits a channel became 8".
    """

    picture: Image.Image
    content: Image.Image = field(repr=False)
    notes: tuple[str, ...] = ()

    def compare(self) -> Image.Image:
        """The content beside the picture, transparent parts on white."""
        factor = SHOWN_SIDE / max(self.size)
        width, height = (max(1, round(factor * side)) for side in self.size)
        kind = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BICUBIC  # small ones: pixels as squares
        cells = [np.asarray(on_white(one.resize((width, height), kind))) for one in (self.content, self.picture)]
        return contact_sheet([cells], ("content", "result"), width=width)

    def save(self, destination: str | Path) -> list[Path]:
        """Writes ``DESTINATION_styled.png`` and ``_compare.png``, or one file in the format of the suffix.

        Args:
            destination: beginning of the files' names, such as ``out/street``, or a file such as ``street.jpg``.
        """
        return self._save(destination, "styled")


def as_content(picture: Picture) -> tuple[Image.Image, Image.Image | None, tuple[str, ...]]:
    """Makes a picture of any kind ready for a network.

    Args:
        picture: what :func:`to_picture` takes.

    Returns:
        Its colours (RGB, white where it is fully transparent), its transparency (L) if it has any, and notes on what
        was lost.
    """
    source, notes = to_picture(picture)
    if not source.width or not source.height:
        raise ZooError(f"the picture is empty ({source.width}x{source.height})")
    colors = source.convert("RGB")
    if source.mode.startswith("L"):
        colors.info.pop("icc_profile", None)  # for grey
    if not source.mode.endswith("A"):
        return colors, None, notes
    alpha = source.getchannel("A")
    colors.paste("white", mask=alpha.point([255] + 255 * [0]))
    return colors, alpha, notes


def check_strength(strength: Any) -> None:
    if isinstance(strength, bool) or not isinstance(strength, (int, float, np.number)) or not 0 <= strength <= 1:
        raise ZooError(f"strength must be between 0 (original) and 1 (fully styled), not {strength!r}")


def finish(
    picture: np.ndarray | Image.Image,
    content: Image.Image,
    alpha: Image.Image | None = None,
    *,
    strength: float = 1.0,
    preserve_color: bool = False,
    mask: Image.Image | None = None,
    notes: tuple[str, ...] = (),
) -> Stylized:
    """Makes a result from the output of a network or an optimiser.

    Args:
        picture: ``(3, H, W)`` in about 0..1, clipped here, or RGB.
        content: RGB; resized to the picture if the sizes differ.
        alpha: transparency of the content, which the result gets.
        strength: fraction of the result in the mix with the content, from 0 (content) to 1 (result).
        preserve_color: see :func:`mix`.
        mask: grey levels (L) of the result's size: 255 where the result is taken, 0 where the content stays.
        notes: see :class:`Stylized`.
    """
    check_strength(strength)
    result = picture if isinstance(picture, Image.Image) else Image.fromarray(to_pixels(picture))
    if content.size != result.size:
        info = content.info
        content = content.resize(result.size, Image.Resampling.BICUBIC, reducing_gap=3.0)
        content.info = info
    if strength < 1 or preserve_color:
        result = result.copy() if result is picture else result
        for top in range(0, result.height, STRIP):  # as floats the whole would be large
            box = (0, top, result.width, min(top + STRIP, result.height))
            own, original = (to_floats(one.crop(box)) for one in (result, content))
            mixed = mix(own, original, strength=strength, preserve_color=preserve_color)
            result.paste(Image.fromarray(to_pixels(mixed)), box)
    if mask is not None:
        result = Image.composite(result, content, mask)
    if "icc_profile" in content.info:
        result.info["icc_profile"] = content.info["icc_profile"]
    if alpha is not None:
        alpha = alpha if alpha.size == result.size else alpha.resize(result.size, Image.Resampling.BICUBIC)
        content = content.copy()
        for image in (result, content):
            image.putalpha(alpha)
    return Stylized(result, content, notes)


def mix(result: np.ndarray, content: np.ndarray, *, strength: float = 1.0, preserve_color: bool = False) -> np.ndarray:
    """Mixes pictures ``(3, H, W)`` float32 in 0..1.

    Args:
        result: picture in the style.
        content: the original.
        strength: fraction of the result.
        preserve_color: whether to take only luminance from the result, and colours from the content: the luminance-only
            transfer of Gatys et al., 2016 (https://arxiv.org/abs/1606.05897), in YIQ.
    """
    if preserve_color:
        change = np.tensordot(LUMA, result - content, 1)  # I and Q stay where R, G and B change alike
        result = (content + change).clip(0, 1)
    return content + np.float32(strength) * (result - content)
