"""Paths as others may see them: without the folders of this machine."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from zoo.base.files import expanded


def shown(path: Path) -> str:
    """A path for a printed command: relative to the working directory, quoted if a shell needs that."""
    return shlex.quote(os.path.relpath(path))


def without_folders(value: Any, into: str = "") -> Any:
    """Shortens every path of this machine in a value: a text, a list or mapping, or YAML of these in a text.

    A path below the working directory becomes relative to it. Any path that leads out of it, by ``/``, ``~``, ``..`` or
    ``file:``, is reduced to its name, with more folders if a list has two of that name. A path without a name becomes
    "data".

    Args:
        value: value to show; anything without such a path is returned unchanged.
        into: folder that is put before the names of paths that lead out, such as "data".
    """
    if isinstance(value, Mapping):
        return {without_folders(key, into): without_folders(item, into) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _list_shortened(value, into)
    if not isinstance(value, str):
        return value
    with suppress(yaml.YAMLError, ValueError, RecursionError):  # anything but YAML is one text
        if isinstance(parsed := yaml.safe_load(value), (list, dict)):
            shown = without_folders(parsed, into)
            return value if shown == parsed else json.dumps(shown, ensure_ascii=False, default=str)
    return _shortened(value, into)


def ends_apart(paths: Sequence[str | Path]) -> list[str]:
    """The shortest end of each path that no other of them has, most often its name: "Set5/HR" beside "Set14/HR".

    For texts in UTF-8: bytes of a path that are not UTF-8 become "?".
    """
    every = [_full(path).parts for path in paths]
    found = []
    for own in every:
        others = [other for other in every if other != own]
        length = next(n for n in range(1, 1 + len(own)) if n == len(own) or all(own[-n:] != o[-n:] for o in others))
        found.append(PurePath(*own[-length:]).as_posix().encode(errors="replace").decode())
    return found


def _full(path: str | Path) -> Path:
    return Path(os.path.abspath(expanded(path)))  # noqa: PTH100  links keep their names


def _list_shortened(items: Sequence[Any], into: str) -> list[Any]:
    """Shortens paths in a list; equal names of different paths get as many folders as tell them apart."""
    shown = [without_folders(item, into) for item in items]
    places = {i: _full(_path_of(item)) for i, item in enumerate(items) if isinstance(item, str)}
    ends = dict(zip(places, ends_apart(list(places.values())), strict=True))
    for i, place in places.items():
        named = shown[i] != items[i] and shown[i] == PurePath(into, place.name).as_posix()
        if named and not place.is_relative_to(Path.cwd()):
            shown[i] = PurePath(into, ends[i]).as_posix()
    return shown


def _path_of(text: str) -> str:
    return unquote(urlsplit(text).path) if text.startswith("file:") else text


def _shortened(text: str, into: str) -> str:
    given = _path_of(text)
    path = PurePath(given)
    if not (text.startswith(("~", "file:")) or path.is_absolute() or ".." in path.parts):
        return text
    here, full = Path.cwd(), _full(given)
    if full.is_relative_to(here) and not str(expanded(given)).startswith("~"):  # ~NAME of a user who does not exist
        return full.relative_to(here).as_posix()
    return PurePath(into, path.name).as_posix() if path.name and not path.name.startswith(("~", "..")) else "data"
