"""Each architecture's training in miniature, on a few drawn pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

MINIATURES = {
    "linknet_streets": "--model.encoder=test_resnet --data.size=[64,64] --data.train={} --data.val=2 "
    "--data.augment.crop=[48,64]",
    "homographynet_streets": "--data.root=pictures --data.pairs_per_epoch={} --data.val_pairs=4",
    "perceptual_sr_streets": "--data.root=pictures --data.pairs_per_epoch={} --data.crop=32 --model.channels=8",
    "fast_style_streets": "--data.root=pictures --data.crops_per_epoch={} --data.crop=32 --data.size=64 "
    "--model.style_size=64 --model.channels=6",
    "xfeat_free": "--data.root=pictures --data.extra=null --data.pairs_per_epoch={} --data.val_pairs=4 --data.side=64 "
    "--data.points=32 --model.width=0.25",
}


def write_pictures(folder: Path) -> None:
    """Writes the pictures that the miniatures learn from, into ``pictures``."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 2)):
        (folder / "pictures" / split).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8))
            coarse.resize((320, 240)).save(folder / "pictures" / split / f"{number}.png")
