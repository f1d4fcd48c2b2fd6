"""Options of a collection, saved in its folder so that it resumes without being given them again."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.files import read_json, replace
from zoo.base.text import did_you_mean, printable
from zoo.base.typed import UnfitError, read

HIDDEN = ".collect"  # in the folder of a collection
SETTINGS = f"{HIDDEN}/settings.json"
BACKLOG = f"{HIDDEN}/addresses.jsonl"
ABOUT = "https://huggingface.co/models?library=lightning-zoo"  # what a server's owner finds where no contact was given
LOST = "correct it, or delete it and give SOURCE and options again"
SOURCE, KEPT, POLITE = "how SOURCE is read", "which pictures are kept", "politeness"  # groups of options


@dataclass(frozen=True)
class About:
    """How the command takes an option."""

    group: str  # heading in --help
    help: str
    metavar: str = ""
    read: Callable[[str], Any] = str  # makes the value from the typed text
    low: float | None = None  # the least value
    high: float = float("inf")  # the greatest

    @property
    def kind(self) -> str:
        """The kind of value, in a user's words."""
        kinds = {int: "a whole number", float: "a number", bits: "a whole number or off", size: "such as 500K or 20M"}
        return kinds.get(self.read, "a text")


def _option(default: Any, *about: Any) -> Any:
    return field(default=default, metadata={"about": About(*about)})


def bits(text: str) -> int | None:
    return None if text == "off" else int(text)


def size(text: str) -> int:
    """Reads a number of bytes: 500000, 500K, 20M."""
    if not (match := re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?)([KMG]?)", text, re.ASCII | re.IGNORECASE)):
        raise ValueError(text)
    return int(float(match[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[match[2].upper()])


@dataclass(frozen=True)
class Options:
    """How to collect; each field is an option of ``zoo collect``.

    Raises:
        ZooError: a value out of its range.
    """

    label: str | None = _option(None, SOURCE, "label of addresses without one; each label is a folder", "NAME")
    limit: int | None = _option(None, KEPT, "stop at N pictures in the folder", "N", int, 1)
    min_side: int = _option(32, KEPT, "shortest side accepted", "PIXELS", int, 1)
    max_side: int | None = _option(None, KEPT, "longest side accepted", "PIXELS", int, 1)
    max_pixels: int = _option(50_000_000, KEPT, "most pixels accepted, by the header", "N", int, 1, 1 << 30)
    max_aspect: float = _option(5.0, KEPT, "largest ratio of the longer side to the shorter", "R", float, 1)
    max_bytes: int = _option(32 << 20, KEPT, "largest file accepted, such as 500K or 20M", "N", size, 1, 1 << 30)
    near: int | None = _option(6, KEPT, "near duplicates differ in at most BITS of 64; or off", "BITS", bits, 0, 32)
    upright: bool = _option(False, KEPT, "apply the EXIF orientation; the file is then encoded again")
    val_fraction: float = _option(
        0.1, KEPT, "fraction for val and for test, by digest; 0: no splits", "FRACTION", float, 0, 0.49
    )
    contact: str | None = _option(None, POLITE, "your e-mail or page, sent to every server (ZOO_CONTACT)", "TEXT")
    connections: int = _option(32, POLITE, "parallel connections", "N", int, 1, 1024)
    per_host: int = _option(4, POLITE, "parallel connections to one host", "N", int, 1, 1024)
    delay: float = _option(0.2, POLITE, "minimum pause between requests to one host", "SECONDS", float, 0, 3600)
    timeout: float = _option(60.0, POLITE, "timeout per request", "SECONDS", float, 0.1, 3600)
    retries: int = _option(3, POLITE, "retries per address", "N", int, 0, 20)
    allow_private: bool = _option(False, POLITE, "connect to private addresses too; give it again for each run")

    def __post_init__(self) -> None:
        for name, about in abouts().items():
            value = getattr(self, name)
            if about.low is not None and value is not None and not about.low <= value <= about.high:
                limits = (
                    f"at least {about.low}" if about.high == float("inf") else f"between {about.low} and {about.high}"
                )
                raise ZooError(f"{flag(name)} must be {limits}, not {value}")
        if self.contact is not None and not self.contact.isprintable():
            raise ZooError(
                f"--contact or ZOO_CONTACT must be one line without control characters, not {self.contact!r}"
            )

    @property
    def user_agent(self) -> str:
        return f"lightning-zoo/{__version__} (zoo collect; +{self.contact or ABOUT})"


def abouts() -> dict[str, About]:
    """The fields of :class:`Options` by their names."""
    return {one.name: one.metadata["about"] for one in dataclasses.fields(Options)}


def flag(name: str) -> str:
    """The option of a field."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class SourceOptions:
    """A source as the user named it; equal ones are the same source."""

    text: str  # openverse:red bicycle, a catalogue and a query; or the path of a list or a saved page
    columns: tuple[tuple[str, str], ...] = ()  # names that a list gives to fields of an address, ("url", "IMAGE_LINK")
    base: str | None = None  # address that relative addresses of a saved page are joined to
    endpoint: str | None = None  # address of a catalogue's API, if not the usual one

    @property
    def key(self) -> str:
        return json.dumps(dataclasses.astuple(self))


def read_settings(path: Path) -> tuple[dict[str, Any], list[SourceOptions]]:
    """Reads the given options and the sources of an earlier run; both are empty if there was none.

    Raises:
        ZooError: the file is damaged, or of a newer zoo.
    """
    if not path.exists():
        return {}, []
    try:
        content = read_json(path)
    except ZooError as error:
        raise ZooError(f"{error}\n{LOST}") from None
    options: Any = content.get("options")
    known = abouts()
    for name in options if isinstance(options, dict) else ():
        if name not in known:
            raise ZooError(f"{path}: no option {name!r}{did_you_mean(name, known)}\n{LOST}")
    try:
        read(Options, options, place=("options",))
        return options, read(list[SourceOptions], content.get("sources"), closed=True, place=("sources",))
    except UnfitError as error:
        raise ZooError(f"{path}: {printable(str(error))}\n{LOST}") from None


def write_settings(path: Path, options: dict[str, Any], sources: list[SourceOptions]) -> None:
    """Writes what :func:`read_settings` reads."""
    content = {"zoo": __version__, "options": options, "sources": [dataclasses.asdict(one) for one in sources]}
    replace(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
