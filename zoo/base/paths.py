"""Paths as others may see them: without the folders of this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from zoo.base.files import expanded


def without_folders(value: Any, into: str = "") -> Any:
    """Shortens every path of this machine in a value: a text, a list or mapping, or YAML of these in a text.

    A path below the working directory becomes relative to it. Any other that leads out of it, by ``/``, ``~``, ``..``
    or ``file:``, is reduced to its name; without a name it becomes "data".

    Args:
        value: what is to be shown; whatever holds no such path is returned as it is.
        into: folder that is put before the names of paths that lead out, such as "data".
    """
    if isinstance(value, Mapping):
        return {without_folders(key, into): without_folders(item, into) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_folders(item, into) for item in value]
    if not isinstance(value, str):
        return value
    with suppress(yaml.YAMLError, ValueError, RecursionError):  # what is no YAML is one text
        if isinstance(parsed := yaml.safe_load(value), (list, dict)):
            shown = without_folders(parsed, into)
            return value if shown == parsed else json.dumps(shown, ensure_ascii=False, default=str)
    return _shortened(value, into)


def _shortened(text: str, into: str) -> str:
    given = unquote(urlsplit(text).path) if text.startswith("file:") else text
    path = PurePath(given)
    if not (text.startswith(("~", "file:")) or path.is_absolute() or ".." in path.parts):
        return text
    here, full = Path.cwd(), os.path.abspath(expanded(given))  # noqa: PTH100  links stay what they are called
    if Path(full).is_relative_to(here) and not str(expanded(given)).startswith("~"):  # of a user who does not exist
        return Path(full).relative_to(here).as_posix()
    return PurePath(into, path.name).as_posix() if path.name and not path.name.startswith(("~", "..")) else "data"
