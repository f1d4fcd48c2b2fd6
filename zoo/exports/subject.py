"""A model to export: its card, its network, and the inputs that its outputs are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from zoo.base.registry import Architecture, architectures
from zoo.cards import weights
from zoo.cards.card import Card
from zoo.exports import pictures
from zoo.exports.certificate import Reference
from zoo.exports.convert import Example
from zoo.exports.pictures import Input, Shown
from zoo.exports.settings import Settings
from zoo.exports.source import find
from zoo.hub import client
from zoo.models.base import Model


@dataclass(frozen=True)
class Subject:
    """A model and the settings of its export.

    Args:
        card: card of the model.
        net: network in float32, on the CPU.
        name: name that ``zoo.load`` takes.
        revision: commit on the Hub, or empty.
        settings: settings of the export.
    """

    card: Card
    net: Model
    name: str
    revision: str
    settings: Settings

    @classmethod
    def load(cls, model: str | Path, settings: Settings) -> Subject:
        """Reads a model by any name that ``zoo.load`` takes.

        Raises:
            ZooError: the model does not exist, or the settings are refused.
        """
        card, source = find(model)
        settings.refuse(card.name, card.architecture)
        name, revision = card.name, ""
        if isinstance(source, client.Snapshot):
            name, revision = source.reference.repo, source.commit
        own = cls(card, weights.load(model), name, revision, settings)
        settings.refuse_size(card.name, None if own.net.any_size else own.example[1:])
        return own

    @property
    def architecture(self) -> str:
        return str(self.card.config["architecture"])

    @property
    def declared(self) -> Architecture:
        return architectures()[self.architecture]

    @property
    def example(self) -> Example:
        """Channels, height and width of the golden input."""
        assert self.declared.example is not None  # or the settings had been refused
        return self.declared.example

    @cached_property
    def reference(self) -> Reference:
        """The outputs of torch for the pictures to compare."""
        given = pictures.opened(self.settings.check)
        return Reference.of(self.net, self.inputs(given or pictures.drawn(), len(given) or 1))

    def inputs(self, shown: Sequence[Shown], count: int) -> list[Input]:
        """Inputs with these pictures, the first ones at the card's size; see :func:`zoo.exports.pictures.inputs`."""
        size = self.settings.size or pictures.own_size(self.card.results.macs, self.example)
        free = self.net.any_size and self.settings.size is None
        return pictures.inputs(shown, count, self.declared, self.example[0], free, size)
