"""``results.jsonl``: a line for each prediction, beside its results."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from zoo.base.files import replace
from zoo.commands.inputs import Inputs
from zoo.commands.outputs import ForeignError
from zoo.commands.shards import Shard

NAMES = "results*.jsonl"  # of all shards


def name_of(shard: Shard | None) -> str:
    """The name of the file; each of several shards that nobody joins has one."""
    return "results.jsonl" if shard is None else f"results-{shard.index}-of-{shard.count}.jsonl"


def about(paths: Inputs) -> dict[str, Any]:
    """The beginning of a line: the pictures as they were given."""
    return {"file": str(paths[0])} if len(paths) == 1 else {"files": [str(path) for path in paths]}


def earlier(folder: Path) -> dict[tuple[str, ...], str]:
    """The lines of earlier runs in a folder that tell of results, by the pictures."""
    found: dict[tuple[str, ...], str] = {}
    for path in sorted(folder.glob(NAMES)):
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if (line := _parsed(text)) and "error" not in line:
                found[tuple(line.get("files") or [line["file"]])] = text
    return found


def _parsed(text: str) -> dict[str, Any]:
    """The content of a line; empty if it was cut, or is not of this command."""
    with suppress(ValueError):
        line = json.loads(text)
        if isinstance(line, dict) and ("file" in line or "files" in line):
            return line
    return {}


def _text(line: Mapping[str, Any]) -> str:
    text = json.dumps(line, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        return json.dumps(line)
    return text


class Lines:
    """Appends lines, each whole. The file is made with the first line that tells of a result.

    Args:
        path: path of the file; one of an earlier run is replaced.
        kept: lines of earlier runs that stay, in their order.
        overwrite: whether to replace any file of this name.

    Raises:
        ForeignError: there is a file of this name that is no such list.
    """

    def __init__(self, path: Path, kept: Iterable[str] = (), overwrite: bool = False) -> None:
        self.path, self._waiting = path, [*kept]
        self._file: BinaryIO | None = None
        if overwrite or not path.is_file():
            return
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
        if first and not _parsed(first):
            way_out = "name another folder with -o, or give --overwrite"
            raise ForeignError(f"{path} would be replaced: not made by this command before\n{way_out}")

    def write(self, line: Mapping[str, Any]) -> None:
        """Appends a line.

        Raises:
            OSError: it cannot be written; no part of it stays.
        """
        self._waiting.append(_text(line))
        if self._file is None:
            if "error" in line:
                return
            replace(self.path, "".join(f"{text}\n" for text in self._waiting))
            self._file = self.path.open("ab", buffering=0)
        else:
            self._append(self._file, f"{self._waiting[-1]}\n".encode())
        self._waiting.clear()

    def _append(self, file: BinaryIO, content: bytes) -> None:
        before = os.fstat(file.fileno()).st_size
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
