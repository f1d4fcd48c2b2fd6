"""The table of all bundled models, for people who know none of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.registry import architectures, card_names
from zoo.base.text import cell_text
from zoo.cards import front
from zoo.cards.card import Card, read_card
from zoo.cards.tables import markdown

HEAD = ("task", "model", "good at", "figure", "speed on 2 cores", "size", "licence", "commercial use")
LOADED = re.compile(r"engines: (\d+x\d+), torch .*as loaded")  # the line of speed that is shown


def models_table(prefix: str, suffix: str) -> str:
    """The table as Markdown, by task; the model that ``load(ARCHITECTURE)`` gives stands first.

    Args:
        prefix: goes before the cards' names in the links.
        suffix: goes after them.
    """
    names = card_names()
    listed = [name for declared in architectures().values() for name in declared.weights if name in names]
    cards = [read_card(name) for name in dict.fromkeys([*listed, *names])]
    rows = [
        (
            card.task,
            f"[{card.name}]({prefix}{card.name}{suffix})",
            card.front.get("summary", ""),
            headline(card),
            speed(card),
            card.size,
            card.front.get("license_name") or card.front.get("license", ""),
            front.commercial_use(card.front),
        )
        for card in sorted(cards, key=lambda card: card.task)
    ]
    return markdown(HEAD, rows)


def headline(card: Card) -> str:
    """The figure that tells an outsider most, with its unit.

    ``headline`` in the front matter is its text, with names of figures in braces, such as
    ``{PSNR Y on Set14:.2f} dB``. Without it, the first figure is shown unchanged.

    Raises:
        ZooError: the text names a figure that the card lacks.
    """
    figures = {f"{figure.metric} on {figure.where}": figure.value for figure in reversed(card.figures)}
    figures |= {figure.metric: figure.value for figure in reversed(card.figures)}
    text = card.front.get("headline")
    if text is None:
        return str(card.figures[0]) if card.figures else ""
    try:
        return str(text).format_map(figures)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ZooError(f"{card.name}: headline names a figure that its results lack: {error}") from None


def speed(card: Card) -> str:
    """Time of a forward pass in torch on two cores, such as "37 ms at 480x360"; empty if not measured."""
    for each in card.results.speed:
        if (found := LOADED.fullmatch(each.what)) and each.machine.startswith("2 cores, "):
            return f"{each.ms:.3g} ms at {found[1]}"
    return ""


def peers_table(prefix: str, suffix: str) -> str:
    """Figures of models beside other methods, which their cards measured in one run.

    ``beside`` in the front matter of a card names the rows: ``what``, a text with the unit; ``table``, the beginning of
    a title, or "speed"; ``column``; and ``rows``, the model's own first.

    Args:
        prefix: goes before the cards' names in the links.
        suffix: goes after them.

    Raises:
        ZooError: there is no such table, row or column.
    """
    lines = []
    for card in map(read_card, card_names()):
        for entry in card.front.get("beside", ()):
            own, *others = (_beside(card, entry, row) for row in entry["rows"])
            link = f"[{card.name}]({prefix}{card.name}{suffix})"
            told = "; ".join(f"{row} {value}" for row, value in zip(entry["rows"][1:], others, strict=True))
            lines.append((card.task, entry["what"], link, own, told))
    return markdown(("task", "measured", "model", "its figure", "others"), sorted(lines))


def _beside(card: Card, entry: Mapping[str, Any], row: str) -> str:
    """A value of a card's results, as a text."""
    cells: dict[Any, Any]
    if entry["table"] == "speed":
        cells = {each.what: each.ms for each in card.results.speed}
    else:
        table = next((each for each in card.results.tables if each.title.startswith(entry["table"])), None)
        if table is None or entry["column"] not in table.columns:
            raise ZooError(f"{card.name}: beside names no table or column of its results: {entry['table']}")
        column = table.columns.index(entry["column"])
        cells = {line[0]: line[column] for line in table.rows}
    if row not in cells:
        raise ZooError(f"{card.name}: beside names no row of its results: {row}")
    return cell_text(cells[row])
