"""Draws the sample pictures of the card of neural style, from photographs that anyone may publish.

python scripts/neural_style_samples.py cards/neural_style --vgg FILE.safetensors  (needs scikit-image)

The style is the pattern that the program draws, and another of its kind where two are blended. The photographs are
those of scikit-image: astronaut (NASA) is in the public domain, coffee (Rachel Michetti) is CC0.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from zoo import load
from zoo.base.files import replace
from zoo.data.style import draw_pattern
from zoo.pictures.sheets import contact_sheet

LONG, CELL = 320, 300  # pixels of a result's longer side, and of a cell of a sheet
MAX_BYTES = 300_000  # bytes of a file


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("card", type=Path)
    parser.add_argument("--vgg", default="timm")
    parser.add_argument("--iterations", type=int, default=200)
    options = parser.parse_args()

    from skimage import data

    net, folder = load(options.card), options.card / "samples"
    folder.mkdir(exist_ok=True)
    how = {"vgg": options.vgg, "iterations": options.iterations, "size": LONG}
    coffee, astronaut = data.coffee(), data.astronaut()
    pattern, other = draw_pattern(), draw_pattern(seed=3)
    save(Image.fromarray(coffee), folder / "coffee.jpg")
    painting = net.predict(coffee, pattern, preview_every=max(1, options.iterations // 4), **how)
    save(painting.strip(), folder / "strip.jpg")
    kept = net.predict(coffee, pattern, preserve_color=True, **how)
    blended = net.predict(coffee, [pattern, other], **how)
    failed = net.predict(astronaut, pattern, **how)
    cells = [pattern, other], [coffee, painting], [kept, blended], [astronaut, failed]
    titles = ("first style, content, colours kept, content", "second style, result, styles blended, result")
    save(contact_sheet([[np.asarray(cell) for cell in row] for row in cells], titles, CELL), folder / "sheet.jpg")


def save(picture: Image.Image, path: Path) -> None:
    """Writes a JPEG of at most ``MAX_BYTES``."""
    for quality in range(92, 40, -4):
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=quality)
        if content.tell() <= MAX_BYTES:
            break
    replace(path, content.getvalue())


if __name__ == "__main__":
    main()
