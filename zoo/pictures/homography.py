"""The homography between two pictures, and what is done with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.pictures.geometry import corner_points, transform_points
from zoo.pictures.images import Picture, to_picture
from zoo.pictures.results import Shown, save_pngs

OUTLINE = (255, 40, 40)
STRIP = 256  # rows of a mosaic that are blended at once: their float copies bound the memory
LONGEST = 32_766  # pixels of a side that OpenCV can warp
FARTHEST = 1e6  # pixels from the picture to which a line is drawn
TRUSTED = 0.5  # confidence: estimates that are lost were measured up to 0.35, those that hold from 0.58 on


@dataclass(frozen=True, eq=False)
class Homography(Shown):
    """Where the pixels of picture a lie in picture b. Points are (x, y); a pixel's centre has whole coordinates.

    Args:
        matrix: ``(3, 3)`` float64 with 1 in the lower right: pixels of a to pixels of b. Where ``valid`` is False it
            merely brings a to the size of b.
        confidence: 0 to 1, from what the network would still correct after all is done: e pixels of 128x128 give
            1 / (1 + (e / 3)^2); see :class:`zoo.models.homographynet.predict.Estimate` for e. 0 where not valid.
        valid: whether an estimate was found: both pictures show something, and a becomes a convex quadrilateral that
            reaches no farther out of b than b is long.
        refined: whether ECC polished the estimate; False: it diverged and the network's own was kept; None: it was not
            asked for.
        passes: how often the network estimated; None: it found features instead.
        seconds: that all of it took, without reading the pictures.
        a: ``(H, W, 3)`` uint8.
        b: likewise, of any other size.
        names: of the files, None for what is no file.
        matches: points that were taken for the same, ``(K, 4)``: x and y in a, x and y in b; None: no points were.
        inliers: which of them agree with the matrix, ``(K,)`` bool; None likewise.
    """

    matrix: np.ndarray
    confidence: float
    valid: bool
    refined: bool | None
    passes: int | None
    seconds: float
    a: np.ndarray = field(repr=False)
    b: np.ndarray = field(repr=False)
    names: tuple[str | None, str | None] = (None, None)
    matches: np.ndarray | None = field(default=None, repr=False)
    inliers: np.ndarray | None = field(default=None, repr=False)

    @property
    def trusted(self) -> bool:
        """Whether this is likely right."""
        return not self.doubtful

    @property
    def doubtful(self) -> bool:
        """Whether this is likely wrong: no estimate was found, or the network itself would still correct it by far."""
        return not self.valid or self.confidence < TRUSTED

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of before it is used."""
        if not self.valid:
            return ("doubtful: no homography was found, the matrix merely scales the first picture to the second",)
        if self.doubtful:
            return (f"doubtful: confidence {self.confidence:.2f}; look at the overlay before the matrix is used",)
        return ()

    @property
    def corners(self) -> np.ndarray:
        """The corners of a in b, ``(4, 2)`` float64: centres of corner pixels, clockwise from the upper left."""
        return transform_points(self.matrix, corner_points(*self.a.shape[1::-1]))

    def inverse(self) -> Homography:
        """The homography from b to a."""
        matrix = normalized(np.linalg.inv(self.matrix))
        matches = None if self.matches is None else np.roll(self.matches, 2, 1)
        return changed(self, matrix=matrix, a=self.b, b=self.a, names=self.names[::-1], matches=matches)

    def warp(self, picture: Picture | None = None) -> Image.Image:
        """What a would show if it were taken with b: at the size of a, black where b does not reach.

        Args:
            picture: another one of b's size that is warped instead.
        """
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return Image.fromarray(_warp(_instead(picture, self.b), self.matrix, self.a.shape, flags))

    def overlay(self) -> Image.Image:
        """The outline of a over b, and a half transparent within: sharp where they agree, double where not."""
        a = _warp(self.a, self.matrix, self.b.shape).astype(np.float32)
        opacity = 0.5 * _warp(np.ones(self.a.shape[:2], np.float32), self.matrix, self.b.shape)[..., None]
        mixed = np.rint(a * 0.5 + self.b * (1 - opacity)).clip(0, 255).astype(np.uint8)  # a fades at its edge by itself
        outline = np.rint(self.corners.clip(-FARTHEST, FARTHEST)).astype(np.int32)
        thickness = max(1, round(max(mixed.shape) / 400))
        return Image.fromarray(cv2.polylines(mixed, [outline], True, OUTLINE, thickness, cv2.LINE_AA))

    def stitch(
        self,
        a: Picture | None = None,
        b: Picture | None = None,
        blend: Literal["feather", "over"] = "feather",
        max_pixels: int = 100_000_000,
    ) -> Image.Image:
        """Both pictures in one, in the frame of b, large enough for them and black where neither is.

        Args:
            a: another picture of its size instead of a.
            b: likewise.
            blend: "feather": each counts the less, the nearer its edge is; "over": a lies over b.
            max_pixels: of the mosaic.

        Raises:
            ZooError: no valid homography, or one under which the mosaic would be larger than that.
        """
        if blend not in ("feather", "over"):
            raise ZooError(f'blend is "feather" or "over", not {blend!r}')
        pictures = _instead(a, self.a), _instead(b, self.b)
        left, top, width, height = self._canvas(max_pixels)
        weights = [tent(*picture.shape[:2]) for picture in pictures]
        if blend == "over":
            weights = [np.ones_like(weights[0]), np.full_like(weights[1], 1e-6)]
        mosaic = np.empty((height, width, 3), np.uint8)
        for y in range(0, height, STRIP):
            strip = mosaic[y : y + STRIP]
            shift = np.array([[1.0, 0, -left], [0, 1, -top - y], [0, 0, 1]])
            _blend(strip, pictures, weights, (shift @ self.matrix, shift))
        return Image.fromarray(mosaic)

    def _canvas(self, max_pixels: int) -> tuple[int, int, int, int]:
        """Left, top, width and height of both pictures in the frame of b."""
        if not self.valid:
            raise ZooError("there is nothing to stitch: no homography was found between these pictures")
        corners = corner_points(*self.a.shape[1::-1])
        if not (corners @ self.matrix[2, :2] + 1 > 1e-9).all():  # they lie on both sides of infinity
            raise ZooError("the mosaic would be endless: the homography takes a part of the first picture to infinity")
        points = np.concatenate((self.corners, corner_points(*self.b.shape[1::-1])))
        left, top = np.floor(points.min(0)).tolist()
        right, bottom = np.ceil(points.max(0)).tolist()
        width, height = right - left + 1, bottom - top + 1
        if width * height > max_pixels or max(width, height) > LONGEST:
            raise ZooError(
                f"the mosaic would have {width:,.0f}x{height:,.0f} pixels, and {max_pixels:,} are allowed, sides to "
                f"{LONGEST:,}\nresize the pictures first, or stitch the inverse()"
            )
        return int(left), int(top), int(width), int(height)

    def save(self, destination: str | Path) -> list[Path]:
        """Writes ``DESTINATION_overlay.png``, ``DESTINATION_warped.png`` and ``DESTINATION.json``."""
        written = save_pngs({"overlay": self.overlay(), "warped": self.warp()}, destination)
        destination = Path(destination)
        written.append(destination.with_name(f"{destination.name}.json"))
        replace(written[-1], json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")
        return written

    def shown(self) -> Image.Image:
        return self.overlay()

    def caption(self) -> str:
        return self.notes[0] if self.doubtful else f"confidence {self.confidence:.2f}"

    def to_dict(self) -> dict[str, Any]:
        """Matrix, corners, confidence and whether it is doubtful, sizes and names of the pictures."""
        plain = ("confidence", "valid", "doubtful", "refined", "passes", "seconds")
        sizes = ({"width": picture.shape[1], "height": picture.shape[0]} for picture in (self.a, self.b))
        return {
            "matrix": self.matrix.tolist(),
            "corners": self.corners.tolist(),
            **{name: getattr(self, name) for name in plain},
            **{which: {"name": name, **size} for which, name, size in zip("ab", self.names, sizes, strict=True)},
        }


def read(picture: Picture) -> np.ndarray:
    """RGB ``(H, W, 3)`` uint8 of what :func:`to_picture` takes, without its transparency."""
    image = to_picture(picture)[0].convert("RGB")
    if not (image.width and image.height):
        raise ZooError(f"the picture is empty ({image.width}x{image.height})")
    return np.array(image)


def normalized(matrix: np.ndarray) -> np.ndarray:
    """The same homography with 1 in the lower right, and finite where that maps the first pixel to infinity."""
    scale = matrix[2, 2] if abs(matrix[2, 2]) > 1e-12 * np.abs(matrix).max() else 1e-12 * np.abs(matrix).max()
    result = matrix / scale
    result[2, 2] = 1.0
    return result


def tent(height: int, width: int) -> np.ndarray:
    """Weights of a picture's pixels ``(H, W)`` float32: 1 in the middle, falling towards the nearest edge."""
    y, x = (
        (np.minimum(np.arange(n) + 1, n - np.arange(n)) / (n / 2 + 0.5)).astype(np.float32) for n in (height, width)
    )
    return np.minimum.outer(y, x)


def _blend(
    strip: np.ndarray,
    pictures: tuple[np.ndarray, np.ndarray],
    weights: list[np.ndarray],
    maps: tuple[np.ndarray, np.ndarray],
) -> None:
    """Fills a part of a mosaic ``(H, W, 3)`` with the weighted mean of pictures under homographies into it."""
    total = np.zeros((*strip.shape[:2], 1), np.float32)
    mixed = np.zeros(strip.shape, np.float32)
    for picture, weight, matrix in zip(pictures, weights, maps, strict=True):
        share = _warp(weight, matrix, strip.shape)[..., None]
        mixed += share * _warp(picture, matrix, strip.shape, border=cv2.BORDER_REPLICATE)
        total += share
    np.rint(mixed / np.maximum(total, 1e-12), out=mixed)
    strip[:] = mixed


def _warp(
    picture: np.ndarray,
    matrix: np.ndarray,
    shape: tuple[int, ...],
    flags: int = cv2.INTER_LINEAR,
    border: int = cv2.BORDER_CONSTANT,
) -> np.ndarray:
    try:
        return cv2.warpPerspective(picture, matrix, (shape[1], shape[0]), flags=flags, borderMode=border)
    except cv2.error as error:
        sizes = f"{picture.shape[1]}x{picture.shape[0]} to {shape[1]}x{shape[0]}"
        raise ZooError(f"OpenCV cannot warp a picture of {sizes} pixels: {error.err}") from error


def _instead(picture: Picture | None, own: np.ndarray) -> np.ndarray:
    if picture is None:
        return own
    array = read(picture)
    if array.shape != own.shape:
        have, want = (f"{shape[1]}x{shape[0]}" for shape in (array.shape, own.shape))
        raise ZooError(f"the homography belongs to a picture of {want} pixels, this one has {have}")
    return array
