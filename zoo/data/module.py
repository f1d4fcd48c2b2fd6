"""Base of the DataModules of the zoo: checks arguments, keeps splits in memory, and makes loaders."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sized
from contextlib import suppress
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
from zoo.data import shared
from zoo.data.digest import arrays_of, digest
from zoo.data.sampling import EpochSampler, EverySampleOnce, default_workers, replicas, worker_options

LAST_SEED = 2**32 - 1  # largest seed of NumPy and of Lightning
MAX_COUNT = 2**31 - 1  # maximum of every count: some counters have 32 bits
Kept = TypeVar("Kept", bound=Sized)
NEEDED: dict[str, tuple[Split, ...]] = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}


class DataModule(LightningDataModule, Generic[Kept]):
    """Base of DataModules whose splits stay in memory; a subclass returns the samples of a split from :meth:`load`.

    Where a machine runs several processes, the first loads them, and all map the same memory.

    Attributes:
        training_only: arguments that do not change validation or test.
        sizes: arguments in pixels.
        sample: makes a sample from the list of its parts.

    Args:
        batch_size: training samples per step and device.
        num_workers: number of processes that make batches; None: one per core, at most 4, and none on two cores, where
            they would only take time from the network.
        seed: random seed of training.
        counts: further arguments, each 1 or more.
    """

    training_only: ClassVar[frozenset[str]] = frozenset({"batch_size", "num_workers", "seed"})
    sizes: ClassVar[frozenset[str]] = frozenset()
    sample: ClassVar[Callable[[list[Any]], Any]] = tuple

    def __init__(self, batch_size: int, num_workers: int | None, seed: int, **counts: int) -> None:
        super().__init__()
        for name, count in {"batch_size": batch_size, **counts}.items():
            if not 1 <= count <= MAX_COUNT:
                raise ZooError(
                    f"data.{name} must be {'1 or more' if count < 1 else f'at most {MAX_COUNT:,}'}, not {count}"
                )
        check_count("data.seed", seed, f"must be 0..{LAST_SEED}", least=0, most=LAST_SEED)
        if num_workers is not None and num_workers < 0:
            raise ZooError(f"data.num_workers must be 0 or more, not {num_workers}")
        self.batch_size, self.seed = batch_size, seed
        self.num_workers = default_workers() if num_workers is None else num_workers
        self._kept: dict[str, Kept] = {}

    def load(self, split: Split) -> Kept:
        """Reads or draws the samples of a split, and checks them."""
        raise NotImplementedError

    def kept(self, split: Split) -> Kept:
        """The samples of a split from :meth:`load`, in memory from the first call on.

        Raises:
            ZooError: the split is empty.
        """
        if split not in self._kept:
            self._kept[split] = self.load(split)
            if not len(self._kept[split]):
                raise ZooError(f"{type(self).__name__}: the {split} split is empty")
        return self._kept[split]

    def digest(self, split: Split) -> str:
        """SHA-256 that identifies the samples of a split, whatever the encoding of the files."""
        return digest(arrays_of(self.kept(split)))

    def digests(self) -> dict[str, str]:
        """Digests of the splits that are in memory."""
        return {split: self.digest(split) for split in self._kept}  # type: ignore[arg-type]

    def needed(self, stage: str | None) -> list[Split]:
        """The splits of a stage that stay in memory and are not there yet."""
        return [split for split in NEEDED.get(stage or "", ()) if split not in self._kept]

    def prepare_data(self) -> None:
        """Writes the samples for the processes of this machine; they read them themselves if that is not possible."""
        if self.trainer is None or self.trainer.num_devices == 1:
            return
        for split in self.needed(self.trainer.state.fn):
            place = shared.place(split)
            shared.remove(place)  # of a run that was killed
            try:
                with suppress(ZooError, TypeError):  # which every process meets; or samples of other kinds
                    shared.write(place, self.load(split))  # type: ignore[arg-type]
            except OSError as error:
                way_out = "TMPDIR=FOLDER names another place; now each process keeps its own samples"
                print(f"{place}: {error.strerror}; {way_out}", file=sys.stderr)  # noqa: T201

    def setup(self, stage: str) -> None:
        splits = self.needed(stage)
        if self.trainer is not None and self.trainer.num_devices > 1:
            self._map(splits)
        for split in splits:
            self.kept(split)

    def _map(self, splits: list[Split]) -> None:
        """Maps the samples that :meth:`prepare_data` wrote, and removes their files when all processes have."""
        trainer: Any = self.trainer
        for split in splits:
            with suppress(FileNotFoundError):
                self._kept[split] = shared.read(shared.place(split), type(self).sample)
        trainer.strategy.barrier("samples")
        if trainer.local_rank == 0:
            for split in splits:
                shared.remove(shared.place(split))

    def start(self) -> tuple[int, int]:
        """The epoch in which training starts and how many of its batches are already made; both 0 unless resumed."""
        if self.trainer is None:
            return 0, 0
        loop = self.trainer.fit_loop
        epoch: Any = loop.epoch_progress.current
        return epoch.processed, loop.epoch_loop.batch_progress.current.ready if epoch.started > epoch.processed else 0

    def held_out_dataloader(self, split: Split) -> DataLoader:
        """A loader of every sample of val or test once; most often from :func:`held_out_loader`."""
        raise NotImplementedError

    def val_dataloader(self) -> DataLoader:
        return self.held_out_dataloader("val")

    def test_dataloader(self) -> DataLoader:
        return self.held_out_dataloader("test")


@dataclass
class TrainingBatches(Dataset):
    """Training batches, each a pure function of seed, epoch and index, so that a resumed run gets the same batches.

    Indices come from :class:`EpochSampler` and carry the epoch.

    Args:
        count: number of batches per epoch.
        seed: random seed of all batches.
        make: function that makes a batch from a random generator.
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
        num_workers: number of worker processes.
        start: epoch and number of batches to skip, as returned by :meth:`DataModule.start`.
    """
    epoch, skip = start
    sampler = EpochSampler(batches, epoch=epoch, skip=skip, **replicas(), shuffle=False, drop_last=True)
    return DataLoader(batches, batch_size=None, sampler=sampler, **worker_options(num_workers))


def held_out_loader(samples: Any, split: Split, batch_size: int = 1) -> DataLoader:
    """A loader of each sample once over all devices.

    Raises:
        ZooError: there are more devices than samples; the others would wait for a device without a sample.
    """
    if len(samples) < (ranks := replicas()["num_replicas"]):
        raise ZooError(f"{split} has {len(samples)} samples for {ranks} devices: add samples, or use fewer devices")
    sampler = EverySampleOnce(samples, **replicas(), shuffle=False)  # type: ignore[arg-type]
    return DataLoader(samples, batch_size, sampler=sampler)


def as_floats(pictures: Tensor) -> Tensor:
    """``(B, C, H, W)`` of 0..255 as float32 in 0..1, channels last in memory."""
    return (pictures.float() / 255).contiguous(memory_format=torch.channels_last)
