"""Times of a network on its card."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zoo.base.errors import ZooError
from zoo.base.typed import UnfitError
from zoo.cards.card import read_card, refresh
from zoo.models.evaluation import Results, Speed

ENGINE = "engines: "  # begins the rows of engines, in whose table other benchmarks have rows too
SIZE = re.compile(rf"{ENGINE}(\d+x\d+), ")


def put_on_card(card: Path, rows: Sequence[Speed], *, engines: bool = False) -> None:
    """Replaces speeds on a card.

    Args:
        card: folder of the card.
        rows: what took how long; they replace the rows of engines, or all others.
        engines: whether they are of engines.

    Raises:
        ZooError: they are too many for a card; it stays as it is.
    """
    results = read_card(card).results
    others = [row for row in results.speed if row.what.startswith(ENGINE) != engines]
    try:
        changed = replace(results, speed=[*others, *rows] if engines else [*rows, *others])
    except UnfitError as error:
        raise ZooError(f"{card}: speed {error}") from None
    refresh(card, changed)


def size_of(results: Results) -> str:
    """The size of a card's first row of engines, such as "480x360"; empty if it has none."""
    sizes = (SIZE.match(row.what) for row in results.speed)
    return next((found[1] for found in sizes if found), "")


def machine_of(threads: int, library: str, device: str = "cpu") -> str:
    """What a time depends on, such as "2 cores, x86_64, torch 2.14.1"."""
    cores = f"{threads} core{'s' * (threads > 1)}"
    return ", ".join((*([device] if device != "cpu" else ()), cores, platform.machine(), library))
