"""What the DataModules of the zoo share: checked numbers, splits kept in memory, and how samples reach the network."""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from zoo.base.bounds import check_count
from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.sampling import EpochSampler, EverySampleOnce, default_workers, replicas, worker_options

LAST_SEED = 2**32 - 1  # of NumPy and of Lightning
MOST = 2**31 - 1  # of anything: what counts them has 32 bits here and there
Kept = TypeVar("Kept", bound=Sized)
NEEDED: dict[str, tuple[Split, ...]] = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}


class DataModule(LightningDataModule, Generic[Kept]):
    """Base of DataModules whose splits stay in memory: subclasses say what is kept, by :meth:`load`.

    Attributes:
        training_only: arguments that cannot change what is validated or tested.
        sizes: arguments in pixels.

    Args:
        batch_size: training samples per step and device.
        num_workers: processes that make batches; None takes one a core, at most 4, and none on machines of two cores,
            where they would only take time from the network.
        seed: of what is random in training.
        counts: further arguments that are 1 or more.
    """

    training_only: ClassVar[frozenset[str]] = frozenset({"batch_size", "num_workers", "seed"})
    sizes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, batch_size: int, num_workers: int | None, seed: int, **counts: int) -> None:
        super().__init__()
        for name, count in {"batch_size": batch_size, **counts}.items():
            if not 1 <= count <= MOST:
                raise ZooError(f"data.{name} is {'1 or more' if count < 1 else f'at most {MOST:,}'}, not {count}")
        check_count("data.seed", seed, f"is 0..{LAST_SEED}", least=0, most=LAST_SEED)
        if num_workers is not None and num_workers < 0:
            raise ZooError(f"data.num_workers is 0 or more, not {num_workers}")
        self.batch_size, self.seed = batch_size, seed
        self.num_workers = default_workers() if num_workers is None else num_workers
        self._kept: dict[str, Kept] = {}

    def load(self, split: Split) -> Kept:
        """Reads or draws what is kept of a split, checked."""
        raise NotImplementedError

    def kept(self, split: Split) -> Kept:
        """What :meth:`load` gives, in memory from the first call on.

        Raises:
            ZooError: it is nothing.
        """
        if split not in self._kept:
            self._kept[split] = self.load(split)
            if not len(self._kept[split]):
                raise ZooError(f"{type(self).__name__}: the {split} split is empty")
        return self._kept[split]

    def setup(self, stage: str) -> None:
        for split in NEEDED.get(stage, ()):
            self.kept(split)

    def start(self) -> tuple[int, int]:
        """The epoch in which training begins, and how many of its batches were made: both 0 but in a resumed run."""
        if self.trainer is None:
            return 0, 0
        loop = self.trainer.fit_loop
        epoch: Any = loop.epoch_progress.current
        return epoch.processed, loop.epoch_loop.batch_progress.current.ready if epoch.started > epoch.processed else 0

    def held_out_dataloader(self, split: Split) -> DataLoader:
        """Every sample of val or test once; most often by :func:`held_out_loader`."""
        raise NotImplementedError

    def val_dataloader(self) -> DataLoader:
        return self.held_out_dataloader("val")

    def test_dataloader(self) -> DataLoader:
        return self.held_out_dataloader("test")


@dataclass
class TrainingBatches(Dataset):
    """Batches of training, each a pure function of seed, epoch and index, so that a resumed run is the same run.

    Indices come from :class:`EpochSampler` and carry the epoch.

    Args:
        count: of an epoch.
        seed: of all of them.
        make: makes a batch from a source of chance.
    """

    count: int
    seed: int
    make: Callable[[np.random.Generator], Any]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: int) -> Any:
        return self.make(np.random.default_rng((self.seed, key)))


def batches_loader(batches: Dataset, num_workers: int, start: tuple[int, int] = (0, 0)) -> DataLoader:
    """A loader of a data set whose samples are whole batches, in their order.

    Args:
        batches: the data set.
        num_workers: of the loader.
        start: what :meth:`DataModule.start` says.
    """
    epoch, skip = start
    sampler = EpochSampler(batches, epoch=epoch, skip=skip, **replicas(), shuffle=False, drop_last=True)
    return DataLoader(batches, batch_size=None, sampler=sampler, **worker_options(num_workers))


def held_out_loader(samples: Any, split: Split, batch_size: int = 1) -> DataLoader:
    """A loader of each sample once over all devices.

    Raises:
        ZooError: there are more devices than samples; one without any would leave the others waiting.
    """
    if len(samples) < (ranks := replicas()["num_replicas"]):
        raise ZooError(f"{split} has {len(samples)} samples for {ranks} devices: add some, or train on fewer")
    sampler = EverySampleOnce(samples, **replicas(), shuffle=False)  # type: ignore[arg-type]
    return DataLoader(samples, batch_size, sampler=sampler)


def as_floats(pictures: Tensor) -> Tensor:
    """``(B, C, H, W)`` of 0..255 as float32 in 0..1, channels last in memory."""
    return (pictures.float() / 255).contiguous(memory_format=torch.channels_last)
