"""Draws the sample pictures of linknet_camvid's card: scenes that the program draws, their truth, its prediction.

python scripts/linknet_samples.py cards/linknet_camvid
"""

import sys
from pathlib import Path

import torch
from PIL import Image

from zoo import load
from zoo.data.labels import CAMVID
from zoo.data.streets import draw_street
from zoo.models.linknet.module import segmentation_sheet

SEEDS = (1, 2, 5, 12, 16, 17)
SIZE = (360, 480)


def main(card: Path) -> None:
    samples = card / "samples"
    samples.mkdir(exist_ok=True)
    picture, _ = draw_street(SEEDS[1], (720, 960))
    Image.fromarray(picture).save(samples / "street.jpg", quality=92)
    pictures, masks = zip(*(draw_street(seed, SIZE) for seed in SEEDS), strict=True)
    batch = torch.stack([torch.from_numpy(one).permute(2, 0, 1) / 255 for one in pictures])
    predictions = torch.stack([torch.from_numpy(result.mask) for result in load(card).predict(batch)])
    truth = torch.stack([torch.from_numpy(mask) for mask in masks])
    segmentation_sheet(batch, truth, predictions, CAMVID, rows=len(SEEDS)).save(samples / "sheet.jpg", quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
