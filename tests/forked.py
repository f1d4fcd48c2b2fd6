"""Processes of ``zoo fit``, forked from one that has imported what they need: each starts at once."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

LOADED = ["forked", "zoo.commands.fit", "zoo.training.run", "zoo.data", "albumentations", "timm", "tensorboard"]
LOADED += ["torch.utils.tensorboard", "torchmetrics", "lightning.pytorch.callbacks"]
SECONDS = 120.0  # after which a process is killed

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(LOADED)


def fit(arguments: Sequence[str], variables: Mapping[str, str], place: str, output: str) -> None:
    """What a process does: the command, with all that it prints in a file."""
    import torch
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    from zoo.commands import main

    os.chdir(place)
    os.environ.update(variables)
    sys.path.insert(0, place)
    tempfile.tempdir = None  # TMPDIR may differ
    rank_zero_only.rank = int(os.environ.get("RANK", 0))  # as when Lightning is imported
    torch.set_num_threads(1)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    sys.exit(main.main(["fit", *arguments]))


class Ranks:
    """The processes of a run, as ``torchrun`` starts them, or as people do it by hand on machines with one device.

    Args:
        arguments: words after ``zoo fit``.
        world: number of processes.
        nodes: whether each is on a machine of its own, started without ``torchrun``.
        number: variable with the number of a machine.
        absent: numbers of processes that are not started.
        variables: environment variables.
    """

    def __init__(
        self,
        *arguments: object,
        world: int = 1,
        nodes: bool = False,
        number: str = "NODE_RANK",
        absent: Collection[int] = (),
        **variables: object,
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.outputs = [Path.cwd() / f"rank_{rank}_{port}.txt" for rank in range(world) if rank not in absent]
        words = [str(word) for word in arguments]
        if world > 1:
            each = {"devices": 1, "num_nodes": world} if nodes else {"devices": world, "num_nodes": 1}
            words += [f"--trainer.{key}={value}" for key, value in {**each, "strategy": "ddp"}.items()]
        self.processes = []
        for rank, output in zip([rank for rank in range(world) if rank not in absent], self.outputs, strict=True):
            own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NODE_RANK": rank} if world > 1 else {}
            if number == "RANK":
                own |= {"RANK": own.pop("NODE_RANK"), "WORLD_SIZE": world}
            if world > 1 and not nodes:
                own |= {"WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "TORCHELASTIC_RUN_ID": port}
                own |= {"RANK": rank, "LOCAL_RANK": rank, "NODE_RANK": 0}
            own = {**os.environ, "OMP_NUM_THREADS": 1, **own, "OWN_RANK": rank, **variables}
            told = {name: str(value) for name, value in own.items()}
            self.processes.append(context.Process(target=fit, args=(words, told, str(Path.cwd()), str(output))))
            self.processes[-1].start()

    def end(self, *codes: int) -> str:
        """Waits for the processes, which must end with these exit codes; what the first has printed."""
        for process in self.processes:
            process.join(SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
        self.told = [output.read_text() for output in self.outputs]
        assert [process.exitcode for process in self.processes] == list(codes), "\n\n".join(self.told)
        return self.told[0]
