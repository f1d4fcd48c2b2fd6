"""Declarations of architectures, found by name. Nothing here imports torch.

Architectures are the folders in ``zoo/models``, and those that other packages name by entry points of the group
``zoo.architectures``. Recipes and cards lie in folders of these names beside the zoo's package, or in the other one.
"""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.files import bundled
from zoo.base.text import first_line

GROUP = "zoo.architectures"


@dataclass(frozen=True)
class Architecture:
    """Everything that the zoo must know about an architecture.

    Its classes are named by dotted paths, not held, so that reading a declaration imports nothing.

    Args:
        net: the network, a :class:`zoo.models.base.Model`.
        module: the LightningModule that trains it.
        data: the LightningDataModule that it is trained with.
        predictor: the class whose ``predict`` makes results of pictures by an engine; keyword arguments of ``predict``
            are options of ``zoo predict``. Its ``shapes(batch, height, width)``, if it has it, gives the shapes of the
            engine's input and outputs, against which exported files are checked.
        evaluate: the function ``(net, data, context, *, options) -> Results`` that measures what its cards claim, by
            the network's engine; keyword arguments are options of ``zoo evaluate``.
        weights: names of its cards; ``load`` takes the first for the architecture's own name.
        task: task in the field's words, such as "semantic segmentation".
        pipeline_tag: the task in the Hub's words, such as "image-segmentation".
        paper: address of the paper.
        input: description of the network's input, for its cards.
        inputs: names of the pictures that make one prediction: the first arguments of ``predict``.
        example: channels, height and width of the golden input; None if nothing is computed in one pass.
        pretrained: arguments of network and module that name weights to start from. They become None if all weights
            follow, so that nothing is fetched in vain.
        video: kind of a video's result, used in its file name, such as "styled"; empty: pictures only.
        steady: whether frames of a video may be blended with the frame before, against flicker.
        result: the class of ``predict``'s result, if its ``save`` has keyword arguments: they are options of
            ``zoo predict`` too.
        chain: the function that makes one result from an iterable of results, each for a picture and the next; empty:
            there is none.
        foreign: the function ``(shapes of tensors by name) -> arguments of the network`` that recognises files of other
            programs with the same network and names, and returns None for any other file; empty: there are none.
        page: how the page of ``zoo demo`` computes and shows it: the name of a module in
            ``zoo/exports/demo/page/compute``; empty: it has no page.
    """

    net: str
    module: str
    data: str
    predictor: str
    evaluate: str
    weights: tuple[str, ...]
    task: str
    pipeline_tag: str
    paper: str
    input: str
    inputs: tuple[str, ...] = ("picture",)
    example: tuple[int, int, int] | None = None
    pretrained: tuple[str, ...] = ()
    video: str = ""
    steady: bool = False
    result: str = ""
    chain: str = ""
    foreign: str = ""
    page: str = ""


def architectures() -> dict[str, Architecture]:
    """Every architecture by its name, those of the zoo first."""
    models = importlib.import_module("zoo.models")
    folders = sorted(info.name for info in pkgutil.iter_modules(models.__path__) if info.ispkg)
    own = {name: importlib.import_module(f"zoo.models.{name}").ARCHITECTURE for name in folders}
    return {**{name: declared for name, (declared, _) in _foreign().items()}, **own}


@lru_cache
def _foreign() -> dict[str, tuple[Architecture, str]]:
    """Architectures of other packages by name, each with the package; a broken package does not affect the others."""
    found: dict[str, tuple[Architecture, str]] = {}
    for entry in entry_points(group=GROUP):
        try:
            declared = entry.load()
            if not isinstance(declared, Architecture):
                raise TypeError(f"is a {type(declared).__name__}, not an Architecture")
            found[entry.name] = declared, entry.module
        except Exception as error:  # another package may raise anything when it is imported
            print(f"zoo: left out the architecture {entry.name} ({entry.value}): {first_line(error)}", file=sys.stderr)  # noqa: T201
    return found


def folders(kind: str) -> list[Path]:
    """Folders of ``"recipes"`` or ``"cards"``: the zoo's first, then those of other packages."""
    packages = sorted({module for _, module in _foreign().values()})
    places = (Path(sys.modules[name].__file__ or "").parent for name in packages)
    return [bundled(kind), *(place / kind for place in places)]


def card_folder(name: str) -> Path | None:
    """The folder of the installed card of this name."""
    places = (place / name for place in folders("cards"))
    return next((place for place in places if (place / "config.json").is_file()), None)


def card_names(pattern: str = "*") -> list[str]:
    """Names of the installed cards that match a shell pattern."""
    names = {path.parent.name for place in folders("cards") for path in place.glob("*/config.json")}
    return fnmatch.filter(sorted(names), pattern)


def architecture_of(cls: type) -> str | None:
    """The name of the architecture whose network or LightningModule a class is, or inherits from."""
    paths = [f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__]
    owners = {path: name for name, each in architectures().items() for path in (each.net, each.module)}
    return next((owners[path] for path in paths if path in owners), None)


def import_object(path: str) -> Any:
    """Imports the object at a dotted path inside the zoo, or inside a package that has architectures.

    Raises:
        ZooError: the path leads out of these packages, or to nothing.
    """
    module, _, name = path.rpartition(".")
    roots = {"zoo", *(package.partition(".")[0] for _, package in _foreign().values())}
    if path.partition(".")[0] not in roots or not module:
        raise ZooError(f"{path!r} is not a path inside zoo")
    try:
        return getattr(importlib.import_module(module), name)
    except (AttributeError, ModuleNotFoundError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and not f"{module}.".startswith(f"{missing}."):
            raise  # a package that the module needs, such as torch
        raise ZooError(f"{path!r} names nothing: {error}") from error


def lazy(declared: Architecture) -> Callable[[str], Any]:
    """The ``__getattr__`` of an architecture's package: imports network and LightningModule when they are asked for.

    Torch takes seconds to import, and a declaration is read by every command.
    """
    paths = {path.rpartition(".")[2]: path for path in (declared.net, declared.module)}

    def get(name: str) -> Any:
        if name in paths:
            return import_object(paths[name])
        raise AttributeError(f"there is no {name!r}; there are {', '.join(paths)}")

    return get
