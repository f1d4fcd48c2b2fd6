"""Draws the sample pictures of cards of super resolution, of pictures that anyone may publish. Needs scikit-image.

python scripts/perceptual_sr_samples.py cards/perceptual_sr_photo     # crops.jpg and everyday.jpg
python scripts/perceptual_sr_samples.py cards/perceptual_sr_pixel --root FOLDER --out FOLDER     # own pictures

The photographs are those of scikit-image: astronaut and hubble_deep_field (NASA), text (Wikipedia) and rocket (SpaceX)
are in the public domain; chelsea (Stefan van der Walt), coffee (Rachel Michetti) and grass (linolafett) are CC0. Other
pictures, which may not go on a card, make the first sheet elsewhere, for looking at.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo import list_models, load
from zoo.base.errors import ZooError
from zoo.data.degradation import saved
from zoo.data.low_resolution import crop_to_multiple, enlarge, make_low, resize
from zoo.data.pictures import find_pictures
from zoo.models.perceptual_sr.evaluate import Method, upscaled
from zoo.pictures.images import open_rgb
from zoo.pictures.sheets import contact_sheet

SIDE = 192  # side of a part, in pixels of the truth
MAX_PICTURES = 12  # pictures of a folder
PARTS = {  # left and top, pixels of the truth
    "face": ("astronaut", 150, 40),
    "letters": ("astronaut", 60, 300),
    "fur": ("chelsea", 100, 20),
    "wood": ("coffee", 400, 20),
    "lattice": ("rocket", 0, 60),
    "handwriting": ("text", 100, 0),
}
LOW = 80, 60  # width and height of an everyday picture
QUALITY = 50  # quality of its JPEG


def published() -> Iterator[tuple[np.ndarray, int, int]]:
    """Truth ``(H, W, 3)`` uint8, and left and top of the part that is shown."""
    for name, left, top in PARTS.values():
        yield photograph(name), left, top


def photograph(name: str) -> np.ndarray:
    from skimage import data

    picture = getattr(data, name)()
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def own(folder: Path) -> Iterator[tuple[np.ndarray, int, int]]:
    """The pictures of a folder, each with the part of which bicubic interpolation loses most."""
    for path in find_pictures(folder)[:MAX_PICTURES]:
        truth = crop_to_multiple(np.asarray(open_rgb(path)), 4)
        if min(truth.shape[:2]) >= SIDE:
            lost = np.square(truth.astype(np.float32) - enlarge(make_low(truth, 4), 4)).mean(2)
            sums = cv2.boxFilter(lost, -1, (SIDE, SIDE), anchor=(0, 0))  # sums right of and below each pixel
            inside = sums[: truth.shape[0] - SIDE + 1, : truth.shape[1] - SIDE + 1]
            top, left = np.unravel_index(inside.argmax(), inside.shape)
            yield truth, int(left), int(top)


def crops(methods: dict[str, Method], scale: int, pictures: Iterable[tuple[np.ndarray, int, int]]) -> Image.Image:
    """A row a picture: bicubic, each network, truth, at natural size."""
    rows = []
    for picture, left, top in pictures:
        truth = crop_to_multiple(picture, scale)
        low = make_low(truth, scale)
        cells = [*(method(low) for method in methods.values()), truth]
        rows.append([cell[top : top + SIDE, left : left + SIDE] for cell in cells])
    return contact_sheet(rows, (*methods, "truth"), width=SIDE)


def everyday(methods: dict[str, Method]) -> Image.Image:
    """A row a picture as people have it, saved as JPEG, enlarged by each method."""
    rows = []
    for picture in (scan(), part("astronaut", 2, 60, 10), part("grass", 2, 40, 40), screenshot(), night(), drawing()):
        low = saved(np.ascontiguousarray(picture), QUALITY)
        rows.append([method(low) for method in methods.values()])
    return contact_sheet(rows, tuple(methods), width=rows[0][0].shape[1])


def part(name: str, factor: int, left: int, top: int) -> np.ndarray:
    """A part of a photograph that was made smaller."""
    picture = photograph(name)[..., :3]
    small = resize(picture, picture.shape[1] // factor, picture.shape[0] // factor)
    return small[top : top + LOW[1], left : left + LOW[0]]


def scan() -> np.ndarray:
    return part("text", 1, 100, 40)


def night() -> np.ndarray:
    return part("hubble_deep_field", 4, 60, 40)


def screenshot() -> np.ndarray:
    picture = Image.new("RGB", LOW, (240, 240, 244))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, LOW[0], 12), fill=(50, 90, 160))
    draw.text((4, 0), "Settings", fill="white", font=ImageFont.load_default(10))
    for row, text in enumerate(("Display", "Network", "Sound")):
        top = 17 + 14 * row
        draw.ellipse((4, top, 12, top + 8), outline=(80, 80, 80), fill=(90, 170, 90) if row == 1 else None)
        draw.text((18, top - 2), text, fill=(30, 30, 30), font=ImageFont.load_default(10))
    return np.asarray(picture)


def drawing() -> np.ndarray:
    """Lines of a face, drawn large and made smaller."""
    zoom = 8
    picture = Image.new("RGB", (LOW[0] * zoom, LOW[1] * zoom), "white")
    draw = ImageDraw.Draw(picture)
    pen = partial(draw.line, fill="black", width=zoom)
    draw.ellipse((120, 40, 520, 440), outline="black", width=zoom)
    for x in (240, 400):
        draw.ellipse((x - 35, 170, x + 35, 220), outline="black", width=zoom)
        draw.ellipse((x - 10, 182, x + 10, 206), fill="black")
    pen([(320, 200), (300, 290), (335, 290)])
    draw.arc((240, 260, 400, 380), 20, 160, fill="black", width=zoom)
    for i in range(24):
        angle = math.pi * (1.05 + 0.9 * i / 23)
        x, y = 320 + 200 * math.cos(angle), 240 + 200 * math.sin(angle)
        pen([(x, y), (x + 46 * math.cos(angle + 0.3), y + 46 * math.sin(angle + 0.3))])
    return resize(np.asarray(picture), *LOW)


def networks(card: Path) -> tuple[dict[str, Method], int]:
    """Bicubic interpolation and the weights of the zoo with the scale of a card, that card's among them."""
    nets = {name: load(name) for name in list_models("perceptual_sr*")} | {card.resolve().name: load(card)}
    scale = nets[card.resolve().name].scale
    same = {name: partial(upscaled, net) for name, net in nets.items() if net.scale == scale}
    return {"bicubic": partial(enlarge, scale=scale), **same}, scale


def save(sheet: Image.Image, path: Path) -> None:
    """Writes a JPEG that keeps colours at full resolution: a fourth of a PNG, and no difference that one would see."""
    sheet.save(path, quality=93, subsampling=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("--root", type=Path, help="folder of other pictures")
    parser.add_argument(
        "--out", type=Path, help="where the sheets go; by default to the card, unless of other pictures"
    )
    options = parser.parse_args()
    if options.root and options.out is None:
        parser.error("other pictures may not be redistributed: say with --out where the sheet goes instead of the card")
    methods, scale = networks(options.card)
    pictures = list(own(options.root) if options.root else published())
    if not pictures:
        raise ZooError(f"{options.root}: the first {MAX_PICTURES} pictures are smaller than {SIDE} pixels")
    out = options.out or options.card / "samples"
    out.mkdir(parents=True, exist_ok=True)
    save(crops(methods, scale, pictures), out / "crops.jpg")
    if not options.root:
        save(everyday(methods), out / "everyday.jpg")


if __name__ == "__main__":
    main()
