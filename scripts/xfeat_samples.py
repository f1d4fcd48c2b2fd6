"""Draws the sample pictures of an XFeat's card: pairs from street scenes that the program draws.

python scripts/xfeat_samples.py cards/xfeat_free

Of real pairs, which may not go on a card, a sheet is written elsewhere, for looking at:

python scripts/xfeat_samples.py cards/xfeat_free --real FOLDER --out FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from zoo import load
from zoo.data.pictures import fit
from zoo.data.streets import draw_street
from zoo.data.wide_pairs import PICTURE, wide_pair
from zoo.models.real_pairs import read_real_pairs
from zoo.models.xfeat.net import XFeat
from zoo.pictures.homography import Homography
from zoo.pictures.sheets import contact_sheet

STREETS = (2, 3, 4, 7)  # numbers of the scenes
MAX_LINES = 60  # inliers that are drawn
LINE = (90, 220, 120)


def street_pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of Protocol C of drawn streets."""
    pictures = [fit(Image.fromarray(draw_street(number, (1440, 1920))[0]), *PICTURE) for number in STREETS]
    pairs = [wide_pair(picture, 3, i) for i, picture in enumerate(pictures)]
    return [(pair.a, pair.b) for pair in pairs]


def hard_pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """What no homography tells: two depths, an object that moves and has most of the texture; hardly any texture."""
    street, near = (draw_street(number, (480, 640))[0] for number in STREETS[:2])
    other = np.roll(street, -12, 1)  # from another place the street moves by little, what is near by much
    depth = street.copy(), other.copy()
    for picture, left in zip(depth, (260, 140), strict=True):
        picture[140:, left : left + 240] = near[140:, 200:440]
    moving = cv2.GaussianBlur(street, (0, 0), 12), cv2.GaussianBlur(street, (0, 0), 12)
    for picture, left in zip(moving, (120, 300), strict=True):
        picture[100:380, left : left + 220] = near[100:380, 200:420]
    ramp = np.linspace(60, 200, 480 * 640).reshape(480, 640)
    rng = np.random.default_rng(0)
    plain = [np.clip(np.roll(ramp, 9 * i, 1) + rng.normal(0, 6, ramp.shape), 0, 255).astype(np.uint8) for i in (0, 1)]
    return [depth, moving, (np.dstack([plain[0]] * 3), np.dstack([plain[1]] * 3)), (street, street[:, ::-1].copy())]


def row(net: XFeat, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inliers as lines between both pictures, and the overlay; b darkened where there is no estimate."""
    result = net.predict(a, b)
    over = np.asarray(result.overlay()) if result.valid else result.b // 3
    return np.concatenate((side_by_side(result), over), 1)


def side_by_side(result: Homography) -> np.ndarray:
    """Both pictures at one height, with lines between inliers."""
    height = result.b.shape[0]
    scale = height / result.a.shape[0]
    a = cv2.resize(result.a, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:height]
    both = np.ascontiguousarray(np.concatenate((a, result.b), 1))
    inliers = np.zeros((0, 4)) if result.matches is None else result.matches[result.inliers]
    for x, y, u, v in inliers[:: max(1, len(inliers) // MAX_LINES)]:
        ends = (round(x * scale), round(y * scale)), (round(u) + a.shape[1], round(v))
        cv2.line(both, *ends, LINE, max(1, height // 400), cv2.LINE_AA)
    return both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("--real", type=Path, help="folder of real pairs instead of drawn streets")
    parser.add_argument("--out", type=Path, help="where the pictures go; by default to the card, unless real pairs")
    options = parser.parse_args()
    if options.real and options.out is None:
        parser.error("real pairs may not be redistributed: say with --out where they go instead of the card")
    net, out = load(options.card), options.out or options.card / "samples"
    out.mkdir(parents=True, exist_ok=True)
    if options.real:
        pairs = [(pair.a, pair.b) for pair in read_real_pairs(options.real)]
    else:
        pairs = street_pairs()
        for name, picture in zip("ab", pairs[0], strict=True):
            Image.fromarray(picture).save(out / f"{name}.jpg", quality=90)
    sheet = contact_sheet([[row(net, *pair)] for pair in pairs], ["a and b, matches that agree; a over b"], width=1200)
    sheet.save(out / "sheet.jpg", quality=85)
    if not options.real:
        hard = contact_sheet([[row(net, *pair)] for pair in hard_pairs()], ["what it cannot do"], width=1200)
        hard.save(out / "limits.jpg", quality=85)


if __name__ == "__main__":
    main()
