"""XFeat in miniature for the conformance suite, and the checks of its paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import nn

from zoo.data.views import Batch, Range, Views, views_batch
from zoo.models.xfeat.module import XFeatModule
from zoo.models.xfeat.net import XFeat

ARGUMENTS = {"width": 0.5}
CHANNELS = 1
SIZES = [(1, 1), (7, 9), (33, 500), (64, 64), (72, 104)]


def out_shape(height: int, width: int) -> tuple[int, int, int]:
    return 64, -(-height // 8), -(-width // 8)


def module() -> XFeatModule:
    return XFeatModule(width=0.5)


def batch() -> Batch:
    how = Range(side=64, points=40, zoom=1.2, turn=10.0, tilt=0.05, shift=0.1, photometric=0.0)
    views, points, counts, keypoints = views_batch(np.random.default_rng(0), [pictures()], 4, how)
    return Batch(torch.from_numpy(views) / 255, *map(torch.from_numpy, (points, counts, keypoints)))


def pictures() -> list[np.ndarray]:
    """What is kept of a photograph."""
    return Views().keep(Image.fromarray(data.astronaut()), "astronaut", "train")


def miniature(recipe: dict, folder: Path) -> list[str]:
    """Arguments that make two steps of a recipe a matter of seconds, on data of their own in ``folder``."""
    arguments = ["--data.side=64", "--data.points=40", "--data.largest=200", "--data.batch_size=2"]
    arguments += ["--data.pairs_per_epoch=4", "--data.val_pairs=2", "--data.num_workers=0"]
    if "root" not in recipe["data"]["init_args"]:
        return arguments
    for part, photograph in (("pictures", data.astronaut()), ("extra", data.coffee())):
        (folder / part).mkdir(parents=True)
        for i, y in enumerate(range(0, 240, 20)):
            Image.fromarray(photograph[y : y + 140, y : y + 180]).save(folder / part / f"{i}.png")
    root, extra = f"--data.root={folder / 'pictures'}", f"--data.extra=[{folder / 'extra'}]"
    return [*arguments, root, extra, "--data.val_fraction=0.3"]


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_as_many_parameters_as_the_paper():
    """0.66 M, where 4, 8, 24, 64, 64 and 128 channels take turns."""
    net = XFeat()
    assert count(net) == 660_654
    convs = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert {conv.out_channels for conv in convs} == {1, 4, 8, 24, 64, 65, 128}
    assert sum(conv.stride == (2, 2) for conv in convs) == 5
