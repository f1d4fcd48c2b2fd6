"""What the benchmarks of speed have in common."""

import json
import platform
from pathlib import Path

import torch

from zoo.base.files import replace
from zoo.cards.card import refresh


def put_on_card(card: Path, seconds: dict[str, float]) -> None:
    """Replaces the table of speeds on a card: seconds by what took them, on as many cores as torch uses."""
    cores = torch.get_num_threads()
    machine = f"{cores} core{'s' * (cores > 1)}, {platform.machine()}, torch {torch.__version__}"
    path = card / "results.json"
    results = json.loads(path.read_text())
    results["speed"] = [{"what": n, "ms": round(1000 * s, 1), "machine": machine} for n, s in seconds.items()]
    replace(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    refresh(card)
