"""What a collection is told, kept in its folder so that it can go on without being told again."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import __version__
from zoo.base.errors import ZooError
from zoo.base.files import read_json, replace
from zoo.base.text import did_you_mean

ABOUT = "https://huggingface.co/models?library=lightning-zoo"  # what a server's owner finds where no contact was given


@dataclass(frozen=True)
class Options:
    """How to collect; each field is an option of ``zoo collect``.

    Raises:
        ZooError: a value out of its range.
    """

    limit: int | None = None  # pictures in the folder
    label: str | None = None  # of addresses that have none
    contact: str | None = None  # an e-mail address or a page of whoever collects
    connections: int = 32
    per_host: int = 4
    delay: float = 0.2  # seconds from one request to the next to the same host, at least
    timeout: float = 60.0  # seconds a request may take
    retries: int = 3
    max_bytes: int = 32 << 20
    max_pixels: int = 50_000_000
    min_side: int = 32  # pixels
    max_side: int | None = None
    max_aspect: float = 5.0  # longer side over shorter
    near: int | None = 6  # of the 64 bits of a perceptual hash; None: near duplicates are kept
    upright: bool = False
    held_out: float = 0.1  # share of val, and as large a one of test
    allow_private: bool = False

    def __post_init__(self) -> None:
        ranges = {
            "limit": (1, None),
            "connections": (1, 1024),
            "per_host": (1, 1024),
            "delay": (0, 3600),
            "timeout": (0.1, 3600),
            "retries": (0, 20),
            "max_bytes": (1, 1 << 30),
            "max_pixels": (1, 1 << 30),
            "min_side": (1, None),
            "max_side": (1, None),
            "max_aspect": (1, None),
            "near": (0, 32),
            "held_out": (0, 0.49),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not (low <= value and (high is None or value <= high)):
                limits = f"at least {low}" if high is None else f"{low} to {high}"
                raise ZooError(f"--{name.replace('_', '-')} is {limits}, not {value}")

    @property
    def user_agent(self) -> str:
        return f"lightning-zoo/{__version__} (zoo collect; +{self.contact or ABOUT})"


@dataclass(frozen=True)
class SourceOptions:
    """A source as the user named it; equal ones are the same source."""

    text: str
    columns: tuple[tuple[str, str], ...] = ()
    base: str | None = None
    endpoint: str | None = None

    @property
    def key(self) -> str:
        return json.dumps(dataclasses.astuple(self))


def read_settings(path: Path) -> tuple[dict[str, Any], list[SourceOptions]]:
    """Options as they were given, and the sources, of an earlier collection; nothing where there is none.

    Raises:
        ZooError: the file is damaged, or of a newer zoo.
    """
    if not path.exists():
        return {}, []
    content = read_json(path)
    options, sources = content.get("options"), content.get("sources")
    if not isinstance(options, dict) or not isinstance(sources, list):
        raise ZooError(f"{path}: not the settings of a collection")
    _check(options, path)
    try:
        named = [SourceOptions(**{**one, "columns": tuple(map(tuple, one["columns"]))}) for one in sources]
    except (TypeError, KeyError):
        raise ZooError(f"{path}: its sources have another form") from None
    return options, named


def made_here(path: Path) -> bool:
    """Whether the settings were written where they are: nobody else can know the number that a folder will have."""
    return read_json(path).get("here") == path.parent.stat().st_ino


def _check(options: dict[str, Any], path: Path) -> None:
    """Options of a file have the types of :class:`Options`.

    Raises:
        ZooError: they have not.
    """
    from pydantic import TypeAdapter, ValidationError  # only here, as its import takes a while

    known = {field.name for field in dataclasses.fields(Options)}
    for name in options:
        if name not in known:
            raise ZooError(f"{path}: no option {name!r}{did_you_mean(name, known)}")
    try:
        TypeAdapter(Options).validate_json(json.dumps(options), strict=True)
    except ValidationError as error:
        [first, *_] = error.errors()
        raise ZooError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def write_settings(path: Path, options: dict[str, Any], sources: list[SourceOptions]) -> None:
    here = path.parent.stat().st_ino
    content = {
        "zoo": __version__,
        "here": here,
        "options": options,
        "sources": [dataclasses.asdict(one) for one in sources],
    }
    replace(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
