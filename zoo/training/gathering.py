"""Processes of several machines gather before they train; those that do not come are named."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from typing import Any

import torch.distributed as dist
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]

from zoo.base.bounds import seconds_of
from zoo.base.errors import ZooError

WAIT, DEFAULT = "ZOO_WAIT", "10m"  # environment variable with the longest wait
PART = 0.5  # seconds between two looks, at most
LAST = 5.0  # seconds for others to hear that some are missing
MET = "zoo/met"


def gather_first(trainer: Trainer) -> None:
    """Has all processes of a run gather before torch connects them; torch would wait for half an hour, and name none.

    Processes of ``torchrun`` have gathered before it starts them.

    Raises:
        ZooError: the environment variable ``ZOO_WAIT`` is not a time.
    """
    limit = os.environ.get(WAIT, DEFAULT)
    seconds, strategy = seconds_of(WAIT, limit), trainer.strategy
    if trainer.world_size == 1 or not isinstance(strategy, DDPStrategy) or TorchElasticEnvironment.detect():
        return
    connect, kept = strategy.setup_distributed, []

    def met() -> None:
        if not dist.is_initialized():
            strategy.set_world_ranks()
            environment: Any = strategy.cluster_environment
            ranks = Ranks(environment.main_address, environment.main_port, strategy.global_rank, trainer.world_size)
            kept.append(ranks.gather(seconds, limit, strategy.num_processes))  # torch uses the same server
        connect()

    strategy.setup_distributed = met  # type: ignore[method-assign]


class Ranks:
    """The processes of a run, as one of them sees the others.

    Args:
        address: machine of the first process.
        port: where the first process listens.
        rank: number of this process.
        world: number of all.
    """

    def __init__(self, address: str, port: int, rank: int, world: int) -> None:
        self.address, self.port, self.rank, self.world = address, port, rank, world

    def gather(self, seconds: float, limit: str, devices: int) -> Store:
        """Waits until all processes are there.

        Args:
            seconds: longest wait.
            limit: the same as it was given.
            devices: number of processes of each machine.

        Returns:
            The connection, which stays open while it is kept.

        Raises:
            ZooError: some did not come; the message names them, and those that wait.
        """
        end = time.monotonic() + seconds
        store = self._store(end, limit)
        store.set(f"zoo/{self.rank}", socket.gethostname())
        if self.rank:
            heard = self._wait(store, [MET], end + LAST)
            missing = [int(number) for number in store.get(MET).split()] if heard else [0]
            store.set(f"zoo/heard/{self.rank}", "")
        else:
            everybody = range(self.world)
            self._wait(store, [f"zoo/{rank}" for rank in everybody], end)
            missing = [rank for rank in everybody if not store.check([f"zoo/{rank}"])]
            store.set(MET, " ".join(map(str, missing)))
        if missing:
            here = [rank for rank in range(self.world) if rank not in missing and store.check([f"zoo/{rank}"])]
            told = _told(store, here, missing, devices)
            if not self.rank:
                self._wait(store, [f"zoo/heard/{rank}" for rank in here[1:]], time.monotonic() + LAST)
            raise ZooError(f"{told}; no more came within {limit} ({WAIT}=TIME waits longer)")
        return store

    def _store(self, end: float, limit: str) -> Store:
        """Connects to the first process, which listens."""
        where = f"{self.address}:{self.port}"
        while self.rank:
            try:
                socket.create_connection((self.address, self.port), timeout=PART).close()
                break
            except OSError as error:
                if time.monotonic() > end:
                    told = f"rank {self.rank} on {socket.gethostname()} waits for rank 0 at {where}"
                    ways = f"check MASTER_ADDR and MASTER_PORT; {WAIT}=TIME waits longer"
                    raise ZooError(f"{told}, which did not answer within {limit} ({error}): {ways}") from None
                time.sleep(PART / 5)
        try:
            first = self.rank == 0
            return TCPStore(self.address, self.port, is_master=first, wait_for_workers=False, multi_tenant=first)
        except dist.DistNetworkError as error:
            if self.rank:
                raise
            told = "taken by another program" if "EADDRINUSE" in str(error) else "where this machine cannot listen"
            raise ZooError(f"{where} is {told}: set MASTER_ADDR and MASTER_PORT, alike for all processes") from None

    @staticmethod
    def _wait(store: Store, keys: list[str], end: float) -> bool:
        """Whether all keys are set in time."""
        pause = 0.01
        while not store.check(keys) and time.monotonic() < end:  # torch's own wait prints a warning for each timeout
            time.sleep(pause)
            pause = min(2 * pause, PART)
        return store.check(keys)


def _told(store: Store, here: list[int], missing: list[int], devices: int) -> str:
    """Who is missing, by machines, and who waits."""
    hosts: dict[str, list[int]] = {}
    for rank in here:
        hosts.setdefault(store.get(f"zoo/{rank}").decode(), []).append(rank)
    machines: dict[str, list[int]] = {}
    for rank in missing:
        machines.setdefault(f"machine {rank // devices}", []).append(rank)
    waiting = ", ".join(f"{_ranks(ranks)} on {host}" for host, ranks in hosts.items())
    return (
        f"{', '.join(f'{_ranks(ranks)} of {name}' for name, ranks in machines.items())} did not come; here: {waiting}"
    )


def _ranks(numbers: Iterable[int]) -> str:
    given = list(numbers)
    return f"rank{'s' if given[1:] else ''} {', '.join(map(str, given))}"
