"""What an architecture declares, and finding it by the name of its folder. Nothing here imports torch."""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.files import bundled, unknown


@dataclass(frozen=True)
class Architecture:
    """One folder in ``zoo/models``. Its classes are named, not held, so that reading a declaration imports nothing.

    Args:
        net: dotted path of the network's class.
        module: dotted path of the LightningModule.
        data: dotted path of the LightningDataModule it is trained with.
        evaluate: dotted path of the function ``(net, data) -> results`` that measures what its cards claim.
        weights: names of its cards; ``load`` takes the first for the architecture's own name.
        task: in the field's words, such as "semantic segmentation".
        paper: address.
        input: what the network takes, for its cards.
        pictures: how many of them its ``predict`` takes for one result.
    """

    net: str
    module: str
    data: str
    evaluate: str
    weights: tuple[str, ...]
    task: str
    paper: str
    input: str
    pictures: int = 1


def architectures() -> dict[str, Architecture]:
    """Every architecture by its folder's name."""
    models = importlib.import_module("zoo.models")
    folders = sorted(info.name for info in pkgutil.iter_modules(models.__path__) if info.ispkg)
    return {name: importlib.import_module(f"zoo.models.{name}").ARCHITECTURE for name in folders}


def import_object(path: str) -> Any:
    """What a dotted path inside the zoo names.

    Raises:
        ZooError: the path leads out of the zoo, or to nothing.
    """
    module, _, name = path.rpartition(".")
    if not path.startswith("zoo.") or not name:
        raise ZooError(f"{path!r} is not a path inside zoo")
    try:
        return getattr(importlib.import_module(module), name)
    except (AttributeError, ModuleNotFoundError) as error:
        raise ZooError(f"{path!r} names nothing: {error}") from error


def card_names(pattern: str = "*") -> list[str]:
    """Names of the bundled cards that match a shell pattern."""
    names = sorted(path.parent.name for path in bundled("cards").glob("*/config.json"))
    return fnmatch.filter(names, pattern)


def card_folder(name: str | Path) -> Path:
    """The folder of a card: bundled under its own name or its architecture's, or any folder by its path.

    Raises:
        ZooError: there is no such card.
    """
    text, known = str(name), architectures()
    if text in known:
        text = known[text].weights[0]
        if text not in card_names():
            raise ZooError(f"{name}: its weights {text!r} are not in this installation ({bundled('cards')})")
    if text in card_names():
        return bundled("cards") / text
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if "/" in text or path.is_absolute():
        raise ZooError(f"no folder {text!r}, and models on the Hub cannot be loaded by this version of zoo yet")
    raise unknown("model", text, [*known, *card_names()])
