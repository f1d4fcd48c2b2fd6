"""One command at a time trains in the folder of a run."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.base.errors import ZooError
from zoo.base.files import replace

LOCK, HOLDER = ".lock", ".process"  # the system frees the lock of a process that was killed
_held: set[FileLock] = set()


def _leave() -> None:
    """Closes the files of locks in a forked process, which would keep them when the first one is killed."""
    for lock in _held:
        with suppress(OSError, TypeError):
            os.close(lock._context.lock_file_fd)  # type: ignore[arg-type]
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keeps other commands from training in a folder.

    Raises:
        ZooError: one trains there; the message names its machine and process.
    """
    lock = FileLock(run / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ZooError(f"{run} still runs: {_named(run)}; stop it, or wait until it has ended") from None
    except (NotImplementedError, OSError) as error:  # a disk of a cluster that knows no locks
        if getattr(error, "errno", errno.ENOSYS) not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
    _held.add(lock)
    try:
        replace(run / HOLDER, f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        with suppress(OSError):
            (run / HOLDER).unlink(missing_ok=True)
        _held.discard(lock)
        lock.release()


def holder(run: Path) -> str:
    """The process and the machine that train in a folder; empty if nobody does."""
    if not (run / LOCK).is_file():
        return ""
    try:
        with FileLock(run / LOCK, timeout=0):
            return ""
    except Timeout:
        return _named(run)
    except (NotImplementedError, OSError):  # a disk that knows no locks, or that is read-only
        return ""


def _named(run: Path) -> str:
    with suppress(OSError):
        return (run / HOLDER).read_text()
    return "another process"
