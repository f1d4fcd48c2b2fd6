"""Random square crops of any folder of pictures, or of drawn street scenes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.module import as_floats, held_out_loader
from zoo.data.picture_data import PictureData
from zoo.data.pictures import fit


class PictureCrops(PictureData[np.ndarray]):
    """Square crops of pictures, for training without labels.

    Batches are ``(B, 3, crop, crop)``, uint8 until they reach the device and float in 0..1 there. A picture is kept in
    memory as its central square, ``size`` pixels wide. Training crops are drawn anew every epoch: squares of ``crop``
    to ``size`` pixels, resized to ``crop``, half of them mirrored. Val and test use the whole squares.

    Args:
        root: folder of pictures. Subfolders train, val and test are the splits; without them a hash of each picture's
            path decides its split. None: street scenes drawn by the program.
        extra: folders of further training pictures, never used for validation or test.
        size: side of the central squares, in pixels.
        crop: side of the crops, in pixels.
        crops_per_epoch: number of training crops per epoch.
        val_fraction: fraction of the pictures of ``root`` for val, and the same fraction for test.
        held_out_pictures: maximum number of pictures of val, and of test.
        batch_size: training crops per step and device.
        num_workers: number of processes that make crops; None: one per core, at most 4, and none on two cores.
        seed: random seed of the training crops.
        splits: a CSV or JSON of pictures and their splits, or a folder with lists train.txt, val.txt and test.txt.
    """

    training_only = PictureData.training_only | {"crops_per_epoch"}
    sizes = frozenset({"size", "crop"})
    streets: ClassVar = {"train": 120, "val": 10, "test": 10}

    def __init__(
        self,
        root: Path | None = None,
        extra: list[Path] | None = None,
        size: int = 288,
        crop: int = 256,
        crops_per_epoch: int = 40_000,
        val_fraction: float = 0.05,
        held_out_pictures: int = 10,
        batch_size: int = 4,
        num_workers: int | None = None,
        seed: int = 0,
        splits: Path | None = None,
    ) -> None:
        counts = {"crops_per_epoch": crops_per_epoch, "held_out_pictures": held_out_pictures}
        super().__init__(root, extra, val_fraction, batch_size=batch_size, num_workers=num_workers, seed=seed, **counts)
        if not 1 <= crop <= size:
            raise ZooError(f"data.crop must be 1 to data.size pixels ({size}), not {crop}")
        self.epoch, self.held_out_pictures = crops_per_epoch, held_out_pictures
        self.size, self.crop, self.splits = size, crop, splits
        self.smallest, self.shape = crop, (size, size, 3)

    def keep(self, picture: Image.Image, name: str, split: Split) -> np.ndarray:
        """The central square, ``(size, size, 3)``."""
        return fit(picture, self.size, self.size)

    def batch_maker(self) -> Callable[[np.random.Generator], Tensor]:
        return partial(random_crops, pictures=self.kept("train"), count=self.batch_size, crop=self.crop)

    def held_out_dataloader(self, split: Split) -> DataLoader:
        return held_out_loader(torch.from_numpy(self.kept(split)).movedim(-1, 1), split)

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Tensor:
        return as_floats(batch)


def random_crops(rng: np.random.Generator, pictures: np.ndarray, count: int, crop: int) -> Tensor:
    """Random crops of squares ``(N, size, size, 3)``, each at least ``crop`` wide: uint8 ``(count, 3, crop, crop)``."""
    parts = np.empty((count, crop, crop, 3), np.uint8)
    size = pictures.shape[1]
    for i, chosen in enumerate(rng.integers(len(pictures), size=count).tolist()):
        side = int(rng.integers(crop, size, endpoint=True))
        top, left = rng.integers(size - side, size=2, endpoint=True).tolist()
        part = pictures[chosen, top : top + side, left : left + side]
        part = cv2.resize(part, (crop, crop), interpolation=cv2.INTER_AREA)
        parts[i] = part[:, ::-1] if rng.random() < 0.5 else part
    return torch.from_numpy(parts).movedim(-1, 1)
