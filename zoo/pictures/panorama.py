"""A panorama of pictures that follow each other, from the homographies of each to the next."""

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
from zoo.pictures.mosaic import MOST, Canvas, canvas, mosaic
from zoo.pictures.results import Shown, save_as, save_json


@dataclass(frozen=True, eq=False)
class Panorama(Shown):
    """Pictures in one, in the frame of the middle one.

    Args:
        picture: all of them, RGB, black where none is.
        matrices: ``(N, 3, 3)`` float64: pixels of each picture to pixels of the frame.
        confidences: of each homography to the next picture, ``(N - 1,)``.
        frame: index of the middle picture.
        covered: the part of the frame that ``picture`` shows: a point of the frame less its left and top is one of it.
        names: of the files, None for what is no file.
        notes: which homography ended it, if any did.
    """

    picture: Image.Image = field(repr=False)
    matrices: np.ndarray = field(repr=False)
    confidences: tuple[float, ...]
    frame: int
    covered: Canvas
    names: tuple[str | None, ...]
    notes: tuple[str, ...] = ()

    def save(self, destination: str | Path) -> list[Path]:
        """Writes ``DESTINATION.png``, or in the format that its suffix names, and beside it the same with ``.json``."""
        path = Path(destination)
        if path.suffix.lower() not in SUFFIXES:
            path = path.with_name(f"{path.name}.png")
        return [*save_as(self.picture, path), save_json(self.to_dict(), path.with_suffix(""))]

    def shown(self) -> Image.Image:
        return self.picture

    def caption(self) -> str:
        return "; ".join((f"{len(self.names)} pictures", *self.notes))

    def to_dict(self) -> dict[str, Any]:
        """Names and matrices of the pictures, confidences, the frame's index, and the part of it that is covered."""
        return {
            "frame": self.frame,
            **self.covered._asdict(),
            "names": list(self.names),
            "matrices": self.matrices.tolist(),
            "confidences": list(self.confidences),
            "notes": list(self.notes),
        }


def panorama(results: Iterable[Homography], max_pixels: int = MOST) -> Panorama:
    """The panorama of pictures of which each result takes one to the next; a note says where one is not trusted.

    Args:
        results: are asked for until one is not trusted: the panorama ends before it.
        max_pixels: of the panorama.

    Raises:
        ZooError: the first result is not trusted, or one does not begin with the picture that the last one ended with;
            or the panorama would be larger than that.
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
    """Results up to the first that is not trusted, and which that is."""
    links = list[Homography]()
    for number, result in enumerate(results, 1):
        if links and result.a.shape != links[-1].b.shape:
            raise ZooError(f"result {number} does not begin with the picture that the one before it ends with")
        if not result.trusted:
            a, b = (name or f"picture {number + at}" for at, name in enumerate(result.names))
            return links, f"{a} to {b} is not to be trusted (confidence {result.confidence:.2f})"
        links.append(replace(result, a=links[-1].b) if links else result)  # of each picture one copy in memory
    return links, ""


def _to_frame(steps: list[np.ndarray], frame: int) -> list[np.ndarray]:
    """Homographies of pictures to one of them, from those of each to the next."""
    matrices = [np.eye(3)]
    for step in reversed(steps[:frame]):
        matrices.insert(0, normalized(matrices[0] @ step))
    for step in steps[frame:]:
        matrices.append(normalized(matrices[-1] @ np.linalg.inv(step)))
    return matrices
