"""A panorama of consecutive pictures, from the homographies of each to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.base.errors import ZooError
from zoo.pictures.homography import Homography, normalized
from zoo.pictures.images import SUFFIXES
from zoo.pictures.mosaic import MAX_PIXELS, Canvas, canvas, mosaic
from zoo.pictures.results import Shown, save_as, save_json


@dataclass(frozen=True, eq=False)
class Panorama(Shown):
    """Pictures in one, in the frame of the middle one.

    Args:
        picture: all pictures in one, RGB, black where none reaches.
        matrices: ``(N, 3, 3)`` float64: pixels of each picture to pixels of the frame.
        confidences: confidence of each homography to the next picture, ``(N - 1,)``.
        frame: index of the middle picture.
        covered: part of the frame that ``picture`` shows: subtract its left and top from points of the frame.
        names: names of the files; None for a picture that is not a file.
        notes: homography that ended the panorama early, if any.
    """

    picture: Image.Image = field(repr=False)
    matrices: np.ndarray = field(repr=False)
    confidences: tuple[float, ...]
    frame: int
    covered: Canvas
    names: tuple[str | None, ...]
    notes: tuple[str, ...] = ()

    def save(self, destination: str | Path) -> list[Path]:
        """Writes ``DESTINATION.png``, or the format of its suffix, and beside it a ``.json`` of the same name."""
        path = Path(destination)
        if path.suffix.lower() not in SUFFIXES:
            path = path.with_name(f"{path.name}.png")
        return [*save_as(self.picture, path), save_json(self.to_dict(), path.with_suffix(""))]

    def shown(self) -> Image.Image:
        return self.picture

    def caption(self) -> str:
        return "; ".join((f"{len(self.names)} pictures", *self.notes))

    def to_dict(self) -> dict[str, Any]:
        """Names and matrices of the pictures, confidences, the frame's index, and its covered part."""
        return {
            "frame": self.frame,
            **self.covered._asdict(),
            "names": list(self.names),
            "matrices": self.matrices.tolist(),
            "confidences": list(self.confidences),
            "notes": list(self.notes),
        }


def panorama(results: Iterable[Homography], max_pixels: int = MAX_PIXELS) -> Panorama:
    """Makes a panorama from homographies of each picture to the next; a note says if one is not trusted.

    Args:
        results: homographies in order; they are read until one is not trusted, before which the panorama ends.
        max_pixels: most pixels of the panorama.

    Raises:
        ZooError: the first result is not trusted, a result does not begin with the picture that the one before ended
            with, or the panorama would be larger than ``max_pixels``.
    """
    links, told = _trusted(results)
    if not links:
        raise ZooError(f"{told}: no panorama" if told else "a panorama takes two pictures or more")
    pictures = [links[0].a, *(link.b for link in links)]
    names = (links[0].names[0], *(link.names[1] for link in links))
    frame = len(pictures) // 2
    matrices = _to_frame([link.matrix for link in links], frame)
    covered = canvas([picture.shape for picture in pictures], matrices, max_pixels)
    whole = Image.fromarray(mosaic(pictures, matrices, covered))
    notes = (f"{told}: the panorama ends before, with {len(pictures)} pictures",) if told else ()
    return Panorama(whole, np.stack(matrices), tuple(link.confidence for link in links), frame, covered, names, notes)


def _trusted(results: Iterable[Homography]) -> tuple[list[Homography], str]:
    """Results before the first that is not trusted, and a text that names it."""
    links = list[Homography]()
    for number, result in enumerate(results, 1):
        if links and result.a.shape != links[-1].b.shape:
            raise ZooError(f"result {number} does not begin with the picture that the one before it ends with")
        if not result.trusted:
            a, b = (name or f"picture {number + at}" for at, name in enumerate(result.names))
            return links, f"{a} to {b} is not to be trusted (confidence {result.confidence:.2f})"
        links.append(replace(result, a=links[-1].b) if links else result)  # keeps one copy of each picture
    return links, ""


def _to_frame(steps: list[np.ndarray], frame: int) -> list[np.ndarray]:
    """Homographies of pictures to one of them, from homographies of each to the next."""
    matrices = [np.eye(3)]
    for step in reversed(steps[:frame]):
        matrices.insert(0, normalized(matrices[0] @ step))
    for step in steps[frame:]:
        matrices.append(normalized(matrices[-1] @ np.linalg.inv(step)))
    return matrices
