"""Pictures that show how good a homography is."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from zoo.nn.metrics.homography import corner_error
from zoo.pictures.geometry import NET_SIZE, corner_points
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

TRUTH, ESTIMATE = (40, 90, 255), (255, 40, 40)
MARGIN = 40  # pixels around b, since the corners of a may lie outside


def corner_sheet(pairs: Tensor, offsets: Tensor, estimates: Tensor, rows: int = 6) -> Image.Image:
    """Picture a beside b, and over b the corners of a: truth in blue, estimate in red, the error in pixels beside them.

    Args:
        pairs: ``(B, 2, 128, 128)`` or ``(B, 6, 128, 128)`` in 0..1.
        offsets: true ones ``(B, 4, 2)`` in pixels.
        estimates: likewise.
        rows: pairs that are shown, at most.
    """
    channels = pairs.shape[1] // 2
    errors = corner_error(estimates, offsets)
    corners = corner_points(NET_SIZE)
    lines = []
    for pair, truth, estimate, error in zip(pairs[:rows], offsets, estimates, errors, strict=False):
        a, b = (to_array(p.expand(3, -1, -1)) for p in (pair[:channels], pair[channels:]))
        quads = [(corners + truth.cpu().numpy(), TRUTH), (corners + estimate.cpu().numpy(), ESTIMATE)]
        lines.append([draw_corners(a, []), draw_corners(b, quads, f"{error:.2f} px")])
    return contact_sheet(lines, ("a", "the corners of a in b: truth blue, estimate red"))


def draw_corners(
    picture: np.ndarray, quads: list[tuple[np.ndarray, tuple[int, int, int]]], text: str = "", scale: int = 2
) -> np.ndarray:
    """Quadrilaterals over a picture with a margin, enlarged: ``(H, W, 3)`` uint8.

    Args:
        picture: ``(H, W, 3)`` uint8.
        quads: corners ``(4, 2)`` in the picture's pixels, and their colour.
        text: for the upper left.
        scale: of the result.
    """
    padded = Image.fromarray(np.pad(picture, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))))
    image = padded.resize((padded.width * scale, padded.height * scale))
    pen = ImageDraw.Draw(image)
    for corners, color in quads:
        points = [tuple((np.asarray(corner) + MARGIN + 0.5) * scale) for corner in corners]
        pen.line([*points, points[0]], fill=color, width=2)
    pen.text((4, 4), text, fill="white")
    return np.asarray(image)
