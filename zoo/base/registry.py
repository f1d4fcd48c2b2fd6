"""What an architecture declares, and finding it by the name of its folder. Nothing here imports torch."""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import bundled


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
        example: channels, height and width of the golden input; None where nothing is computed in one pass.
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
    example: tuple[int, int, int] | None = None


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
