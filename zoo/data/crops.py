"""Any folder of pictures, or drawn street scenes, as endless square parts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.pictures import PictureFolders, fit, read_pictures
from zoo.data.sampling import EpochSampler, EverySampleOnce, default_workers, replicas, worker_options
from zoo.data.streets import draw_street

STREETS = {"train": (0, 120), "val": (1_000_000, 10), "test": (2_000_000, 10)}  # first scene and how many


class PictureCrops(LightningDataModule):
    """Square parts of pictures, for what learns without labels.

    Batches are uint8 ``(B, 3, crop, crop)`` on the way to the device, there float in 0..1. A picture is kept in memory
    as the square in its middle, ``size`` pixels wide. Training parts are drawn afresh every epoch: squares of ``crop``
    to ``size`` pixels, each brought to ``crop``, mirrored half of the time. Val and test are the whole squares.

    Args:
        root: folder of pictures; each goes to a split by the digest of its path. None: drawn street scenes.
        extra: folders of further pictures to train on, never validated or tested on.
        size: side of the squares that are kept, in pixels.
        crop: side of the parts.
        train_crops: of an epoch.
        held_out: share of the pictures of ``root`` for val, and as many for test.
        held_out_pictures: of val, and of test, at most.
        batch_size: training parts per step and device.
        num_workers: processes that make parts; None takes one a core, at most 4, and none on two cores.
        seed: of the training parts.
    """

    def __init__(
        self,
        root: Path | None = None,
        extra: list[Path] | None = None,
        size: int = 288,
        crop: int = 256,
        train_crops: int = 40_000,
        held_out: float = 0.05,
        held_out_pictures: int = 10,
        batch_size: int = 4,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if min(batch_size, train_crops, held_out_pictures) < 1 or (num_workers or 0) < 0:
            raise ZooError("data.batch_size, train_crops and held_out_pictures are 1 or more, num_workers 0 or more")
        if not 1 <= crop <= size:
            raise ZooError(f"data.crop is 1 to data.size pixels ({size}), not {crop}")
        self.folders = PictureFolders(root, extra, held_out)
        self.size, self.crop, self.train_crops = size, crop, train_crops
        self.held_out_pictures = held_out_pictures
        self.batch_size, self.seed = batch_size, seed
        self.num_workers = default_workers() if num_workers is None else num_workers
        self._pictures: dict[str, np.ndarray] = {}

    def names(self, split: Split) -> list[Path]:
        """The pictures of a split, those of ``root`` before those of ``extra``."""
        names = self.folders.names(split)
        return names if split == "train" else names[: self.held_out_pictures]

    def pictures(self, split: Split) -> np.ndarray:
        """The squares of a split, ``(N, size, size, 3)`` uint8, kept in memory."""
        if split not in self._pictures:
            self._pictures[split] = self._draw(split) if self.folders.root is None else self._read(split)
        return self._pictures[split]

    def _draw(self, split: Split) -> np.ndarray:
        first, count = STREETS[split]
        scenes = (Image.fromarray(draw_street(first + i, (240, 320))[0]) for i in range(count))
        return np.stack([fit(scene, self.size, self.size) for scene in scenes])

    def _read(self, split: Split) -> np.ndarray:
        paths = self.folders.some(split)
        if split != "train":
            paths = paths[: self.held_out_pictures]
        pictures, skipped = read_pictures(paths, self.size, self.size, grey=False, smallest=self.crop)
        if not len(pictures):
            raise ZooError(f"{self.folders.root}: none of {len(paths)} pictures of {split} can be used; {skipped[0]}")
        if skipped and not replicas()["rank"]:
            print(f"{split}: {len(skipped)} of {len(paths)} pictures skipped; {skipped[0]}", file=sys.stderr)  # noqa: T201
        return pictures

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.pictures("train")

    def train_dataloader(self) -> DataLoader:
        batches = max(self.train_crops // self.batch_size, replicas()["num_replicas"])
        dataset = TrainingCrops(self.pictures("train"), batches, self.seed, self.batch_size, self.crop)
        sampler = EpochSampler(dataset, **replicas(), shuffle=False, drop_last=True)
        return DataLoader(dataset, batch_size=None, sampler=sampler, **worker_options(self.num_workers))

    def val_dataloader(self) -> DataLoader:
        return self._squares("val")

    def test_dataloader(self) -> DataLoader:
        return self._squares("test")

    def _squares(self, split: Split) -> DataLoader:
        pictures = torch.from_numpy(self.pictures(split)).movedim(-1, 1)
        if len(pictures) < (ranks := replicas()["num_replicas"]):  # a rank without any would leave the others waiting
            raise ZooError(f"{split} has {len(pictures)} pictures for {ranks} devices: add some, or train on fewer")
        sampler = EverySampleOnce(pictures, **replicas(), shuffle=False)  # type: ignore[arg-type]
        return DataLoader(pictures, 1, sampler=sampler)  # type: ignore[arg-type]

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Tensor:
        return (batch.float() / 255).contiguous(memory_format=torch.channels_last)


@dataclass
class TrainingCrops(Dataset):
    """Batches of training parts, each a pure function of seed, epoch and index, so that a resumed run is the same run.

    Indices come from :class:`EpochSampler` and carry the epoch.

    Args:
        pictures: squares ``(N, size, size, 3)`` uint8.
        batches: of an epoch.
        seed: of all of them.
        batch_size: parts of a batch.
        crop: side of a part.
    """

    pictures: np.ndarray
    batches: int
    seed: int
    batch_size: int
    crop: int

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, key: int) -> Tensor:
        rng = np.random.default_rng((self.seed, key))
        parts = np.empty((self.batch_size, self.crop, self.crop, 3), np.uint8)
        size = self.pictures.shape[1]
        for i, chosen in enumerate(rng.integers(len(self.pictures), size=self.batch_size).tolist()):
            side = int(rng.integers(self.crop, size, endpoint=True))
            top, left = rng.integers(size - side, size=2, endpoint=True).tolist()
            part = self.pictures[chosen, top : top + side, left : left + side]
            part = cv2.resize(part, (self.crop, self.crop), interpolation=cv2.INTER_AREA)
            parts[i] = part[:, ::-1] if rng.random() < 0.5 else part
        return torch.from_numpy(parts).movedim(-1, 1)
