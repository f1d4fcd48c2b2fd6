"""Distributes samples over epochs, processes and ranks, deterministically."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import cv2
import torch
import torch.distributed as dist
from torch.utils.data import Dataset, DistributedSampler

from zoo.base.processes import processors


class EpochSampler(DistributedSampler):
    """A distributed sampler whose indices carry the epoch, ``epoch * len(dataset) + index``.

    Lightning calls ``set_epoch`` and leaves it in place.

    Args:
        epoch: first epoch. Lightning sets the epoch of a resumed run only after workers have begun to make batches.
        skip: number of indices of that epoch to skip; a run resumed in the middle of an epoch has seen them.
        options: arguments of the base class.
    """

    def __init__(self, dataset: Dataset, *, epoch: int = 0, skip: int = 0, **options: Any) -> None:
        super().__init__(dataset, **options)
        self.epoch, self.skip = epoch, skip
        self.first = epoch, skip

    def __iter__(self) -> Iterator[int]:
        skip, self.skip = self.skip, 0
        for index in islice(super().__iter__(), skip, None):
            yield self.epoch * len(self.dataset) + index  # type: ignore[arg-type]


class EverySampleOnce(DistributedSampler):
    """Distributes samples to ranks without repeating any, so that a metric is the same as in one process."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]


def replicas() -> dict[str, int]:
    """The number of training processes and the rank of this one, as arguments of the samplers."""
    if dist.is_available() and dist.is_initialized():
        return {"num_replicas": dist.get_world_size(), "rank": dist.get_rank()}
    return {"num_replicas": 1, "rank": 0}


def default_workers() -> int:
    """One worker per core, at most 4; none on two cores, where workers would take time from the network."""
    cores = processors()
    return min(cores, 4) if cores > 2 else 0


def worker_options(num_workers: int) -> dict[str, Any]:
    """Options of a DataLoader.

    Forked workers share the data in memory; where processes cannot be forked, each worker gets its own copy. OpenCV
    uses one thread in each worker.
    """
    context = "fork" if num_workers and sys.platform == "linux" else None
    return {
        "num_workers": num_workers,
        "persistent_workers": num_workers > 0,
        "multiprocessing_context": context,
        "worker_init_fn": use_one_opencv_thread,
        "pin_memory": torch.cuda.is_available(),
    }


def use_one_opencv_thread(_: int = 0) -> None:
    """Makes OpenCV use one thread in this process: the other cores are for workers and the network."""
    cv2.setNumThreads(0)
