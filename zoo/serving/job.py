"""A job of the server: files, a place in the queue, progress, results."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal, TypeAlias

from zoo.base.text import printable, shortened
from zoo.pictures import video
from zoo.pictures.images import SUFFIXES
from zoo.serving.offer import Offer

State: TypeAlias = Literal["uploading", "waiting", "working", "done", "failed", "stopped"]
ENDED = ("done", "failed", "stopped")
TYPES = {".png": "image/png", ".json": "application/json", ".mp4": "video/mp4"}  # of results
LONGEST_NAME = 80  # characters of a file's name in sentences
LINES = 3  # of an error
FOLDERS = re.compile(
    r"(?<![\w.:/\\])(?:/(?:[^\s/:]+/)*|[A-Za-z]:\\(?:[^\s\\:]+\\)*)(?=[^\s/])"
)  # before a name, but in no address


OPTION = re.compile(r"--([a-z-]+)(?: (\S+) or \w+=\S+)?")  # as messages name it, also with a value and for Python


@dataclass
class Upload:
    """A file of a visitor.

    Args:
        name: name that the visitor gave it, for sentences only.
        path: where it lies.
        complete: whether it is all here.
    """

    name: str
    path: Path
    complete: bool = False

    @classmethod
    def of(cls, slot: str, name: str, folder: Path) -> Upload:
        """A file that is to come. Only the suffix of its name is used for its path, and only a known one."""
        last = PurePosixPath(PureWindowsPath(name).name).name
        suffix = PurePosixPath(last).suffix.lower()
        known = suffix in SUFFIXES | video.SUFFIXES
        shown = shortened(printable(last), LONGEST_NAME) or slot
        return cls(shown, folder / f"{slot}{suffix if known else '.picture'}")


@dataclass(eq=False)
class Job:
    """A job, and who waits for news of it.

    Args:
        offer: the model.
        words: options of its command line.
        client: who asked for it.
        folder: folder of all its files.
        names: names of the visitor's files, by what they are for.
    """

    offer: Offer
    words: list[str]
    client: str
    folder: Path
    names: Mapping[str, str]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "uploading"
    place: int = 0  # in the queue, from 1 on; 0: not in it
    doing: str = ""
    done: float = 0
    total: float = 0
    preview: int = 0  # number of the last preview; 0: none
    text: str = ""  # what went wrong
    notes: list[str] = field(default_factory=list)
    results: dict[str, int] = field(default_factory=dict)  # bytes by the name of the file
    watchers: int = 0
    created: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)  # when somebody asked for it last
    begun: float = 0.0
    ended: float = 0.0
    version: int = 0
    files: dict[str, Upload] = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.folder = self.folder / self.id
        self.files = {slot: Upload.of(slot, name, self.inputs) for slot, name in self.names.items()}

    @property
    def inputs(self) -> Path:
        return self.folder / "in"

    @property
    def outputs(self) -> Path:
        return self.folder / "out"

    @property
    def temporary(self) -> Path:
        """The folder for files that its process makes on the way."""
        return self.folder / "temporary"

    @property
    def picture(self) -> Path:
        """The path of the last preview."""
        return self.folder / "preview.png"

    @property
    def errors(self) -> Path:
        """The path of what its process prints."""
        return self.folder / "errors.txt"

    @property
    def command(self) -> list[str]:
        return self.offer.command({slot: each.path for slot, each in self.files.items()}, self.words, self.outputs)

    @property
    def over(self) -> bool:
        return self.state in ENDED

    def change(self, **values: Any) -> None:
        """Sets attributes, and wakes all that wait for news."""
        for name, value in values.items():
            setattr(self, name, value)
        if self.state == "working" and not self.begun:
            self.begun = time.monotonic()
        if self.over and not self.ended:
            self.ended = time.monotonic()
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def news(self, version: int, seconds: float) -> None:
        """Waits until there is something newer than a version, at most for some seconds."""
        if self.version == version:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    def hear(self, report: Mapping[str, Any]) -> None:
        """Takes a report of its process."""
        if "preview" in report:
            self.change(preview=int(report["preview"]))
        elif "doing" in report:
            doing, done, total = report["doing"], float(report["done"]), float(report["total"] or 0)
            self.change(doing=str(doing), done=done, total=total)

    def snapshot(self) -> dict[str, Any]:
        """All that its page shows."""
        names = ("state", "place", "doing", "done", "total", "preview", "text", "notes", "results")
        seconds = (self.ended or time.monotonic()) - self.begun if self.begun else 0.0
        files = {slot: each.name for slot, each in self.files.items()}
        return {"id": self.id, **{name: getattr(self, name) for name in names}, "files": files, "seconds": seconds}

    def told(self, printed: str) -> list[str]:
        """What its process told the user, one text for each message, in the words of the page.

        Paths of this machine are left out, and options are named as the page's fields are.
        """
        messages: list[list[str]] = []
        for line in printed.splitlines():
            if line.startswith("zoo: "):
                messages.append([line.removeprefix("zoo: ").removeprefix("error: ")])
            elif messages:
                messages[-1].append(line)
        return [OPTION.sub(self._field, self._without_paths("\n".join(lines[:LINES]))) for lines in messages]

    def _field(self, option: re.Match[str]) -> str:
        """An option in a message as the page names it, if the page has it."""
        name, value = option.groups()
        if name not in (field.name for field in self.offer.fields):
            return option[0]
        return f"{name} {value}" if value else f"the option {name}"

    def _without_paths(self, text: str) -> str:
        for each in self.files.values():
            text = text.replace(str(each.path), each.name)
        return FOLDERS.sub("", text)
