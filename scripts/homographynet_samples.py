"""Draws the sample pictures of a HomographyNet's card: pairs from street scenes that the program draws.

python scripts/homographynet_samples.py cards/homographynet_photos

Of photographs, which may not go on a card, the same sheet is written elsewhere, for looking at:

python scripts/homographynet_samples.py cards/homographynet_photos --root FOLDER --out FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from zoo import load
from zoo.data import HomographyPairs
from zoo.data.streets import draw_street
from zoo.models.evaluation import Context
from zoo.models.homographynet.evaluate import THREE, methods
from zoo.models.homographynet.module import ESTIMATE, TRUTH, draw_corners
from zoo.models.homographynet.net import HomographyNet
from zoo.models.trials import Trial
from zoo.pictures.geometry import corner_points, transform_points
from zoo.pictures.sheets import contact_sheet

EACH = 3  # good, median and worst pairs
WIDTH = 240  # pixels of a cell of the sheet
STREET = 2
MOVES = ((90, -60), (-70, 50), (60, 75), (-40, -80))  # from the corners of b.jpg to those of a.jpg, pixels


def sheet(net: HomographyNet, data: HomographyPairs) -> Image.Image:
    """The best, the median and the worst test pairs after three passes: a, and its corners in b."""
    trial, method = Trial.of(data, Context()), methods(net)[THREE]
    errors = np.where(np.isnan(found := trial.errors(method)), trial.still(), found)
    order, middle = np.argsort(errors), (len(errors) - EACH) // 2
    corners = corner_points(data.protocol.patch)
    rows = []
    for chosen in (order[:EACH], order[middle : middle + EACH], order[-EACH:]):
        cells = []
        picked = trial.take(chosen)
        for (a, b), offsets, matrix, error in zip(
            picked.pairs, picked.offsets, method(picked.pairs), errors[chosen], strict=True
        ):
            estimate = corners if matrix is None else transform_points(matrix, corners)
            quads = [(corners + offsets, TRUTH), (estimate, ESTIMATE)]
            cells += [rgb(a), captioned(draw_corners(rgb(b), quads), f"{error:.2f} px")]
        rows.append(cells)
    return contact_sheet(rows, ["a", "a's corners in b: truth blue, estimate red"] * EACH, width=WIDTH)


def captioned(cell: np.ndarray, text: str) -> np.ndarray:
    """The picture at the sheet's size, so that the text stays legible."""
    image = Image.fromarray(cell).resize((WIDTH, WIDTH))
    ImageDraw.Draw(image).text((6, 4), text, fill="white", font_size=14)
    return np.asarray(image)


def quick_start() -> tuple[Image.Image, Image.Image]:
    """Two views of a drawn street."""
    street = draw_street(STREET, (720, 960))[0]
    left, top, width, height = 160, 120, 640, 480
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    place = np.array([left, top], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, corners + place + np.array(MOVES, np.float32))
    a = cv2.warpPerspective(street, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return Image.fromarray(a), Image.fromarray(street[top : top + height, left : left + width])


def rgb(patch: np.ndarray) -> np.ndarray:
    return patch if patch.ndim == 3 else np.repeat(patch[..., None], 3, axis=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("--root", type=Path, help="folder of photographs instead of drawn streets")
    parser.add_argument("--out", type=Path, help="where the pictures go; by default to the card, unless photographs")
    options = parser.parse_args()
    if options.root and options.out is None:
        parser.error("photographs may not be redistributed: say with --out where they go instead of the card")
    net = load(options.card)
    out = options.out or options.card / "samples"
    out.mkdir(parents=True, exist_ok=True)
    data = HomographyPairs(options.root, grey=net.channels == 1, num_workers=0)
    sheet(net, data).save(out / "sheet.jpg", quality=85)
    if options.root is None:
        for name, picture in zip("ab", quick_start(), strict=True):
            picture.save(out / f"{name}.jpg", quality=90)


if __name__ == "__main__":
    main()
