"""The model to export, read from its card without torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from zoo.cards.card import Card, read_card
from zoo.hub import locate
from zoo.hub.locate import MODEL, Source


def find(model: str | Path) -> tuple[Card, Source]:
    """A model's card, under the name of its exported files, and the place of the model.

    A run of ``zoo fit`` is named by its recipe and version: "linknet_streets_version_0".

    Args:
        model: what ``zoo.load`` takes.

    Raises:
        ZooError: the model does not exist.
    """
    card, source = read_card(model), locate.find(model)
    run = source.folder.resolve().parent
    if source.folder.name != MODEL or card.name not in (run.name, MODEL):
        return card, source
    name = f"{run.parent.name}_{run.name}" if run.name.startswith("version_") else run.name
    return dataclasses.replace(card, name=name), source
