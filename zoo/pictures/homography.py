"""The homography between two pictures, and pictures made with it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from zoo.base.errors import ZooError
from zoo.pictures.geometry import corner_points, transform_points
from zoo.pictures.images import Picture, on_white, to_picture
from zoo.pictures.mosaic import MAX_PIXELS, canvas, mosaic, warped
from zoo.pictures.results import Shown, save_json, save_pngs

OUTLINE = (255, 40, 40)
SEEN_A, SEEN_B = (255, 220, 0), (0, 230, 255)  # colours of matched points in a and in b
CELLS = 24  # along the longer side of an overlay; each shows one match
FARTHEST = 1e6  # most pixels from the picture that a line is drawn to
TRUSTED = 0.5  # confidence: wrong estimates of homographynet reached 0.35, most right ones 0.8 or more


@dataclass(frozen=True, eq=False)
class Homography(Shown):
    """Where the pixels of picture a lie in picture b. Points are (x, y); a pixel's centre has whole coordinates.

    Args:
        matrix: ``(3, 3)`` float64 with 1 in the lower right: pixels of a to pixels of b. If ``valid`` is False, it
            merely scales a to the size of b.
        confidence: confidence from 0 to 1, as the predictor measures it; 0 if not valid.
        valid: whether an estimate was found: no picture is blank, and a becomes a convex quadrilateral that extends
            beyond b by at most the long side of b, or b does so in a.
        refined: whether ECC refined the estimate; False: it diverged and the network's estimate was kept; None: it was
            not requested.
        passes: number of passes of the network; None: it found features instead.
        seconds: time of the prediction in seconds, without reading the pictures.
        a: the first picture, ``(H, W, 3)`` uint8.
        b: the second picture, of any other size.
        names: names of the files; None for a picture that is not a file.
        matches: matched points, ``(K, 4)``: x and y in a, x and y in b; None: the method matches no points.
        inliers: which matches agreed with the estimate, before ECC, ``(K,)`` bool; None where ``matches`` is None.
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
        """Whether this is likely right: an estimate was found, with a confidence of at least 0.5."""
        return self.valid and self.confidence >= TRUSTED

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings to the user."""
        if not self.valid:
            return ("not to be trusted: no homography was found; the matrix merely scales the first to the second",)
        if not self.trusted:
            return (f"not to be trusted: confidence {self.confidence:.2f}; look at the overlay first",)
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
        """Picture b warped onto a: at the size of a, black where b does not reach.

        Args:
            picture: another picture of b's size to warp instead.
        """
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return Image.fromarray(warped(_instead(picture, self.b), self.matrix, self.a.shape, flags))

    def overlay(self) -> Image.Image:
        """The outline of a over b, filled with a at half opacity: sharp where they agree, double where not.

        Some of the inliers are drawn: a circle around the point in b, and a line from there to the mapped point of a.
        """
        a = warped(self.a, self.matrix, self.b.shape).astype(np.float32)
        opacity = 0.5 * warped(np.ones(self.a.shape[:2], np.float32), self.matrix, self.b.shape)[..., None]
        mixed = np.rint(a * 0.5 + self.b * (1 - opacity)).clip(0, 255).astype(np.uint8)  # a fades at its edge by itself
        outline = np.rint(self.corners.clip(-FARTHEST, FARTHEST)).astype(np.int32)
        thickness = max(1, round(max(mixed.shape) / 400))
        cv2.polylines(mixed, [outline], True, OUTLINE, thickness, cv2.LINE_AA)
        for ends in self._thinned():
            from_a, to_b = np.rint(ends).astype(int).tolist()
            cv2.circle(mixed, to_b, 3 * thickness, SEEN_B, max(1, thickness // 2), cv2.LINE_AA)
            cv2.line(mixed, from_a, to_b, SEEN_A, thickness, cv2.LINE_AA)
        return Image.fromarray(mixed)

    def _thinned(self) -> np.ndarray:
        """Inliers spread over b, as pixels of b ``(K, 2, 2)``: the mapped point of a, then the point of b."""
        if self.matches is None or self.inliers is None:
            return np.empty((0, 2, 2))
        kept = self.matches[self.inliers]
        _, first = np.unique(kept[:, 2:] * CELLS // max(self.b.shape), axis=0, return_index=True)
        return np.stack((transform_points(self.matrix, kept[first, :2]), kept[first, 2:]), 1)

    def stitch(
        self,
        a: Picture | None = None,
        b: Picture | None = None,
        blend: Literal["feather", "over"] = "feather",
        max_pixels: int = MAX_PIXELS,
    ) -> Image.Image:
        """Both pictures in one, in the frame of b, large enough for both and black where neither reaches.

        Warns if the homography is not to be trusted.

        Args:
            a: another picture of a's size to use instead.
            b: another picture of b's size to use instead.
            blend: "feather": the weight of a picture falls towards its edge; "over": a lies over b.
            max_pixels: most pixels of the mosaic.

        Raises:
            ZooError: the homography is not valid, or the mosaic would be larger than ``max_pixels``.
        """
        if blend not in ("feather", "over"):
            raise ZooError(f'blend must be "feather" or "over", not {blend!r}')
        if not self.valid:
            raise ZooError(self.notes[0])
        if not self.trusted:
            warnings.warn(self.notes[0], stacklevel=2)
        pictures, matrices = (_instead(a, self.a), _instead(b, self.b)), (self.matrix, np.eye(3))
        covered = canvas([picture.shape for picture in pictures], matrices, max_pixels)
        return Image.fromarray(mosaic(pictures, matrices, covered, blend))

    def save(self, destination: str | Path, *, stitch: bool = False) -> list[Path]:
        """Writes ``DESTINATION_overlay.png``, ``DESTINATION_warped.png`` and ``DESTINATION.json``.

        Args:
            destination: beginning of the files' names, such as ``out/left_right``.
            stitch: also write both pictures in one, ``*_stitched.png``; if that is not possible, a warning says why
        """
        pictures = {"overlay": self.overlay(), "warped": self.warp()}
        if stitch:
            try:
                pictures["stitched"] = self.stitch()
            except ZooError as error:
                warnings.warn(str(error), stacklevel=2)
        return [*save_pngs(pictures, destination), save_json(self.to_dict(), destination)]

    def shown(self) -> Image.Image:
        return self.overlay()

    def caption(self) -> str:
        return self.notes[0] if self.notes else f"confidence {self.confidence:.2f}"

    def to_dict(self) -> dict[str, Any]:
        """Matrix, corners, confidence and whether it is trusted, sizes and names of the pictures, matches if any."""
        plain = ("confidence", "valid", "trusted", "refined", "passes", "seconds")
        sizes = ({"width": picture.shape[1], "height": picture.shape[0]} for picture in (self.a, self.b))
        values = {
            "matrix": self.matrix.tolist(),
            "corners": self.corners.tolist(),
            **{name: getattr(self, name) for name in plain},
            **{which: {"name": name, **size} for which, name, size in zip("ab", self.names, sizes, strict=True)},
        }
        if self.matches is not None and self.inliers is not None and len(self.matches):
            values |= {"matches": self.matches.round(2).tolist(), "inliers": self.inliers.tolist()}
        return values

    def summary(self) -> dict[str, Any]:
        """:meth:`to_dict` without the matches."""
        return {name: value for name, value in self.to_dict().items() if name not in ("matches", "inliers")}


def read(picture: Picture) -> np.ndarray:
    """RGB ``(H, W, 3)`` uint8 of what :func:`to_picture` takes, transparent parts on white."""
    image = on_white(to_picture(picture)[0])
    if not (image.width and image.height):
        raise ZooError(f"the picture is empty ({image.width}x{image.height})")
    return np.array(image)


def normalized(matrix: np.ndarray) -> np.ndarray:
    """The same homography with 1 in the lower right, finite even if it maps the first pixel to infinity."""
    scale = matrix[2, 2] if abs(matrix[2, 2]) > 1e-12 * np.abs(matrix).max() else 1e-12 * np.abs(matrix).max()
    result = matrix / scale
    result[2, 2] = 1.0
    return result


def _instead(picture: Picture | None, own: np.ndarray) -> np.ndarray:
    if picture is None:
        return own
    array = read(picture)
    if array.shape != own.shape:
        have, want = (f"{shape[1]}x{shape[0]}" for shape in (array.shape, own.shape))
        raise ZooError(f"the homography belongs to a picture of {want} pixels, not {have}")
    return array
