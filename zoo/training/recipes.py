"""From a recipe's name to its file, and finding its misspelt keys before Lightning does."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from zoo.base.errors import ZooError
from zoo.base.files import bundled, expanded
from zoo.base.text import did_you_mean, unknown

CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")  # of jsonargparse


def names() -> list[str]:
    """Names of the bundled recipes, without suffix."""
    return sorted(path.stem for path in bundled("recipes").glob("*.yaml"))


def find(name: str) -> Path:
    """The file of a recipe: a path if it has a separator, else in the working directory, else a bundled one.

    Raises:
        ZooError: there is no such recipe.
    """
    path = expanded(name)
    if path.is_file():
        return path
    if any(separator in name for separator in (os.sep, os.altsep) if separator):
        raise ZooError(f"{name}: no such recipe file")
    stem = name.removesuffix(".yaml")
    if stem in names():
        return bundled("recipes") / f"{stem}.yaml"
    raise unknown("recipe", name, names())


def check(path: Path) -> None:
    """Refuses a recipe with a key that nothing takes, or a class that cannot be imported.

    jsonargparse would refuse it too, in some 60 lines that do not say where.

    Raises:
        ZooError: the first such key, with file, line and the nearest valid key.
    """
    root = _compose(path)
    if not isinstance(root, MappingNode):
        raise ZooError(f"{path}: a recipe is a mapping with the keys model, data and trainer")
    _refuse_unknown(path, "", root, _top_level_keys())
    for key, value in _items(root):
        if key.value == "trainer" and isinstance(value, MappingNode):
            import lightning.pytorch

            _refuse_unknown(path, "trainer.", value, _parameters(lightning.pytorch.Trainer))
        if key.value in ("model", "data") and isinstance(value, MappingNode):
            _refuse_unknown(path, f"{key.value}.", value, CLASS_KEYS)
        _check_classes(path, f"{key.value}.", value)


def _compose(path: Path) -> Node | None:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except FileNotFoundError:
        raise ZooError(f"{path}: no such recipe file") from None
    except UnicodeDecodeError as error:
        raise ZooError(f"{path}: not a text file: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ZooError(f"{path}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ZooError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def _items(node: MappingNode) -> Iterator[tuple[ScalarNode, Node]]:
    return ((key, value) for key, value in node.value if isinstance(key, ScalarNode))


def _line(path: Path, node: Node) -> str:
    return f"{path}:{node.start_mark.line + 1}"


def _refuse_unknown(path: Path, prefix: str, node: MappingNode, valid: Collection[str] | None) -> None:
    for key, _ in _items(node):
        if valid is not None and key.value not in (*valid, "<<"):  # YAML's merge key
            near = did_you_mean(key.value, valid)
            raise ZooError(f"{_line(path, key)}: no key '{prefix}{key.value}'{near}")


def _check_classes(path: Path, prefix: str, node: Node) -> None:
    """Checks ``init_args`` against the class beside it, here and in everything below."""
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            _check_classes(path, f"{prefix}{index}.", item)
    if not isinstance(node, MappingNode):
        return
    entries = {key.value: value for key, value in _items(node)}
    class_path, arguments = entries.get("class_path"), entries.get("init_args")
    if isinstance(class_path, ScalarNode):
        target = _import(path, class_path)
        if target is not None and isinstance(arguments, MappingNode):
            _refuse_unknown(path, f"{prefix}init_args.", arguments, _parameters(target))
    for name, value in entries.items():
        if name != "dict_kwargs":
            _check_classes(path, f"{prefix}{name}.", value)


def _import(path: Path, node: ScalarNode) -> Callable[..., Any] | None:
    """The class or function that a ``class_path`` names; None for a bare name, which jsonargparse resolves."""
    module_name, _, name = node.value.rpartition(".")
    if not module_name:
        return None
    try:
        target = getattr(importlib.import_module(module_name), name)
    except ImportError as error:
        raise ZooError(f"{_line(path, node)}: cannot import {node.value}: {error}") from error
    except AttributeError:
        near = did_you_mean(name, dir(importlib.import_module(module_name)))
        raise ZooError(f"{_line(path, node)}: {module_name} has no {name!r}{near}") from None
    return target if callable(target) else None


@lru_cache
def _parameters(target: Callable[..., Any]) -> tuple[str, ...] | None:
    """Names that jsonargparse takes for a class or function, ``**kwargs`` followed; None where it cannot tell."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    add = parser.add_class_arguments if inspect.isclass(target) else parser.add_function_arguments
    try:
        return tuple(name.partition(".")[0] for name in add(target, fail_untyped=False))
    except Exception:  # it inspects foreign source; what it cannot read is accepted here
        return None


def _top_level_keys() -> tuple[str, ...]:
    from lightning.pytorch import Trainer
    from lightning.pytorch.cli import LightningCLI

    fit = set(inspect.signature(Trainer.fit).parameters) - {"self"} - LightningCLI.subcommands()["fit"]
    return ("seed_everything", "trainer", "model", "data", "weights", *sorted(fit))
