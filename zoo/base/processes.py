"""Several processes of one run: which of them speaks. Known from the environment, without torch."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

PARENT = "ZOO_PARENT"  # environment variable with the process that starts others of its run
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # variables of torchrun, Lightning and SLURM
NODE = "NODE_RANK"  # variable that Lightning takes on several machines
STARTS = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")  # differ between runs
HERE = ("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE")  # variables with the number of processes on this machine
TOLD = ".zoo_told_"  # start of a file's name
ELSEWHERE = ("TORCHELASTIC_RUN_ID", "SLURM_STEP_ID", "RANK")  # set where another program starts every process


def rank() -> int:
    """The number of this process in its run, 0 for the first or only one; of other machines, any number above 0."""
    numbers = {name: int(os.environ[name]) for name in (*RANKS, NODE) if os.environ.get(name, "").isdecimal()}
    own = next((numbers[name] for name in RANKS if name in numbers), 0)
    return own if own or {"RANK", "SLURM_PROCID"} & numbers.keys() else numbers.get(NODE, 0)


def number_machine() -> None:
    """Hands the number of a machine to Lightning: PyTorchJob of Kubeflow gives RANK to pods, Lightning NODE_RANK."""
    if not {"LOCAL_RANK", "SLURM_PROCID", "TORCHELASTIC_RUN_ID", NODE} & os.environ.keys() and "RANK" in os.environ:
        os.environ[NODE] = os.environ.pop("RANK")


def mark_parent() -> bool:
    """Whether another process of the run started this one; if not, marks it as the parent of those that it starts."""
    if rank() and os.environ.get(PARENT) == str(os.getppid()):
        return True
    os.environ[PARENT] = str(os.getpid())
    return False


def first_to_tell(text: str) -> bool:
    """Whether no other process of the run on this machine has told a text; all of them meet a user's mistake.

    Each adds a byte to a file; the last one removes it, or the first one of the next run, if not all meet the mistake.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1" and os.environ.get("SLURM_NTASKS", "1") == "1":
        return True
    outside = mark_parent() or any(name in os.environ for name in ELSEWHERE)
    leader = os.getppid() if outside else os.getpid()
    try:
        began = _began(leader)
        parts = [*(os.environ.get(name) for name in STARTS), text]
        told = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
        _remove_old()
        return _count(Path(tempfile.gettempdir(), f"{TOLD}{leader}_{began}_{told}")) == 1
    except (OSError, IndexError):  # not on every system
        return True


def _count(path: Path) -> int:
    """Adds this process to those that a file counts, and removes it after the last one on this machine."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        os.write(file, b".")
        number = os.lseek(file, 0, os.SEEK_CUR)
    finally:
        os.close(file)
    here = next((os.environ[name] for name in HERE if os.environ.get(name, "").isdecimal()), "0")
    if number == int(here):
        path.unlink(missing_ok=True)
    return number


def _remove_old() -> None:
    """Removes what processes of earlier runs left, of which not all met the mistake."""
    for path in Path(tempfile.gettempdir()).glob(f"{TOLD}*"):
        try:
            number, began, _ = path.name[len(TOLD) :].split("_", 2)
            alive = _began(int(number)) == began
        except (OSError, IndexError, ValueError):
            alive = False
        if not alive:
            with suppress(OSError):  # another user's
                path.unlink()


def _began(process: int) -> str:
    """When a process began; numbers of processes come again."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]


def processors() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
