"""Segmentation data in memory: checked once, augmented per sample, deterministic over runs and ranks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from zoo.base.errors import ZooError
from zoo.base.splits import Split as Split
from zoo.data.labels import LabelMap
from zoo.data.masks.files import Reader, read_ids, read_pair
from zoo.data.module import DataModule, held_out_loader
from zoo.data.sampling import EpochSampler, replicas, worker_options
from zoo.data.transforms import Augment

if TYPE_CHECKING:
    from albumentations import Compose

Sample: TypeAlias = tuple[np.ndarray, np.ndarray]  # picture (H, W, 3) and mask (H, W), both uint8
MOST_ERRORS = 100  # after which reading stops


class SegmentationData(DataModule[list[Sample]]):
    """Base of the segmentation DataModules; a subclass returns its samples from :meth:`load`.

    Batches are ``(pictures, masks)``. Pictures are uint8 ``(B, H, W, 3)`` until they reach the device and float RGB in
    0..1 ``(B, 3, H, W)`` there; masks are int64 ``(B, H, W)``.

    Args:
        labels: the classes.
        batch_size: training samples per step and device.
        num_workers: number of processes that augment; None: chosen by the number of cores.
        augment: augmentation of the training samples.
        seed: random seed of augmentation and order. With one seed, a sample is augmented alike in the same epoch of
            every run.
        counts: further arguments that are 1 or more.
    """

    training_only = DataModule.training_only | {"augment"}

    def __init__(
        self,
        labels: LabelMap,
        batch_size: int,
        num_workers: int | None,
        augment: Augment | None,
        seed: int,
        **counts: int,
    ) -> None:
        super().__init__(batch_size, num_workers, seed, **counts)
        self.labels = labels
        self.augment = augment or Augment()

    def listed(self, split: Split) -> dict[Path, Path | None]:
        """The pictures of a split with their masks, None where one is missing; empty if the program draws them.

        Files are not read, so that those which a training would refuse are listed too.
        """
        return {}

    def unpaired(self) -> list[Path]:
        """Masks that belong to no picture."""
        return []

    def reader(self) -> Reader:
        """The function that reads the class ids of a picture's mask."""
        return lambda _, mask: read_ids(mask)

    def class_pixels(self) -> Tensor:
        """Pixels of each class in the training annotations, float64 ``(classes,)``; 0 for an ignored class."""
        counts = np.sum([np.bincount(mask.ravel(), minlength=256) for _, mask in self.kept("train")], axis=0)
        if self.labels.ignore_index is not None:
            counts[self.labels.ignore_index] = 0
        return torch.from_numpy(counts[: len(self.labels)]).double()

    def digest(self, split: Split) -> str:
        """SHA-256 over the pixels of a split: identifies the data of a figure, whatever the encoding of the files."""
        digest = hashlib.sha256()
        for picture, mask in self.kept(split):
            for array in (picture, mask):
                digest.update(repr(array.shape).encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def train_dataloader(self) -> DataLoader:
        dataset = AugmentedSamples(self.kept("train"), self.augment.transform(self.labels), self.seed)
        epoch, made = self.start()
        options = {**replicas(), "shuffle": True, "seed": self.seed, "drop_last": True}
        sampler = EpochSampler(dataset, epoch=epoch, skip=made * self.batch_size, **options)
        if len(sampler) < self.batch_size:
            count = f"{len(sampler)} training pictures" + (" of each device" if sampler.num_replicas > 1 else "")
            raise ZooError(f"data.batch_size {self.batch_size} is more than the {count}")
        return DataLoader(dataset, self.batch_size, sampler=sampler, drop_last=True, **worker_options(self.num_workers))

    def held_out_dataloader(self, split: Split) -> DataLoader:
        samples = self.kept(split)
        same_size = len({mask.shape for _, mask in samples}) == 1
        return held_out_loader(samples, split, self.batch_size if same_size else 1)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> tuple[Tensor, Tensor]:
        pictures, masks = batch
        return pictures.permute(0, 3, 1, 2).float() / 255, masks.long()


@dataclass
class AugmentedSamples(Dataset):
    """Training samples, augmented as a pure function of seed, epoch and index, so a resumed run sees the same samples.

    Indices come from :class:`EpochSampler` and carry the epoch: ``epoch * len(self) + index``.
    """

    samples: Sequence[Sample]
    transform: Compose
    seed: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int) -> Sample:
        picture, mask = self.samples[key % len(self)]
        self.transform.set_random_seed(int(np.random.SeedSequence((self.seed, key)).generate_state(1)[0]))
        out = self.transform(image=picture, mask=mask)
        return out["image"], out["mask"]


def read_samples(pairs: Sequence[tuple[Path, Path]], labels: LabelMap, read: Reader | None = None) -> list[Sample]:
    """Decodes pictures and annotations, on all cores.

    Args:
        pairs: pictures with their annotations.
        labels: the classes.
        read: function that reads an annotation; None: a picture of class ids.

    Raises:
        ZooError: a file is damaged, sizes disagree, or an annotation has a value outside the label map. The message
            names the first such file and counts the others.
    """
    samples, errors = list[Sample](), list[ZooError]()
    with ThreadPoolExecutor() as pool:
        for one in pool.map(partial(_sample_or_error, labels=labels, read=read), pairs):
            if not isinstance(one, ZooError):
                samples.append(one)
                continue
            errors.append(one)
            if len(errors) == MOST_ERRORS:
                break
    if errors:
        first, *rest = str(errors[0]).split("\n")
        count = f"{'at least ' * (len(errors) == MOST_ERRORS)}{len(errors) - 1}"
        more = f" (and {count} more)" * (len(errors) > 1)
        raise ZooError("\n".join([first + more, *rest]))
    return samples


def _sample_or_error(pair: tuple[Path, Path], labels: LabelMap, read: Reader | None) -> Sample | ZooError:
    try:
        return read_sample(*pair, labels, read)
    except ZooError as error:
        return error


def read_sample(picture_path: Path, mask_path: Path, labels: LabelMap, read: Reader | None = None) -> Sample:
    picture, mask = read_pair(picture_path, mask_path, read)
    counts = np.bincount(mask.ravel(), minlength=256)
    counts[: len(labels)] = 0
    if labels.ignore_index is not None:
        counts[labels.ignore_index] = 0
    if counts.any():
        value = int(counts.argmax())
        fraction = counts[value] / mask.size
        void = "no value is ignored" if labels.ignore_index is None else f"{labels.ignore_index} is ignored"
        raise ZooError(
            f"{mask_path}: value {value} ({fraction:.1%} of its pixels) is no class; "
            f"classes are 0..{len(labels) - 1}, {void}{from_255_to_1(np.unique(mask), labels)}"
        )
    return picture, mask


def from_255_to_1(values: np.ndarray, labels: LabelMap) -> str:
    """The line of a message that tells how to take masks of 0 and 255 for two classes; empty for other masks."""
    if len(labels) > 2 or {0, *values.tolist()} != {0, 255}:
        return ""
    named = f"{{0: {labels.names[0]}, 255: {labels.names[1]}}}"
    return f"\nif 255 means {labels.names[1]!r}, say so: --data.values '{named}'"
