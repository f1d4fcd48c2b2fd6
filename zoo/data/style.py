"""Style pictures, read from a file or drawn by the program; their size sets the size of the strokes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.pictures.images import Picture, on_white, to_picture
from zoo.pictures.tensors import to_tensor

MIN_SIDE = 32  # minimum side in pixels: smaller pictures show no style
MAX_ASPECT = 8  # maximum ratio of the sides: memory grows with the longer side
COLORS = ((24, 42, 92), (48, 96, 160), (236, 190, 64), (246, 236, 210), (196, 72, 40))


def read_style(picture: Picture | None, size: int) -> Tensor:
    """A style picture ``(1, 3, H, W)`` in 0..1, whose shorter side is ``size`` pixels.

    Args:
        picture: style picture; transparent parts become white. None: :func:`draw_pattern`.
        size: shorter side in pixels; it sets the size of the strokes.

    Raises:
        ZooError: the picture cannot be read, is too small to show a style, or is more than eight times as long as
            wide.
    """
    if size < MIN_SIDE:
        raise ZooError(f"the size of a style must be {MIN_SIDE} pixels or more, not {size}")
    source = Image.fromarray(draw_pattern()) if picture is None else on_white(to_picture(picture)[0])
    name = str(picture) if isinstance(picture, (str, Path)) else "the style"
    if min(source.size) < MIN_SIDE:
        raise ZooError(f"{name}: {source.width}x{source.height} pixels show no style; each side needs {MIN_SIDE}")
    if max(source.size) > MAX_ASPECT * min(source.size):
        shape = f"{source.width}x{source.height}"
        raise ZooError(
            f"{name}: {shape} pixels; a style is at most {MAX_ASPECT} times as long as wide, crop the picture"
        )
    factor = size / min(source.size)
    width, height = (max(size, round(side * factor)) for side in source.size)
    return to_tensor(source.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0))[None]


def draw_pattern(height: int = 256, width: int = 256, seed: int = 0) -> np.ndarray:
    """Waves of five colours with dark outlines, ``(height, width, 3)`` uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 48.0
    field = np.zeros((height, width))
    for octave in (1, 2, 3):
        for _ in range(3):
            across, down = rng.normal(0, octave, 2)
            field += np.sin(across * x + down * y + rng.uniform(0, 2 * np.pi)) / octave
    level = 1.7 * field
    colors = np.asarray(COLORS, np.float64)[np.floor(level).astype(int) % len(COLORS)]
    outline = np.abs(level - np.rint(level)) < 0.12
    return np.where(outline[..., None], 0.35 * colors, colors).astype(np.uint8)
