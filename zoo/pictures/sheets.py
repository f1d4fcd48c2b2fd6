"""Sheets of pictures, and colours of classes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw


def colorize(mask: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Class ids ``(H, W)`` -> RGB ``(H, W, 3)`` uint8; ids beyond the palette become black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8).reshape(-1, 3)
    return table[mask]


def contact_sheet(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str] = (), width: int = 320) -> Image.Image:
    """Lays pictures ``(H, W, 3)`` uint8 out as a table, each cell ``width`` pixels wide, with one title a column."""
    cells = [[Image.fromarray(cell) for cell in row] for row in rows]
    gap, top = 4, 18 if titles else 4
    heights = [max(round(cell.height * width / cell.width) for cell in row) for row in cells]
    columns = max(len(row) for row in cells)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, sum(h + gap for h in heights) + top), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((gap + column * (width + gap), 3), title, fill="black")
    for row, height in zip(cells, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell.resize((width, height)), (gap + column * (width + gap), top))
        top += height + gap
    return sheet


def distinct_colors(count: int) -> list[tuple[int, int, int]]:
    """Colours far apart in hue, for classes without colours."""
    hues = ((i * 0.618034) % 1 for i in range(count))  # the golden ratio spreads any number of hues evenly
    return [tuple(round(255 * c) for c in colorsys.hsv_to_rgb(h, 0.65, 0.9)) for h in hues]  # type: ignore[misc]
