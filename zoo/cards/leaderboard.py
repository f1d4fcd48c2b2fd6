"""Figures for the Hub's leaderboards, ``.eval_results/*.yaml``, on data sets that the Hub has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from zoo.models.evaluation import Figure

FILE = ".eval_results/zoo.yaml"


def text(figures: Iterable[Figure], datasets: Any) -> str:
    """The main figure of each data set that the Hub has; empty if it has none.

    Args:
        figures: figures of the card, the main one first.
        datasets: data sets of the card; a ``user/name`` is on the Hub, and anything that is not a name is left out.
    """
    named = [name for name in datasets if isinstance(name, str)] if isinstance(datasets, (list, tuple)) else []
    ids = {key.lower(): name for name in named if name.count("/") == 1 for key in (name, name.rpartition("/")[2])}
    entries: dict[str, dict[str, Any]] = {}
    for figure in figures:
        if identity := ids.get(figure.data.lower()):
            protocol = "" if figure.protocol in ("", figure.data) else f", {figure.protocol}"
            told = {"value": figure.value, "notes": f"{figure.metric} on {figure.split}{protocol}"}
            entries.setdefault(identity, {"dataset": {"id": identity, "task_id": "default"}, **told})
    return yaml.safe_dump(list(entries.values()), sort_keys=False, allow_unicode=True) if entries else ""
