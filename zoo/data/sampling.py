"""How samples are dealt to epochs, processes and ranks, so that every run is the same run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import cv2
import torch
import torch.distributed as dist
from torch.utils.data import Dataset, DistributedSampler


class EpochSampler(DistributedSampler):
    """A distributed sampler whose indices carry the epoch, ``epoch * len(dataset) + index``.

    Lightning calls ``set_epoch`` and leaves it in place.

    Args:
        epoch: the first. Lightning sets that of a resumed run only after workers have begun to make batches.
        skip: indices of it to leave out: a run that is resumed in the middle of an epoch has seen them.
        options: of the base class.
    """

    def __init__(self, dataset: Dataset, *, epoch: int = 0, skip: int = 0, **options: Any) -> None:
        super().__init__(dataset, **options)
        self.epoch, self.skip = epoch, skip

    def __iter__(self) -> Iterator[int]:
        skip, self.skip = self.skip, 0
        for index in islice(super().__iter__(), skip, None):
            yield self.epoch * len(self.dataset) + index  # type: ignore[arg-type]


class EverySampleOnce(DistributedSampler):
    """Deals samples to ranks without repeating any, so that a metric over all ranks is that of one process."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]


def replicas() -> dict[str, int]:
    """This process among those that train together, as the samplers take it."""
    if dist.is_available() and dist.is_initialized():
        return {"num_replicas": dist.get_world_size(), "rank": dist.get_rank()}
    return {"num_replicas": 1, "rank": 0}


def default_workers() -> int:
    """One process a core, at most 4; none on machines of two cores, where they would take time from the network."""
    cores = os.cpu_count() or 1
    return min(cores, 4) if cores > 2 else 0


def worker_options(num_workers: int) -> dict[str, Any]:
    """Options of a DataLoader.

    Forked workers share what is in memory; where they cannot be forked each gets its own copy. OpenCV uses one thread
    in each.
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
    """Makes OpenCV leave the cores to the loader's workers and to the network, in this process."""
    cv2.setNumThreads(0)
