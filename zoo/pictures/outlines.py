"""Shapes of a mask for other programs: run-length encodings and polygons, as COCO has them. Needs no torch."""

from __future__ import annotations

import numpy as np

TURNS = {(1, 0): (0, -1), (0, -1): (-1, 0), (-1, 0): (0, 1), (0, 1): (1, 0)}  # (dx, dy) to the left of a direction


def run_lengths(shape: np.ndarray) -> list[int]:
    """Lengths of runs outside and inside of a shape in turns, column by column; the first run is outside.

    Args:
        shape: bool ``(H, W)``.
    """
    flat = shape.T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    return [0, *runs] if flat[0] else runs


def regions(shape: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """The outline of each connected region with its area in pixels, without its holes.

    Args:
        shape: bool ``(H, W)``.

    Returns:
        Corners ``(N, 2)``, x and y between pixels: pixel (i, j) covers i to i + 1 and j to j + 1. The area is
        that inside the outline, holes included.
    """
    import cv2  # help and other commands need none of it

    count, labels, boxes, _ = cv2.connectedComponentsWithStats(shape.astype(np.uint8), connectivity=4)
    found = []
    for number in range(1, count):
        left, top, width, height, _ = (int(each) for each in boxes[number])
        corners = _outline(labels[top : top + height, left : left + width] == number)
        x, y = corners.T
        area = int(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) // 2)
        found.append((corners + np.array((left, top)), area))
    return found


def _outline(region: np.ndarray) -> np.ndarray:
    """The corners of a connected region's outer edge, which touches the upper border of the array.

    The edge is followed with the region on its right, and turns towards the region where two edges meet.
    """
    inside = np.pad(region, 1)
    x, y = int(np.argmax(region[0])), 0  # the upper left corner of the first pixel
    start, (dx, dy), corners = (x, y), (1, 0), [(x, y)]
    while True:
        x, y = x + dx, y + dy
        right, left = _pixels_ahead(inside, x, y, dx, dy)
        if right and left:  # the region is ahead: turn left
            turned = TURNS[dx, dy]
        elif right:
            turned = (dx, dy)
        else:  # turn right, also where another part of the region touches with a corner
            a, b = TURNS[dx, dy]
            turned = (-a, -b)
        if (x, y) == start:
            return np.array(corners)
        if turned != (dx, dy):
            corners.append((x, y))
        dx, dy = turned


def _pixels_ahead(inside: np.ndarray, x: int, y: int, dx: int, dy: int) -> tuple[bool, bool]:
    """Whether the pixels ahead of a corner are in the region, on the right and on the left of a direction."""
    # the pixel whose upper left corner is (x, y) is inside[y + 1, x + 1]
    if dx:
        column = x + 1 if dx > 0 else x
        below, above = bool(inside[y + 1, column]), bool(inside[y, column])
        return (below, above) if dx > 0 else (above, below)
    row = y + 1 if dy > 0 else y
    east, west = bool(inside[row, x + 1]), bool(inside[row, x])
    return (west, east) if dy > 0 else (east, west)
