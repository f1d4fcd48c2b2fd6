"""Times of a network on its card."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path

from zoo.base.files import read_json, replace
from zoo.cards.card import refresh

ENGINE = "engines: "  # begins the rows of engines, in whose table other benchmarks have rows too


def put_on_card(card: Path, seconds: Mapping[str, float], machine: str, *, engines: bool = False) -> None:
    """Replaces speeds on a card.

    Args:
        card: folder of the card.
        seconds: seconds by what took them; the rows replace those of engines, or all others.
        machine: threads, processor and versions, see :func:`machine_of`.
        engines: whether they are of engines.
    """
    path = card / "results.json"
    results = read_json(path)
    own = [{"what": name, "ms": round(1000 * value, 1), "machine": machine} for name, value in seconds.items()]
    others = [row for row in results.get("speed") or () if row["what"].startswith(ENGINE) != engines]
    results["speed"] = [*others, *own] if engines else [*own, *others]
    replace(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    refresh(card)


def machine_of(threads: int, library: str) -> str:
    """What a time depends on, such as "2 cores, x86_64, torch 2.14.1"."""
    return f"{threads} core{'s' * (threads > 1)}, {platform.machine()}, {library}"
