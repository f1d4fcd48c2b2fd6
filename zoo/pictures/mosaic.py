"""Mosaics: several pictures in one, each warped by a homography into a common frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np

from zoo.base.errors import ZooError
from zoo.pictures.geometry import corner_points, transform_points

STRIP = 256  # rows of a mosaic that are blended at once: their float copies bound the memory
MAX_SIDE = 32_766  # pixels of a side that OpenCV can warp
MAX_PIXELS = 100_000_000  # most pixels of a mosaic by default


class Canvas(NamedTuple):
    """The part of the frame that a mosaic covers, in whole pixels of the frame."""

    left: int
    top: int
    width: int
    height: int


def canvas(shapes: Sequence[Sequence[int]], matrices: Sequence[np.ndarray], max_pixels: int = MAX_PIXELS) -> Canvas:
    """The smallest canvas that holds pictures of these shapes, height first, under homographies into the frame.

    Raises:
        ZooError: it would have more pixels than ``max_pixels``, sides longer than OpenCV can warp, or no end.
    """
    for number, (shape, matrix) in enumerate(zip(shapes, matrices, strict=True), 1):
        if not (corner_points(shape[1], shape[0]) @ matrix[2, :2] + 1 > 1e-9).all():  # on both sides of infinity
            raise ZooError(
                f"the mosaic would be endless: the homography takes a part of picture {number} to infinity; "
                "use fewer pictures, or another order"
            )
    boxes = [_box(*each) for each in zip(shapes, matrices, strict=True)]
    (left, top), (right, bottom) = np.min(boxes, 0)[0].tolist(), np.max(boxes, 0)[1].tolist()
    width, height = right - left + 1, bottom - top + 1
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise ZooError(
            f"the mosaic would have {width:,.0f}x{height:,.0f} pixels, and {max_pixels:,} are allowed, with sides up "
            f"to {MAX_SIDE:,}; resize the pictures first, use fewer, or another order"
        )
    return Canvas(int(left), int(top), int(width), int(height))


def mosaic(
    pictures: Sequence[np.ndarray],
    matrices: Sequence[np.ndarray],
    covered: Canvas,
    blend: Literal["feather", "over"] = "feather",
) -> np.ndarray:
    """Blends pictures ``(H, W, 3)`` uint8 under homographies into the canvas, black where none reaches.

    Args:
        pictures: pictures; the first lies on top.
        matrices: homography of each picture, ``(3, 3)`` with 1 in the lower right.
        covered: canvas, see :func:`canvas`.
        blend: "feather": the weight of a picture falls towards its edge; "over": each lies over the next.
    """
    result = np.empty((covered.height, covered.width, 3), np.uint8)
    for y in range(0, covered.height, STRIP):
        shift = translation(-covered.left, -covered.top - y)
        _blend(result[y : y + STRIP], pictures, [shift @ matrix for matrix in matrices], blend)
    return result


def warped(
    picture: np.ndarray,
    matrix: np.ndarray,
    shape: Sequence[int],
    flags: int = cv2.INTER_LINEAR,
    border: int = cv2.BORDER_CONSTANT,
) -> np.ndarray:
    """A picture warped by a homography, at a size ``(height, width)``."""
    try:
        return cv2.warpPerspective(picture, matrix, (shape[1], shape[0]), flags=flags, borderMode=border)
    except cv2.error as error:
        sizes = f"{picture.shape[1]}x{picture.shape[0]} to {shape[1]}x{shape[0]}"
        raise ZooError(f"OpenCV cannot warp a picture of {sizes} pixels: {error.err}") from error


def tent(height: int, width: int) -> np.ndarray:
    """Weights of a picture's pixels ``(H, W)`` float32: 1 in the middle, falling towards the nearest edge."""
    y, x = (
        (np.minimum(np.arange(n) + 1, n - np.arange(n)) / (n / 2 + 0.5)).astype(np.float32) for n in (height, width)
    )
    return np.minimum.outer(y, x)


def translation(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _box(shape: Sequence[int], matrix: np.ndarray) -> np.ndarray:
    """The box of whole pixels, ``((left, top), (right, bottom))``, around the warped corners of a picture."""
    points = transform_points(matrix, corner_points(shape[1], shape[0]))
    return np.stack((np.floor(points.min(0)), np.ceil(points.max(0))))


def _blend(strip: np.ndarray, pictures: Sequence[np.ndarray], maps: list[np.ndarray], blend: str) -> None:
    """Fills a part of a mosaic ``(H, W, 3)`` with the weighted mean of pictures under homographies into it."""
    total = np.zeros((*strip.shape[:2], 1), np.float32)
    mixed = np.zeros(strip.shape, np.float32)
    for number, (picture, matrix) in enumerate(zip(pictures, maps, strict=True)):
        first, last = _box(picture.shape, matrix) + np.array([[-1], [2]])  # a picture fades within a pixel of its edge
        (left, top), (right, bottom) = (place.clip(0, strip.shape[1::-1]).astype(int) for place in (first, last))
        if left == right or top == bottom:
            continue
        part, there = np.s_[top:bottom, left:right], translation(-left, -top) @ matrix
        weight = tent(*picture.shape[:2])
        if blend == "over":
            weight = np.full_like(weight, 1e-6**number)
        part_weight = warped(weight, there, total[part].shape)[..., None]
        mixed[part] += part_weight * warped(picture, there, total[part].shape, border=cv2.BORDER_REPLICATE)
        total[part] += part_weight
    np.rint(mixed / np.maximum(total, 1e-12), out=mixed)
    strip[:] = mixed
