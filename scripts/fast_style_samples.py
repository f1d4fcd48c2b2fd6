"""Draws the sample pictures of a card of fast style, from photographs that anyone may publish.

python scripts/fast_style_samples.py cards/fast_style          (needs scikit-image)

The photographs come with scikit-image: astronaut (NASA) and rocket (SpaceX) are in the public domain, chelsea (Stefan
van der Walt) and coffee (Rachel Michetti) are CC0. Beside L-BFGS stand hubble_deep_field (NASA, public domain) and
camera (Lav Varshney, CC0) as well. Of other pictures, which may not go on a card, the same sheets are drawn elsewhere,
to look at them:

python scripts/fast_style_samples.py cards/fast_style --root FOLDER --out FOLDER

--vgg FILE draws one sheet more, optimised.jpg: each photograph in another style, by the network and by L-BFGS on the
loss of the card's recipe, whose paintings must be where the recipe says.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from zoo import load
from zoo.base.files import replace
from zoo.data.pictures import find_pictures
from zoo.models.fast_style.evaluate import brought_to, loss_of, one_style
from zoo.models.fast_style.evaluate import painted as painted_in
from zoo.models.fast_style.net import FastStyle
from zoo.models.fast_style.reference import Descent
from zoo.pictures.images import open_rgb
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

STREET = Path(__file__).parents[1] / "cards" / "linknet_camvid" / "samples" / "street.jpg"
PICTURES = ("coffee", "astronaut", "chelsea", "rocket")
FURTHER = ("hubble_deep_field", "camera")  # pictures that are only compared with L-BFGS
WIDE, CELL, NARROW = 400, 300, 220  # width of a cell in pixels: of a mask's sheet, of sheets of styles, of a strip
SIDE, SHRUNK = 320, 262  # longer side of pictures beside L-BFGS, and of their cells on the sheet
COLUMNS = 4  # of the sheet of all styles
SHOWN = 3  # styles on the sheet of several photographs
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
BLENDS = (1.0, 0.75, 0.5, 0.25, 0.0)  # weights of the first of two styles
QUALITY, LEAST_QUALITY, MAX_BYTES = 85, 55, 235_000  # quality of a JPEG, and bytes of a file: five are below 1.2 MB


def published(names: Sequence[str] = PICTURES) -> list[Image.Image]:
    from skimage import data

    return [Image.fromarray(getattr(data, name)()).convert("RGB") for name in names]


def painted(net: FastStyle, picture: Image.Image, **options: object) -> np.ndarray:
    return np.asarray(net.predict(picture, **options).picture)


def every_style(net: FastStyle, picture: Image.Image) -> Image.Image:
    """A photograph and its paintings, each below the name of its style."""
    cells = {"photograph": np.asarray(picture)} | {name: painted(net, picture, style=name) for name in net.styles}
    names = list(cells)
    rows = [names[first : first + COLUMNS] for first in range(0, len(names), COLUMNS)]
    return stacked([contact_sheet([[cells[name] for name in row]], row, width=CELL) for row in rows])


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (max(each.width for each in sheets), sum(each.height for each in sheets)), "white")
    top = 0
    for each in sheets:
        whole.paste(each, (0, top))
        top += each.height
    return whole


def results(net: FastStyle, pictures: Sequence[Image.Image]) -> Image.Image:
    """A row for each photograph, in a few styles."""
    styles = net.styles[:SHOWN]
    rows = [[np.asarray(each), *(painted(net, each, style=style) for style in styles)] for each in pictures]
    return contact_sheet(rows, ("photograph", *styles), width=CELL)


def strengths(net: FastStyle, picture: Image.Image) -> Image.Image:
    cells = [np.asarray(picture), *(painted(net, picture, strength=strength) for strength in STRENGTHS)]
    cells.append(painted(net, picture, preserve_color=True))
    titles = ("photograph", *(f"strength {strength:g}" for strength in STRENGTHS), "preserve_color")
    return contact_sheet([cells], titles, width=NARROW)


def blends(net: FastStyle, picture: Image.Image) -> Image.Image:
    """From one style to another."""
    first, other = net.styles[0], net.styles[min(2, len(net.styles) - 1)]
    mixes = [{first: weight, other: 1 - weight} if first != other else {first: 1.0} for weight in BLENDS]
    cells = [np.asarray(picture), *(painted(net, picture, style=mix) for mix in mixes)]
    titles = [" ".join(f"{name} {weight:g}" for name, weight in mix.items() if weight) for mix in mixes]
    return contact_sheet([cells], ("photograph", *titles), width=NARROW)


def masked(net: FastStyle) -> Image.Image:
    """A drawn street, the sky that LinkNet finds in it, and this sky painted."""
    picture = open_rgb(STREET)
    found = load("linknet").predict(picture)
    sky = found.mask == found.labels.index("Sky")
    mask = np.repeat(np.uint8(255 * sky)[..., None], 3, axis=2)
    cells = [np.asarray(picture), mask, painted(net, picture, mask=sky)]
    return contact_sheet([cells], ("drawn street", "sky, by LinkNet", "starry_night"), width=WIDE)


def optimised(net: FastStyle, card: Path, pictures: Sequence[Image.Image], vgg: str, iterations: int) -> Image.Image:
    """A row for each photograph in another style: the network's picture, and the picture that L-BFGS finds."""
    recipe = yaml.safe_load((card / "recipe.yaml").read_text())
    criterion, _, _ = loss_of(recipe, net.styles, vgg=vgg)
    rows = []
    for number, picture in enumerate(pictures):
        x = brought_to(picture, SIDE)
        style = one_style(net, number)
        descent = Descent(criterion, torch.from_numpy(style), "content", clip=True)
        with torch.autocast("cpu", torch.bfloat16):
            *_, last = descent.steps(x, iterations)
        rows.append([to_array(x[0]), to_array(painted_in(net, x, number)[0]), to_array(last.picture[0])])
    return contact_sheet(rows, ("photograph", "network", f"L-BFGS, {iterations} iterations"), width=SHRUNK)


def save(picture: Image.Image, path: Path) -> None:
    """Writes a JPEG of the best quality that fits."""
    for quality in range(QUALITY, LEAST_QUALITY, -3):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MAX_BYTES:
            break
    replace(path, buffer.getvalue())
    print(f"{path}: {picture.width}x{picture.height}, {buffer.tell():,} bytes, quality {quality}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("--root", type=Path, help="folder of other pictures")
    parser.add_argument(
        "--out", type=Path, help="folder of the sheets; by default the card's, unless of other pictures"
    )
    parser.add_argument("--vgg", help="weights of VGG-16, for the sheet beside L-BFGS")
    parser.add_argument("--iterations", type=int, default=500, help="iterations of L-BFGS")
    options = parser.parse_args()
    if options.root and options.out is None:
        parser.error("other pictures may not be redistributed: give --out, a folder other than the card")
    net, out = load(options.card), options.out or options.card / "samples"
    out.mkdir(parents=True, exist_ok=True)
    paths = find_pictures(options.root)[: len(PICTURES)] if options.root else []
    pictures = [open_rgb(path) for path in paths] or published()
    save(every_style(net, pictures[0]), out / "styles.jpg")
    save(results(net, pictures[1:] or pictures), out / "results.jpg")
    save(strengths(net, pictures[-2 if len(pictures) > 1 else 0]), out / "strength.jpg")
    save(blends(net, pictures[0]), out / "blend.jpg")
    if options.vgg:
        compared = pictures if options.root else published(PICTURES + FURTHER)
        sheet = optimised(net, options.card, compared, options.vgg, options.iterations)
        save(sheet, out / "optimised.jpg")
    save(masked(net), out / "mask.jpg")


if __name__ == "__main__":
    main()
