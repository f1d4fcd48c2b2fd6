"""What went wrong with some of the pictures, in words."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.base.text import printable
from zoo.commands.inputs import Failure, Inputs


def names(paths: Inputs) -> str:
    some = paths if len(paths) < 4 else (paths[0], "...", paths[-1])
    return printable(", ".join(map(str, some)))


def failure(paths: Inputs, told: str) -> Failure:
    """The pictures that failed, only one if the message begins with its name, and the reason."""
    own = next((path for path in paths if told.startswith(f"{path}: ")), None)
    told = told.removeprefix(f"{own}: ")
    for path in paths:  # file names may contain line breaks
        told = told.replace(str(path), names((path,)))
    return names(paths if own is None else (own,)), told


def grouped(failures: list[Failure]) -> Iterator[str]:
    """Each reason once, with the first pictures that failed for it and how many more did."""
    whose: dict[str, list[str]] = {}
    for who, told in failures:
        whose.setdefault(told, []).append(who)
    for told, (first, *others) in whose.items():
        yield f"{first}{f' and {len(others)} more' if others else ''}: {told}"
