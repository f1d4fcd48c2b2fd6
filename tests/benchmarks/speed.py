"""What the benchmarks of speed have in common."""

import json
import platform
from pathlib import Path

import torch

from zoo.base.files import replace
from zoo.cards.card import refresh

ENGINE = "engines: "  # begins the rows of engines.py, in whose table other benchmarks have rows too


def put_on_card(card: Path, seconds: dict[str, float], *, engines: bool = False) -> None:
    """Replaces speeds on a card: seconds by what took them, on as many cores as torch uses.

    Args:
        card: its folder.
        seconds: the rows, which replace those of engines, or all others.
        engines: whether they are of engines.
    """
    cores = torch.get_num_threads()
    machine = f"{cores} core{'s' * (cores > 1)}, {platform.machine()}, torch {torch.__version__}"
    path = card / "results.json"
    results = json.loads(path.read_text())
    own = [{"what": n, "ms": round(1000 * s, 1), "machine": machine} for n, s in seconds.items()]
    others = [row for row in results.get("speed") or () if row["what"].startswith(ENGINE) != engines]
    results["speed"] = [*others, *own] if engines else [*own, *others]
    replace(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    refresh(card)
