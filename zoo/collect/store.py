"""The folder of a collection: the pictures in it, the pictures that wait for their turn, and the refused duplicates.

Pictures arrive in any order and are admitted in the order of their addresses: of duplicates, the first address wins. So
the same list gives the same folder, however fast its hosts are and however often the program was killed. A picture that
arrived is whole on disk, with its record beside it, before it waits for its turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from array import array
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout

from zoo.base.errors import ZooError
from zoo.base.files import replace, sha256_of
from zoo.base.splits import SPLITS, split_of
from zoo.collect.backlog import Backlog
from zoo.collect.ledger import KEPT, Ledger, is_private, is_whole, key_of
from zoo.collect.names import Folders, picture_name
from zoo.collect.options import BACKLOG, HIDDEN, SETTINGS, Options
from zoo.collect.picture import SUFFIXES

SPILL = 1 << 20  # bytes of a download kept in memory; a larger one goes to a file


def _bits(values: np.ndarray) -> np.ndarray:
    """How many bits of each number ``(N,)`` uint64 are set."""
    if hasattr(np, "bitwise_count"):  # since NumPy 2
        return np.bitwise_count(values)
    return np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1).sum(1)


class Looks:
    """Perceptual hashes of 64 bits, with a search for the nearest."""

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._owners: list[int] = []

    def add(self, phash: str, owner: int) -> None:
        self._hashes.append(int(phash, 16))
        self._owners.append(owner)

    def near(self, phash: str, bits: int) -> int | None:
        """The owner of the nearest hash, the first of equally near ones, if it differs in at most so many bits."""
        if not self._owners:
            return None
        distances = _bits(np.frombuffer(self._hashes, np.uint64) ^ np.uint64(int(phash, 16)))
        nearest = int(distances.argmin())
        return self._owners[nearest] if distances[nearest] <= bits else None


class Store:
    """A collection on disk, held by one process at a time.

    Args:
        folder: folder of the collection.
        options: options of this run.

    Raises:
        ZooError: another process uses the folder, or a file in it is damaged.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder, self.options = folder, options
        self._new = not (folder / SETTINGS).exists()
        self.hidden = folder / HIDDEN
        self.parts = self.hidden / "parts"
        self._refuse_links()
        self.parts.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.hidden / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ZooError(f"{folder}: another zoo collect is running in this folder") from None
        for path in folder.glob(".ledger.jsonl.*.tmp"):  # left by a killed process
            path.unlink()
        self.backlog = Backlog(folder / BACKLOG)
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.done: set[int] = set()  # addresses that the ledger accounts for
        self.failed: set[int] = set()  # those addresses for which a retry may succeed
        self.missing = 0  # pictures of the ledger that are not in the folder
        self._files: list[str] = []
        self._digests: dict[str, int] = {}
        self._looks = Looks()
        self._folders = Folders()
        self._touched: set[Path] = set()
        for number, record in enumerate(self.ledger, 1):
            self._settle(record)
            if record["status"] in KEPT:
                if not is_whole(record):
                    raise ZooError(f"{self.ledger.path}, line {number}: damaged; delete it to fetch its picture again")
                self._know(record)
                self.missing += not (folder / record["file"]).exists()

    def _refuse_links(self) -> None:
        """Refuses symbolic links: files deleted and cut here must belong to the collection, whoever made it."""
        for path in (self.hidden, self.folder / "ledger.jsonl", *self.hidden.glob("*")):
            if path.is_symlink():
                raise ZooError(f"{path} is a symbolic link; delete it")

    @property
    def kept(self) -> int:
        """Pictures in the folder."""
        return len(self._files)

    def _settle(self, record: dict[str, Any]) -> None:
        key = key_of(record["url"])
        allowed = self.options.allow_private and is_private(record)  # private, and allowed now
        (self.done.discard if allowed else self.done.add)(key)
        (self.failed.add if allowed or record["status"] == "failed" else self.failed.discard)(key)

    def _know(self, record: dict[str, Any]) -> None:
        """Remembers a picture, so that its duplicates are refused from now on."""
        owner = len(self._files)
        self._files.append(record["file"])
        self._digests[_arrived(record)[:16]] = owner
        if record.get("phash"):
            self._looks.add(record["phash"], owner)
        if record.get("label"):
            self._folders.learn(record["label"], PurePosixPath(record["file"]).parent.name)

    def sink(self, url: str) -> IO[bytes]:
        """A temporary file for the download of an address; it is in memory while it is small."""
        return SpooledTemporaryFile(SPILL, prefix=f"{key_of(url):016x}.", dir=str(self.parts))

    def keep(self, record: dict[str, Any], content: IO[bytes]) -> dict[str, Any]:
        """Saves a picture that arrived, so that it outlives the process. Called by any thread.

        Args:
            record: record for the ledger, without the fields that :meth:`admit` adds.
            content: content of the picture's file, read from its current position.

        Returns:
            The record with size and digest of the file.
        """
        part = self._part(record)
        temporary = part.with_suffix(".tmp")
        with temporary.open("wb") as file:
            shutil.copyfileobj(content, file)
        _sync(temporary)
        record = {**record, "bytes": temporary.stat().st_size, "digest": sha256_of(temporary)}
        temporary.replace(part)
        replace(part.with_suffix(".json"), json.dumps(record))
        return record

    def arrived(self) -> dict[int, dict[str, Any]]:
        """Records of pictures that an earlier run kept and did not admit; removes whatever else that run left."""
        found = {}
        for path in self.parts.glob("*.json"):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                record = json.loads(path.read_bytes())
                key = key_of(record["url"])
                wanted = self._part(record).stem == path.stem and (key not in self.done or key in self.failed)
                if wanted and (path.with_suffix("").exists() or self._is_placed(record)):
                    found[key] = record
        names = {self._part(record).stem for record in found.values()}
        self._clear(names)
        return found

    def _clear(self, keep: Collection[str] = ()) -> None:
        """Removes the files of waiting pictures, except these."""
        for path in self.parts.iterdir():
            ours = re.fullmatch(r"\.?[0-9a-f]{16}(\..+)?", path.name)
            if ours and (path.stem not in keep or path.suffix not in ("", ".json")):
                path.unlink()

    def _is_placed(self, record: dict[str, Any]) -> bool:
        """Whether the process was killed after it had moved a picture and before it wrote the line."""
        return (self.folder / self._destination(record)["file"]).is_file()

    def admit(self, record: dict[str, Any]) -> dict[str, Any]:
        """Admits the next address of the list, or says why not, and writes its line.

        Returns:
            The line.

        Raises:
            ZooError: a folder leads out of the collection.
        """
        part = self._part(record)
        if record["status"] in KEPT:
            record = self._place(record, part)
        self.ledger.append(record)
        self._settle(record)
        part.with_suffix(".json").unlink(missing_ok=True)
        return record

    def _place(self, record: dict[str, Any], part: Path) -> dict[str, Any]:
        alike, status = self._digests.get(_arrived(record)[:16]), "duplicate"
        if alike is None and self.options.near is not None and record.get("phash"):
            alike, status = self._looks.near(record["phash"], self.options.near), "near_duplicate"
        if alike is not None:
            part.unlink(missing_ok=True)
            return {**record, "status": status, "of": self._files[alike]}
        record = {**record, **self._destination(record)}
        path = self.folder / record["file"]
        self._enter(path.parent)
        if part.exists():  # else it was moved, and the process killed before it wrote the line
            part.replace(path)
        self._know(record)
        return record

    def _destination(self, record: dict[str, Any]) -> dict[str, Any]:
        """Split and file of a picture."""
        split = split_of(_arrived(record), self.options.val_fraction) if self.options.val_fraction else None
        label = self._folders.of(record["label"]) if record.get("label") else None
        name = picture_name(record["final_url"], record["digest"], SUFFIXES[record["type"].upper()])
        return {"split": split, "file": "/".join(part for part in (split, label, name) if part)}

    def _enter(self, folder: Path) -> None:
        """Makes a folder of the collection."""
        if folder in self._touched:
            return
        if not folder.resolve().is_relative_to(self.folder.resolve()):
            raise ZooError(f"{folder} is a symbolic link that leads out of {self.folder}; delete it")
        folder.mkdir(parents=True, exist_ok=True)
        self._touched.add(folder)

    def _part(self, record: dict[str, Any]) -> Path:
        return self.parts / f"{key_of(record['url']):016x}"

    def sync(self) -> None:
        """Syncs the pictures to disk first, then their lines in the ledger."""
        for folder in tuple(self._touched):
            _sync(folder)
        self.ledger.sync()

    def finish(self) -> None:
        """Completes the folder; call it when no picture is pending."""
        if self.options.val_fraction and self.kept:
            for split in SPLITS:
                (self.folder / split).mkdir(exist_ok=True)
        self.ledger.compact()
        self._clear()
        self.sync()

    def close(self) -> None:
        self.backlog.close()
        self.ledger.close()
        self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
        if isinstance(error, ZooError) and self._new and not self.done and not any(self.parts.iterdir()):
            shutil.rmtree(self.hidden)  # a source that could not be read leaves nothing
            self.ledger.path.unlink()
            with contextlib.suppress(OSError):
                self.folder.rmdir()


def _arrived(record: dict[str, Any]) -> str:
    """The digest of the download, which identifies a picture even if it was turned upright."""
    return str(record.get("arrived") or record["digest"])


def _sync(path: Path) -> None:
    """Writes a file, or the names in a folder, to the disk."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
