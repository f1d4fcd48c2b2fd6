"""What a run or a card tells about itself, in one form for both; read without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zoo.base.errors import ZooError
from zoo.base.files import read_text
from zoo.base.paths import shown
from zoo.cards.card import read_card
from zoo.compare.curves import Curve, read_curves
from zoo.hub import locate
from zoo.training.recipes import CONFIG
from zoo.training.states import Facts, State

SEED = "seed_everything"
SUFFIXES = (".png", ".jpg", ".jpeg")
PICTURES = 4  # of a card, at most


@dataclass(frozen=True)
class Measured:
    """A figure of a run or a card.

    Args:
        metric: name of the metric, such as "mIoU".
        split: split of the data.
        where: data and protocol, such as "photos, Protocol B"; empty for a run, whose data have no name.
        value: the value.
        tolerance: largest difference that a later measurement may have; None where it is not known.
    """

    metric: str
    split: str
    where: str
    value: float
    tolerance: float | None = None


@dataclass(frozen=True)
class Subject:
    """A run or a card.

    Args:
        name: how the user named it, or its folder.
        is_run: whether it is a run, whose recipe has all keys; that of a card has only those that were set.
        recipe: values of the recipe by their keys, such as "data.init_args.crop".
        seed: seed of the run; None: it was not fixed.
        data: SHA-256 digests of the data by split or part.
        versions: versions of packages.
        figures: figures, the main one first.
        direction: "min" or "max" of the main figure; empty: not known.
        curves: curves by name, such as "val/loss"; none of a card.
        pictures: files of pictures.
        state: what is said of how far it is.
    """

    name: str
    is_run: bool
    recipe: Mapping[str, Any]
    seed: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    figures: tuple[Measured, ...] = ()
    direction: str = ""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    pictures: tuple[Path, ...] = ()
    state: str = ""


def read(name: str) -> Subject:
    """Reads a run's folder, or a card by any name that ``zoo info`` takes.

    Raises:
        ZooError: there is neither, or it cannot be read.
    """
    folder = Path(name).expanduser()
    if (folder / CONFIG).is_file():
        return _run(folder)
    if folder.is_dir() and not (folder / "config.json").is_file():
        if inside := sorted(each.parent for each in folder.glob(f"*/{CONFIG}")):
            raise ZooError(f"{name}: holds runs, and is none itself; name one, such as {shown(inside[-1])}")
        raise ZooError(f"{name}: neither a run, which has {CONFIG}, nor a card, which has config.json")
    return _card(name)


def _run(folder: Path) -> Subject:
    state, facts = State.read(folder), Facts.read(folder)
    recipe = flat(_yaml(folder / CONFIG))
    curves = read_curves(folder)
    figures, direction = _figures(curves, facts)
    doing = "complete" if state.complete else f"{state.epoch} epochs, step {state.step}" if state.step else "not known"
    return Subject(
        name=str(shown(folder)), is_run=True, recipe=recipe, seed=_seed(recipe), data=facts.data,
        versions=facts.versions, figures=figures, direction=direction, curves=curves,
        pictures=tuple(sorted((folder / "pictures").glob("*.png"))[-1:]), state=doing,
    )  # fmt: skip


def _figures(curves: Mapping[str, Curve], facts: Facts) -> tuple[tuple[Measured, ...], str]:
    """Figures of validation at the step of the best checkpoint, or at the last step; the monitored one comes first."""
    names = [name for name in curves if name.startswith("val/") and curves[name]]
    monitored, direction = facts.monitor if facts.monitor and facts.monitor[0] in names else ("", "")
    step = None
    if monitored:
        best = {"min": min, "max": max}[direction]
        step = best(curves[monitored], key=lambda point: point[1])[0]
    found = []
    for name in sorted(names, key=lambda each: each != monitored):
        at = [value for where, value in curves[name] if step is None or where == step]
        found += [Measured(name.removeprefix("val/"), "val", "", at[-1])] if at else []
    return tuple(found), direction


def _card(name: str) -> Subject:
    card, source = read_card(name), locate.find(name)
    recipe = flat(_yaml(source.file("recipe.yaml"))) if source.has("recipe.yaml") else {}
    samples = sorted(path for path in (card.folder / "samples").glob("*") if path.suffix.lower() in SUFFIXES)
    figures = (Measured(each.metric, each.split, each.where, each.value, each.tolerance) for each in card.figures)
    return Subject(
        name=name, is_run=False, recipe=recipe, seed=_seed(recipe), data=card.results.data_digest,
        versions=card.results.versions, figures=tuple(figures), pictures=tuple(samples[:PICTURES]), state="card",
    )  # fmt: skip


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ZooError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict):
        raise ZooError(f"{path}: a recipe is a mapping")
    return content


def _seed(recipe: Mapping[str, Any]) -> int | None:
    seed = recipe.get(SEED)
    return seed if type(seed) is int else None


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Values of nested mappings and lists by keys such as "model.init_args.lr" or "trainer.callbacks.0.class_path"."""
    return dict(_flat(values, prefix))


def _flat(values: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else None
    if not items:
        yield prefix, plain(values)
        return
    for key, value in items:
        yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))


def plain(value: Any) -> Any:
    """A value such that equal ones are equal: numbers that YAML reads as text, such as 1e-3, are numbers."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    if type(value) is int:
        return value
    return json.dumps(value) if isinstance(value, (dict, list)) else value
