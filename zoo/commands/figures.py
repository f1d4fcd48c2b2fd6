"""Measures a card's figures for an export if the data are at hand; fetches nothing unasked."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base.errors import ZooError
from zoo.base.files import expanded
from zoo.base.paths import shown
from zoo.base.registry import import_object
from zoo.base.text import first_line
from zoo.cards.card import Card
from zoo.commands import evaluate
from zoo.hub import locate
from zoo.models.evaluation import Results

if TYPE_CHECKING:
    from zoo.models.base import Model


def at_hand(card: Card, source: locate.Source, given: Sequence[str]) -> tuple[evaluate.Measure | None, str]:
    """The function that measures a card's figures, and where the data are; None, and the reason, if it cannot.

    Args:
        card: card that claims the figures.
        source: source of the card.
        given: arguments as of ``zoo evaluate``. With any argument an error is raised; without, it is the reason.

    Raises:
        ZooError: given data or options are wrong.
    """
    assert card.architecture is not None
    if not source.has("recipe.yaml"):
        folder = source.folder.parent if source.folder.name == locate.MODEL else source.folder
        way_out = f"make a card to measure figures: zoo card {shown(folder)} --name NAME"
        if given:
            raise ZooError(f"{source} has no recipe.yaml; {way_out}")
        return None, f"recipe.yaml is missing; {way_out}"
    try:
        with evaluate.blaming(source):
            recipe = evaluate.recipe_of(source)
            if not given and (missing := _missing(recipe["data"])):
                return None, f"{missing} does not exist; pass yours: --data.KEY PATH, as for zoo evaluate {card.name}"
            own = any(word.startswith("--data.root") for word in given)
            called = "" if own else evaluate.called_by(card.front.get("datasets"))
            measure = evaluate.prepare(card.name, card.architecture, recipe, given, source=source, called=called)
    except ZooError as error:
        if given:
            raise
        return None, first_line(error)
    where = " ".join(given) or str(recipe["data"]["class_path"]).rpartition(".")[2]
    return lambda net: _measured(measure, net, source, bool(given)), where


def _measured(measure: evaluate.Measure, net: Model, source: locate.Source, asked: bool) -> Results:
    """The figures; none, with a printed reason, if they cannot be measured and the user did not ask for them."""
    try:
        with evaluate.blaming(source):
            return measure(net)
    except ZooError as error:
        if asked:
            raise
        print(f"zoo: figures are not measured: {first_line(error)}", file=sys.stderr)  # noqa: T201
        return Results()


def _missing(data: Mapping[str, Any]) -> Path | None:
    """The first path of a recipe's data that does not exist here; paths for training only do not count."""
    cls = import_object(data["class_path"])
    training = getattr(cls, "training_only", ())
    hints = typing.get_type_hints(cls.__init__)
    for name, parameter in inspect.signature(cls).parameters.items():
        if "Path" in str(hints.get(name)) and name not in training:
            for path in _paths((data.get("init_args") or {}).get(name, parameter.default)):
                if not expanded(path).exists():
                    return path
    return None


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _paths(each)
    elif isinstance(value, (str, Path)):
        yield Path(value)
