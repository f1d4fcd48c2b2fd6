"""Writes results of ``zoo predict``: they replace earlier results of the same pictures, and nothing else unasked."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from zoo.base import scratch
from zoo.base.errors import ZooError
from zoo.commands.inputs import Inputs
from zoo.pictures.held import file_of

RECORD = ".zoo-predict.jsonl"  # in the folder of results: each file's sources, size and time, and what is complete
TEMPORARY = ".zoo-predict-"  # begins the names of folders of results that are being written
DONE = "done:"  # begins the name of a prediction in a line that says which files are all of its results


class ForeignError(ZooError):
    """Results would replace files that are not earlier results of the same pictures."""


class Outputs:
    """The folder of the results.

    Args:
        folder: existing folder for the results.
        work: pictures of each prediction, by the beginning of its results' names.
        maker: name of what makes the results, such as an architecture.
        overwrite: whether any file but the pictures themselves may be replaced.
    """

    def __init__(self, folder: Path, work: Mapping[Path, Inputs], maker: str, overwrite: bool) -> None:
        self.folder, self._work, self._maker, self._overwrite = folder, work, maker, overwrite
        self._pictures = {path.resolve() for paths in work.values() for path in paths}
        self._endings = set[str]()  # endings of names that were checked for all predictions
        self._checking = threading.Lock()
        self._temporary = TEMPORARY
        self._own, self._done = dict[str, list[Any]](), dict[str, list[Any]]()
        self._read_record()

    def _read_record(self) -> None:
        with suppress(FileNotFoundError), (self.folder / RECORD).open("rb") as file:
            for line in file:
                with suppress(ValueError, TypeError):  # a line that a killed process left incomplete
                    name, *told = json.loads(line)
                    (self._done if name.startswith(DONE) else self._own)[name.removeprefix(DONE)] = told

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Marks half-written results as those of this process; a later run removes them if it is killed."""
        with scratch.owned(self.folder, TEMPORARY) as self._temporary:
            yield

    def save(self, destination: Path, write: Callable[[Path], Any]) -> tuple[str, ...]:
        """Writes the results of a prediction, all or none; returns their names below the folder.

        Args:
            destination: beginning of the results' names.
            write: function that writes the results; it takes the whole path of that beginning.

        Raises:
            ForeignError: a file is in the way of these results, or of another prediction's.
            OSError: the results cannot be written.
            ZooError: raised by ``write``.
        """
        place = (self.folder / destination).parent
        place.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=self._temporary, dir=place) as temporary:
            try:
                write(Path(temporary, destination.name))
            except ZooError as error:
                raise ZooError(str(error).replace(temporary, str(place))) from error
            written = sorted(path for path in Path(temporary).rglob("*") if path.is_file())
            names = [str(path.relative_to(temporary)) for path in written]
            self.check(destination, [name.removeprefix(destination.name) for name in names])
            for path, name in zip(written, names, strict=True):
                self._put(path, destination.with_name(name), self._work[destination])
        return tuple(str(destination.with_name(name)) for name in names)

    def finish(self, destination: Path, files: Iterable[str], settings: str) -> None:
        """Records that all results of a prediction are there, by these settings; see :meth:`is_done`."""
        self._record(DONE + str(destination), [self._origin(self._work[destination], settings), *files])

    def is_done(self, destination: Path, settings: str) -> bool:
        """Whether an earlier run wrote all results of a prediction, by the same settings.

        They have to be as it left them, and no older than the pictures.
        """
        paths = self._work[destination]
        origin, *files = self._done.get(str(destination), [""])
        if not files or origin != self._origin(paths, settings):
            return False
        try:
            newest = max(file_of(path).stat().st_mtime_ns for path in paths)
            told = [self._told(self.folder / name, paths) for name in files]
        except OSError:  # something is no longer there
            return False
        return all(each == self._own.get(name) and each[2] >= newest for name, each in zip(files, told, strict=True))

    def check(self, destination: Path, endings: Iterable[str]) -> None:
        """Refuses to replace foreign files by results of this prediction, and of all others at once.

        Args:
            destination: beginning of the results' names.
            endings: endings of the results' names.
        """
        with self._checking:  # or another thread would go on before all names are checked
            new = set(endings) - self._endings
            self._check(destination, endings, new)
            self._endings |= new

    def _check(self, destination: Path, endings: Iterable[str], new: set[str]) -> None:
        names = {each.with_name(each.name + ending): paths for each, paths in self._work.items() for ending in new}
        names |= {destination.with_name(destination.name + ending): self._work[destination] for ending in endings}
        foreign = sorted(self.folder / name for name, paths in names.items() if self._is_foreign(name, paths))
        if foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            way_out = "name another folder with -o" + ("" if self._overwrite else ", or give --overwrite")
            raise ForeignError(f"{foreign[0]}{more} would be replaced: not made by this command before\n{way_out}")

    def _is_foreign(self, name: Path, paths: Inputs) -> bool:
        path = self.folder / name
        if not os.path.lexists(path):
            return False
        if path.resolve() in self._pictures:
            return True
        if self._overwrite or self._own.get(str(name)) == (told := self._told(path, paths)):
            return False
        self._read_record()  # another process of this run may have written it since
        return self._own.get(str(name)) != told

    def _put(self, path: Path, name: Path, paths: Inputs) -> None:
        """Records a file, then moves it to its place."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        self._own[str(name)] = self._told(path, paths)
        self._record(str(name), self._own[str(name)])
        path.replace(self.folder / name)

    def _record(self, name: str, told: list[Any]) -> None:
        """Appends a line in one piece, since other threads and processes append to the file too."""
        with (self.folder / RECORD).open("ab", buffering=0) as file:
            file.write((json.dumps([name, *told]) + "\n").encode())

    def _told(self, path: Path, paths: Inputs) -> list[Any]:
        """The record of a file: a digest of its maker and pictures, its size in bytes, and when it was written."""
        about = path.stat(follow_symlinks=False)
        return [self._origin(paths), about.st_size, about.st_mtime_ns]

    def _origin(self, paths: Inputs, settings: str = "") -> str:
        """A digest of the maker, its pictures, and perhaps its settings."""
        parts = [self._maker.encode(), *(os.fsencode(picture.resolve()) for picture in paths)]
        return hashlib.sha256(b"\0".join([*parts, settings.encode()] if settings else parts)).hexdigest()[:16]


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Makes a writable folder, and removes it again if it stays empty."""
    missing = list[Path]()
    try:
        try:
            missing += [folder for folder in (path, *path.parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path):  # fails now, not after the first result
                pass
        except (FileExistsError, NotADirectoryError):
            file = next((part for part in (path, *path.parents) if part.is_file()), path)
            raise ZooError(f"{file} is a file; name a folder with -o") from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ZooError(f"{path}: {error.strerror}; name a writable folder with -o") from None
        yield
    finally:
        for folder in missing:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
