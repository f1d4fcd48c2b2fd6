"""Draws the strip of pictures in README.md: one result of each task, from pictures that anyone may publish.

python scripts/readme_strip.py          (needs scikit-image)

The street is drawn. The photographs come with scikit-image: astronaut (NASA) is in the public domain, chelsea (Stefan
van der Walt) and coffee (Rachel Michetti) are CC0.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps
from skimage import data

from zoo import load

ROOT = Path(__file__).parents[1]
HEIGHT, GAP = 240, 8  # pixels
QUALITY = 88


def street() -> list[Image.Image]:
    picture = Image.open(ROOT / "cards" / "linknet_camvid" / "samples" / "street.jpg")
    return [load("linknet").predict(picture).overlay()]


def mosaic() -> list[Image.Image]:
    """Panorama of two parts of a photograph, one of which was turned and darkened."""
    photograph = Image.fromarray(data.astronaut())
    left = photograph.crop((0, 70, 330, 400))
    right = ImageEnhance.Brightness(photograph.rotate(14, Image.Resampling.BICUBIC).crop((170, 110, 480, 420))).enhance(
        0.8
    )
    return [load("xfeat").predict(left, right, refine="ecc").stitch()]


def enlarged() -> list[Image.Image]:
    """Bicubic interpolation beside the network."""
    low = Image.fromarray(data.chelsea()[60:220, 100:260]).resize((60, 60), Image.Resampling.BICUBIC)
    return [low.resize((240, 240), Image.Resampling.BICUBIC), load("perceptual_sr").predict(low).picture]


def painted() -> list[Image.Image]:
    photograph = Image.fromarray(data.coffee())
    return [load("fast_style").predict(photograph, style="starry_night").picture]


def main() -> None:
    cells = [cell.convert("RGB") for task in (street, mosaic, enlarged, painted) for cell in task()]
    cells = [ImageOps.scale(cell, HEIGHT / cell.height, Image.Resampling.LANCZOS) for cell in cells]
    cells = [cell.resize((cell.width, HEIGHT)) for cell in cells]
    strip = Image.new("RGB", (sum(cell.width + GAP for cell in cells) - GAP, HEIGHT), "white")
    left = 0
    for cell in cells:
        strip.paste(cell, (left, 0))
        left += cell.width + GAP
    strip.save(ROOT / "docs" / "strip.jpg", quality=QUALITY)
    print(f"docs/strip.jpg: {strip.width}x{strip.height}")


if __name__ == "__main__":
    main()
