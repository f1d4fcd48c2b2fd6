"""Temporary folders and files that are removed even if their process was killed: the next process does it.

A lock beside them belongs to their process, and the system frees it with the process. Its name tells the machine, since
disks of clusters may not know the locks of other machines.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
NO_LOCKS = (OSError, NotImplementedError)  # of disks without locks
TRIES = 3  # to make a lock
TOKEN = r"[0-9a-f]{16}"  # noqa: S105


def _machine() -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:64]


@contextmanager
def owned(folder: Path, prefix: str) -> Iterator[str]:
    """Gives a beginning for names of temporary files: as long as this process lives, :func:`sweep` spares them.

    Args:
        folder: existing folder; the files may also lie in folders below it.
        prefix: beginning of that beginning, which tells whose files they are.
    """
    for _ in range(TRIES):
        name = f"{prefix}{_machine()}-{secrets.token_hex(8)}"
        lock = FileLock(folder / f"{name}{LOCK}", timeout=0)
        try:
            lock.acquire()
        except Timeout:  # another process sweeps right now, and took the lock before this one could
            continue
        except NO_LOCKS:
            pass
        break
    try:
        yield name
    finally:
        with suppress(OSError):
            lock.release()
        with suppress(OSError):
            (folder / f"{name}{LOCK}").unlink(missing_ok=True)


@contextmanager
def temporary_folder(place: Path, prefix: str) -> Iterator[Path]:
    """Gives a new folder that only this user may read, and removes it in the end; first those that were left behind.

    Args:
        place: existing folder for it.
        prefix: beginning of its name.
    """
    sweep(place, prefix)
    with owned(place, prefix) as name:
        folder = place / name
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path, prefix: str, nested: bool = False) -> None:
    """Removes what processes that are gone left behind.

    Args:
        folder: the folder that they were given.
        prefix: the prefix that they gave.
        nested: whether their files may lie in folders below it.
    """
    known = re.compile(re.escape(f"{prefix}{_machine()}-") + TOKEN + re.escape(LOCK))
    with suppress(OSError):
        for path in [path for path in folder.iterdir() if known.fullmatch(path.name) and _is_own(path)]:
            with suppress(Timeout, *NO_LOCKS), FileLock(path, timeout=0):
                _remove(folder, path.name.removesuffix(LOCK), nested)
                path.unlink(missing_ok=True)


def _is_own(path: Path) -> bool:
    """Whether a path is a file of this user; others may write to a folder of temporary files, too."""
    with suppress(OSError):
        about = path.lstat()
        return stat.S_ISREG(about.st_mode) and (not hasattr(os, "getuid") or about.st_uid == os.getuid())
    return False


def _remove(folder: Path, name: str, nested: bool) -> None:
    """Removes folders whose names begin with a name."""
    for path in list((folder.rglob if nested else folder.glob)(f"{name}*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
