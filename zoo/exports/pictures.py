"""Pictures to compare outputs on and to calibrate int8 with: real ones, or drawn street scenes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.base.registry import Architecture
from zoo.cards import golden
from zoo.data.pictures import find_pictures, fit
from zoo.data.streets import FIRST_SCENE, draw_street
from zoo.exports.settings import Size
from zoo.pictures.images import open_rgb

SCENES = 2  # drawn street scenes
ODD, WIDE, SMALL = (100, 101), (33, 500), (66, 94)  # height and width
MAX_PICTURES = 300  # most pictures to calibrate int8 with
MODES = {1: "L", 3: "RGB"}  # by channels
NAME = 60  # characters


@dataclass(frozen=True)
class Input:
    """An input of a network.

    Args:
        name: names of the pictures and their size, such as "street scene 0, 480x360".
        x: ``(B, C, H, W)`` in 0..1.
    """

    name: str
    x: np.ndarray


@dataclass(frozen=True)
class Shown:
    """A picture by its name."""

    name: str
    picture: Image.Image


def opened(paths: Iterable[Path], most: int | None = None) -> list[Shown]:
    """The pictures of files and folders.

    Raises:
        ZooError: a file is not a picture, or a folder holds none.
    """
    files = (file for path in paths for file in (find_pictures(path) if path.is_dir() else [path]))
    return [Shown(path.name, open_rgb(path)) for path in islice(files, most)]


def drawn() -> list[Shown]:
    """Street scenes of the test split, which nothing is trained on."""
    first = FIRST_SCENE["test"]
    return [Shown(f"street scene {i}", Image.fromarray(draw_street(first + i)[0])) for i in range(SCENES)]


def inputs(
    shown: Sequence[Shown], count: int, declared: Architecture, channels: int, any_size: bool, size: Size
) -> list[Input]:
    """Some inputs at the card's size, others of odd sizes if any is taken, and a batch.

    Args:
        shown: pictures to use.
        count: number of inputs at the card's size.
        declared: the architecture.
        channels: channels of the input.
        any_size: whether the network and the file take any size.
        size: height and width of the card's own input, or of the only one.
    """
    others = [(1, ODD), (1, WIDE), (1, size[::-1]), (2, SMALL)] if any_size else [(2, size)]
    contents, found = cycle(shown), []
    for batch, (height, width) in [(1, size)] * count + others:
        used = list(islice(contents, batch))
        names = " and ".join(each.name[:NAME] for each in used)
        arrays = [as_input(each.picture, declared, channels, (height, width)) for each in used]
        found.append(Input(f"{names}, {width}x{height}", np.stack(arrays)))
    return found


def as_input(picture: Image.Image, declared: Architecture, channels: int, size: Size) -> np.ndarray:
    """A picture as ``(C, H, W)`` in 0..1; of several inputs, each gets a part further to the right.

    If the channels are neither grey nor RGB, the picture of golden files is used instead.
    """
    height, width = size
    count = len(declared.inputs)
    mode = MODES.get(channels // count)
    if mode is None:
        return golden.picture(channels, height, width)[0].numpy().astype(np.float32) / 255
    step = picture.width // 20
    parts = (picture.crop((i * step, 0, picture.width - (count - 1 - i) * step, picture.height)) for i in range(count))
    arrays = [np.atleast_3d(fit(part.convert(mode), width, height)) for part in parts]
    return np.ascontiguousarray(np.concatenate(arrays, 2).transpose(2, 0, 1), np.float32) / 255


def own_size(macs: Mapping[str, float], example: tuple[int, int, int]) -> Size:
    """The size at which a card states its cost, such as "480x360", else the size of the example."""
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", next(iter(macs), ""))
    return (int(found[2]), int(found[1])) if found else example[1:]
