"""Pictures to try a page with: a photograph that anybody may publish, and street scenes that the program draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from zoo.base.registry import card_folder
from zoo.data.pairs import sample
from zoo.data.photometric import light
from zoo.data.streets import FIRST_SCENE, draw_street
from zoo.pictures.geometry import matrix_from_corners
from zoo.pictures.images import open_rgb

STREETS = tuple(FIRST_SCENE["test"] + i for i in (45, 5))  # by day; nothing is trained on them
DRAWN = "drawn by the program"
PHOTOGRAPH = ("neural_style", "coffee.jpg")  # card and file
TAKEN = "photograph by Rachel Michetti, CC0"  # as that card says
# The second picture of a pair is the middle of a drawn street of 960x720 pixels; the first has these corners there.
MIDDLE = np.s_[120:600, 160:800]
NEAR = np.array([[180.0, 120.0], [840.0, 150.0], [800.0, 600.0], [150.0, 610.0]])  # a small turn, some perspective
FAR = np.array([[320.0, 60.0], [813.0, 290.0], [640.0, 660.0], [147.0, 430.0]])  # turned by 25 degrees, and nearer
CONTRAST, BRIGHTNESS = 0.8, 20.0  # of the second picture of a far pair


@dataclass(frozen=True)
class Sample:
    """Pictures that make one prediction.

    Args:
        name: name in addresses and files.
        label: label of its button.
        source: who made it, and the licence.
        pictures: the pictures, RGB.
    """

    name: str
    label: str
    source: str
    pictures: Sequence[Image.Image]


def of_page(page: str) -> list[Sample]:
    """The samples of a kind of page (:attr:`zoo.base.registry.Architecture.page`); none for a foreign kind."""
    return [made for make in MAKERS.get(page, ()) if (made := make()) is not None]


def street(number: int, size: tuple[int, int]) -> Image.Image:
    """A drawn street of a height and width in pixels."""
    return Image.fromarray(scene(number, size)[0])


@lru_cache(maxsize=4)
def scene(number: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A drawn street and the class of each pixel."""
    return draw_street(STREETS[number], size)


def photograph() -> Image.Image | None:
    """The photograph, or None in an installation without its card."""
    card, file = PHOTOGRAPH
    folder = card_folder(card)
    path = folder / "samples" / file if folder else None
    return open_rgb(path) if path and path.is_file() else None


def _drawn(number: int, size: tuple[int, int] = (360, 480)) -> Sample:
    return Sample(f"street{number + 1}", f"street {number + 1}", DRAWN, [street(number, size)])


def _small_street() -> Sample:
    return Sample("street1", "street", DRAWN, [street(0, (360, 480)).resize((160, 120), Image.Resampling.BICUBIC)])


def _photograph() -> Sample | None:
    found = photograph()
    return None if found is None else Sample("coffee", "coffee", TAKEN, [found])


def _small_photograph() -> Sample | None:
    found = photograph()
    if found is None:
        return None
    size = found.width // 4, found.height // 4
    return Sample("coffee", "coffee", TAKEN, [found.resize(size, Image.Resampling.BICUBIC)])


def near_pair() -> Sample:
    """A street, and the same a little turned and tilted."""
    picture, _ = scene(1, (720, 960))
    return _pair("near", "small turn", sample(picture, matrix_from_corners(NEAR, 640, 480), 640, 480), picture[MIDDLE])


def far_pair() -> Sample:
    """A street, and the same turned and enlarged, in another light."""
    picture, _ = scene(0, (720, 960))
    a = sample(picture, matrix_from_corners(FAR, 640, 480), 640, 480)
    return _pair("far", "turned and zoomed", a, light(picture[MIDDLE], CONTRAST, BRIGHTNESS))


def _pair(name: str, label: str, a: np.ndarray, b: np.ndarray) -> Sample:
    return Sample(name, label, DRAWN, [Image.fromarray(a), Image.fromarray(np.ascontiguousarray(b))])


MAKERS: dict[str, tuple[Callable[[], Sample | None], ...]] = {
    "segment": (lambda: _drawn(0), lambda: _drawn(1)),
    "enlarge": (_small_photograph, _small_street),
    "style": (_photograph, lambda: _drawn(0)),
    "homography": (near_pair,),
    "features": (far_pair, near_pair),
}
