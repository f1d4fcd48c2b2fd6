"""The front matter of a card's README: reading, writing, and its licences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from zoo.base.files import read_text
from zoo.cards.forms import parse_front
from zoo.cards.tables import entry_text

USES = ("yes", "no", "unclear")  # values of commercial_use on a card


def read(readme: Path) -> tuple[dict[str, Any], str]:
    """Front matter and body of a README."""
    return split(read_text(readme), readme)


def split(text: str, where: object) -> tuple[dict[str, Any], str]:
    """Front matter, empty if there is none, and body of a text.

    Args:
        text: text of a README.
        where: name of the README, for the error.

    Raises:
        ZooError: the front matter cannot be read.
    """
    match = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if match is None:
        return {}, text
    return parse_front(match[1], f"{where}: front matter"), text[match.end() :]


def join(front: Mapping[str, Any], body: str) -> str:
    """The text of a README."""
    written = yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{written}---\n{body}"


def license_text(front: Mapping[str, Any]) -> str:
    """The licence of the weights; for one that the Hub does not list, its name and address."""
    said, name, link = (entry_text(front.get(key)) for key in ("license", "license_name", "license_link"))
    if said != "other" or not name:
        return said
    return f"{name} ({link})" if link else name


def commercial_use(front: Mapping[str, Any]) -> str:
    """Whether the weights may be used commercially: a word of :data:`USES` on a card that was checked.

    It is "unclear" if the card says nothing. An unchecked card may hold any text; any other value gives "".
    """
    said = front.get("commercial_use", "unclear")
    return said if isinstance(said, str) else ""


def unclear_use(front: Mapping[str, Any], folder: Path) -> str:
    """A hint to set ``commercial_use`` in a card that leaves it unclear; else empty."""
    if commercial_use(front) != "unclear":
        return ""
    return f"Commercial use of the weights is unclear: if you know, set commercial_use: yes or no in {folder}/README.md"
