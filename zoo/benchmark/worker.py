"""The process of a candidate: loads the model, and computes when it is its turn."""

from __future__ import annotations

import os
import resource
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.benchmark.candidates import BFLOAT16, COMPILED, Candidate

PAUSE = 0.1  # s, after which the threads of the candidate before no longer spin
TURN = 0.3  # s that a candidate computes in a turn, about
STATUS = Path("/proc/self/status")


def serve(connection: Connection, candidate: Candidate, threads: int) -> None:
    """Answers each request with the time of a picture in seconds; None ends the process.

    The first answer tells the runtime's name, seconds of loading and seconds of the first pass, or the reason why the
    candidate is left out. The last answer is the process's peak memory in bytes, and that of the GPU.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)  # which the engines of exported files keep to
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # or torch.compile leaves processes that wait for more
    try:
        compute, name, loading = _load(candidate, threads)
        start = time.perf_counter()
        compute()
        connection.send((name, loading, time.perf_counter() - start))
    except (ZooError, RuntimeError, MemoryError, ImportError) as error:
        connection.send(first_line(error) or type(error).__name__)
        return
    while connection.recv() is not None:
        connection.send(_seconds(compute) / candidate.shape[0])
    connection.send((peak(), _peak_of_gpu(candidate.device)))


def _load(candidate: Candidate, threads: int) -> tuple[Any, str, float]:
    """A function that computes one batch, the name of the runtime, and seconds of loading without imports."""
    import cv2
    import numpy as np

    import zoo
    from zoo.engines import engine_class

    cv2.setNumThreads(threads)
    x = np.random.default_rng(0).random(candidate.shape, dtype=np.float32)
    if not candidate.engine.startswith("torch"):
        name = engine_class(candidate.engine).name
        zoo.load(candidate.model, engine=candidate.engine, device=candidate.device)  # exports it, if there is no file
        start = time.perf_counter()
        engine = zoo.load(candidate.model, engine=candidate.engine, device=candidate.device).engine
        return lambda: engine(x), name, time.perf_counter() - start
    import torch

    from zoo.engines.torch import TorchEngine

    torch.set_num_threads(threads)
    zoo.load(candidate.model)  # imports what the network needs
    start = time.perf_counter()
    net = zoo.load(candidate.model, device=candidate.device)
    loading = time.perf_counter() - start
    if candidate.engine == COMPILED:
        net.infer = torch.compile(net.infer)  # type: ignore[method-assign]
    network = TorchEngine(net, autocast=candidate.engine == BFLOAT16)
    return lambda: network(x), f"torch {torch.__version__.partition('+')[0]}", loading


def _seconds(compute: Any) -> float:
    """Time of a call: the mean over a turn, in which the first call only warms up."""
    time.sleep(PAUSE)
    start = time.perf_counter()
    compute()
    repeats = max(1, round(TURN / (time.perf_counter() - start)))
    start = time.perf_counter()
    for _ in range(repeats):
        compute()
    return (time.perf_counter() - start) / repeats


def peak() -> int:
    """Peak resident memory of this process in bytes, its libraries included."""
    if STATUS.is_file():  # getrusage counts the process that began this one, too
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _peak_of_gpu(device: str) -> int:
    if not device.startswith("cuda"):
        return 0
    import torch

    return torch.cuda.max_memory_allocated(device)
