"""Draws the sample picture of a card of super resolution: parts of photographs that anyone may publish.

python scripts/perceptual_sr_samples.py cards/perceptual_sr [--pixel cards/perceptual_sr_pixel]     (needs scikit-image)

The photographs are those of scikit-image: astronaut (NASA) and text (Wikipedia) are in the public domain, as is rocket
(SpaceX), chelsea (Stefan van der Walt) and coffee (Rachel Michetti) are CC0. Of other pictures, which may not go on a
card, the same sheet is written elsewhere, for looking at:

python scripts/perceptual_sr_samples.py cards/perceptual_sr --root FOLDER --out FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from torch import nn

from zoo import load
from zoo.data.low_resolution import SCALE, crop_to_multiple, make_low, resize
from zoo.data.pictures import find_pictures
from zoo.models.perceptual_sr.evaluate import enlarge
from zoo.pictures.images import open_rgb
from zoo.pictures.results import save_png
from zoo.pictures.sheets import contact_sheet

SIDE, ZOOM = 96, 2  # of a part in pixels of the truth, and how large each of them is shown
MOST = 12  # pictures of a folder
PARTS = {  # left and top, pixels of the truth
    "face": ("astronaut", 176, 80),
    "letters": ("astronaut", 124, 336),
    "fur": ("chelsea", 140, 32),
    "wood": ("coffee", 484, 32),
    "lattice": ("rocket", 12, 88),
    "handwriting": ("text", 100, 40),
}


def published() -> Iterator[tuple[np.ndarray, int, int]]:
    """Truth ``(H, W, 3)`` uint8, and left and top of the part that is shown."""
    from skimage import data

    for name, left, top in PARTS.values():
        picture = getattr(data, name)()
        yield crop_to_multiple(picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)), left, top


def own(folder: Path) -> Iterator[tuple[np.ndarray, int, int]]:
    """Likewise, the part of each picture where bicubic interpolation loses most."""
    for path in find_pictures(folder)[:MOST]:
        truth = crop_to_multiple(np.asarray(open_rgb(path)))
        if min(truth.shape[:2]) >= SIDE:
            lost = np.square(truth.astype(np.float32) - enlarged(make_low(truth))).mean(2)
            sums = cv2.boxFilter(lost, -1, (SIDE, SIDE), anchor=(0, 0))  # of what lies right of and below each pixel
            inside = sums[: truth.shape[0] - SIDE + 1, : truth.shape[1] - SIDE + 1]
            top, left = np.unravel_index(inside.argmax(), inside.shape)
            yield truth, int(left), int(top)


def enlarged(low: np.ndarray) -> np.ndarray:
    return resize(low, low.shape[1] * SCALE, low.shape[0] * SCALE)


def sheet(nets: dict[str, nn.Module], pictures: Iterable[tuple[np.ndarray, int, int]]) -> Image.Image:
    """A row a picture: bicubic, each network, truth; pixels are squares."""
    rows = []
    for truth, left, top in pictures:
        low = make_low(truth)
        cells = [enlarged(low), *(enlarge(net, low) for net in nets.values()), truth]
        parts = [cell[top : top + SIDE, left : left + SIDE] for cell in cells]
        rows.append([part.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1) for part in parts])
    return contact_sheet(rows, ("bicubic", *nets, "truth"), width=SIDE * ZOOM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("--pixel", type=Path, help="card of pixel weights, shown before those of the card")
    parser.add_argument("--root", type=Path, help="folder of other pictures")
    parser.add_argument(
        "--out", type=Path, help="where the sheet goes; by default to the card, unless of other pictures"
    )
    options = parser.parse_args()
    if options.root and options.out is None:
        parser.error("other pictures may not be redistributed: say with --out where the sheet goes instead of the card")
    nets = {folder.resolve().name: load(folder) for folder in (options.pixel, options.card) if folder}
    pictures = list(own(options.root) if options.root else published())
    if not pictures:
        parser.error(f"{options.root}: the first {MOST} pictures are smaller than {SIDE} pixels")
    out = options.out or options.card / "samples"
    out.mkdir(parents=True, exist_ok=True)
    save_png(sheet(nets, pictures), out / "crops.png")


if __name__ == "__main__":
    main()
