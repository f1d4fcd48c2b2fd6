"""Draws the sample pictures of a card of fast style, from photographs that anyone may publish.

python scripts/fast_style_samples.py cards/fast_style_starry --style FILE [--vgg FILE.safetensors]  (needs scikit-image)

The style picture does not go on the card; instead a texture, made from noise by the loss without its content, shows
what the network was taught. It is left out without --style, for it takes minutes.

The photographs are those of scikit-image: astronaut (NASA) and text (Wikipedia) are in the public domain, as is rocket
(SpaceX), chelsea (Stefan van der Walt) and coffee (Rachel Michetti) are CC0. Of other pictures, which may not go on a
card, the sheets are drawn elsewhere, for looking at:

python scripts/fast_style_samples.py cards/fast_style_starry --root FOLDER --out FOLDER
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from zoo import load
from zoo.base.files import replace
from zoo.data.pictures import find_pictures
from zoo.models.fast_style.evaluate import brought_to, loss_of
from zoo.models.fast_style.net import FastStyle
from zoo.nn.descent import descend
from zoo.pictures.images import open_rgb
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

LONG = 512  # pixels of a photograph's longer side
CELL, NARROW = 340, 220  # width of a cell of a sheet, and of a strip
MAX_BYTES = 300_000  # bytes of a file
PICTURES = ("astronaut", "chelsea", "coffee", "rocket")
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
TEXTURE, ITERATIONS = 256, 400


def published(name: str) -> np.ndarray:
    from skimage import data

    picture = getattr(data, name)()
    return shrunk(Image.fromarray(picture).convert("RGB"))


def shrunk(picture: Image.Image) -> np.ndarray:
    return to_array(brought_to(picture, LONG)[0])


def results(net: FastStyle, pictures: list[np.ndarray]) -> Image.Image:
    """A row a picture."""
    rows = [[picture, np.asarray(net.predict(picture))] for picture in pictures]
    return contact_sheet(rows, ("content", "result"), width=CELL)


def strengths(net: FastStyle, picture: np.ndarray) -> Image.Image:
    cells = [picture, *(np.asarray(net.predict(picture, strength=strength)) for strength in STRENGTHS)]
    cells.append(np.asarray(net.predict(picture, preserve_color=True)))
    titles = ("content", *(f"strength {strength:g}" for strength in STRENGTHS), "preserve_color")
    return contact_sheet([cells], titles, width=NARROW)


def texture(recipe: dict, vgg: str | None, style: Path) -> Image.Image:
    """What lowers the loss of a recipe that has no content."""
    criterion, _ = loss_of(recipe, vgg=vgg, style=style)
    criterion.content_weight = 0.0
    noise = torch.rand(1, 3, TEXTURE, TEXTURE, generator=torch.Generator().manual_seed(0))
    targets = criterion.targets(noise)
    *_, last = descend(noise, lambda picture: criterion(picture, targets), ITERATIONS)
    return Image.fromarray(to_array(last.picture[0]))


def save(picture: Image.Image, path: Path) -> None:
    """Writes a JPEG of the best quality that fits."""
    for quality in range(92, 50, -4):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MAX_BYTES:
            break
    replace(path, buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("--style", type=Path, help="the picture whose style was learnt, for the texture")
    parser.add_argument("--vgg", help="weights of VGG-16, for the texture")
    parser.add_argument("--failure", default="text", help="photograph of scikit-image that shows where it fails")
    parser.add_argument("--root", type=Path, help="folder of other pictures")
    parser.add_argument(
        "--out", type=Path, help="where the sheets go; by default to the card, unless of other pictures"
    )
    options = parser.parse_args()
    if options.root and options.out is None:
        parser.error("other pictures may not be redistributed: say with --out where they go instead of the card")
    net, out = load(options.card), options.out or options.card / "samples"
    out.mkdir(parents=True, exist_ok=True)
    if options.root:
        pictures = [shrunk(open_rgb(path)) for path in find_pictures(options.root)[: len(PICTURES)]]
        save(results(net, pictures), out / "results.jpg")
        return
    save(results(net, [published(name) for name in PICTURES]), out / "results.jpg")
    save(results(net, [published(options.failure)]), out / "failure.jpg")
    save(strengths(net, published("chelsea")), out / "strength.jpg")
    if options.style:
        recipe = yaml.safe_load((options.card / "recipe.yaml").read_text(encoding="utf-8"))
        save(texture(recipe, options.vgg, options.style), out / "texture.jpg")


if __name__ == "__main__":
    main()
