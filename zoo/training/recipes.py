"""Finds a recipe's file by name, and its misspelt keys before Lightning does."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from zoo.base.errors import ZooError
from zoo.base.files import expanded, read_text
from zoo.base.registry import folders
from zoo.base.text import did_you_mean, unknown

KEYS = ("seed_everything", "weights", "model", "data", "trainer")
TRAINER = "lightning.pytorch.Trainer"
CONFIG = "config.yaml"  # recipe of a run
MARK = "# A run of zoo fit, which goes on with this by --resume."  # its first line
CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")  # keys of jsonargparse


def names() -> list[str]:
    """Names of the installed recipes, without suffix."""
    return sorted({path.stem for place in folders("recipes") for path in place.glob("*.yaml")})


def find(name: str) -> Path:
    """The file of a recipe: a path if it has a separator, else in the working directory, else an installed one.

    Raises:
        ZooError: there is no such recipe.
    """
    path = expanded(name)
    if path.is_file():
        return path
    if name != Path(name).name:
        raise ZooError(f"{name}: no such recipe file")
    for place in folders("recipes"):
        if (installed := place / f"{name.removesuffix('.yaml')}.yaml").is_file():
            return installed
    raise unknown("recipe", name, names())


def check(path: Path) -> None:
    """Refuses a recipe with an unknown key, or with a class that cannot be imported.

    jsonargparse would refuse it too, in some 60 lines that do not name the place.

    Raises:
        ZooError: the first such key, with file, line and the nearest valid key.
    """
    root = parse(read_text(path), path)
    if not isinstance(root, MappingNode):
        raise ZooError(f"{path}: a recipe is a mapping with the keys {', '.join(KEYS)}")
    _check(path, "", root, KEYS)


def parse(text: str, where: object) -> Node | None:
    """The nodes of a YAML text without duplicate keys, of which YAML silently takes the last.

    Args:
        text: text of a recipe, or of a part of one.
        where: its file or option, for errors.

    Raises:
        ZooError: the text is not YAML, has a duplicate key (with both lines), or a value that contains itself.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        if root is not None:
            _refuse_twice(where, "", root, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, problem = f":{mark.line + 1}" if mark else "", getattr(error, "problem", None) or error
        raise ZooError(f"{where}{line}: not YAML: {' '.join(str(problem).split())}") from None
    except RecursionError:
        raise ZooError(f"{where}: nested too deep") from None
    return root


def check_given(given: Iterable[tuple[str, str]]) -> None:
    """Parses option values that are YAML: files, such as that of ``--config``, and mappings.

    Raises:
        ZooError: see :func:`parse`.
    """
    for option, value in given:
        if value.startswith("{"):
            parse(value, option)
        elif value.endswith((".yaml", ".yml", ".json")) and (path := expanded(value)).is_file():
            parse(read_text(path), path)


def _refuse_twice(where: object, prefix: str, node: Node, above: tuple[Node, ...]) -> None:
    if any(node is each for each in above):
        raise ZooError(f"{where}:{node.start_mark.line + 1}: {prefix.rstrip('.')} contains itself, by an alias")
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            _refuse_twice(where, f"{prefix}{index}.", item, (*above, node))
    if not isinstance(node, MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines and name != "<<":  # YAML's merge key
            raise ZooError(f"{where}:{line}: duplicate key '{prefix}{name}', first in line {lines[name]}")
        lines[name] = line
        _refuse_twice(where, f"{prefix}{name}.", value, (*above, node))


def _check(path: Path, prefix: str, node: Node, valid: Collection[str] | None) -> None:
    """Compares the keys of a mapping, and of all mappings in it, with the valid ones; None: any are valid."""
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            _check(path, f"{prefix}{index}.", item, None)
    if not isinstance(node, MappingNode):
        return
    entries = {key.value: (key.start_mark.line + 1, value) for key, value in node.value if isinstance(key, ScalarNode)}
    for name, (line, _) in entries.items():
        if valid is not None and name not in (*valid, "<<"):  # YAML's merge key
            raise ZooError(f"{path}:{line}: no key '{prefix}{name}'{did_you_mean(name, valid)}")
    below = _keys_below(path, prefix, entries["class_path"][1] if "class_path" in entries else None)
    for name, (_, value) in entries.items():
        if name != "dict_kwargs":
            _check(path, f"{prefix}{name}.", value, below.get(name))


def _keys_below(path: Path, prefix: str, class_path: Node | None) -> dict[str, Collection[str] | None]:
    """Valid keys of the mappings in a mapping, as far as they are known."""
    if not prefix:
        return {"model": CLASS_KEYS, "data": CLASS_KEYS, "trainer": parameters(import_class(TRAINER))}
    if not isinstance(class_path, ScalarNode):
        return {}
    try:
        return {"init_args": parameters(import_class(class_path.value))}
    except ZooError as error:
        raise ZooError(f"{path}:{class_path.start_mark.line + 1}: {error}") from error


def import_class(path: str) -> Callable[..., Any] | None:
    """The class or function that a ``class_path`` names; None for a bare name, which jsonargparse resolves.

    Raises:
        ZooError: it cannot be imported.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name:
        return None
    try:
        module = importlib.import_module(module_name)
        target = getattr(module, name)
    except (ImportError, TypeError, ValueError) as error:  # the latter two of paths that begin with a dot
        raise ZooError(f"cannot import {path}: {error}") from error
    except AttributeError:
        raise ZooError(f"{module_name} has no {name!r}{did_you_mean(name, dir(module))}") from None
    return target if callable(target) else None


@lru_cache
def parameters(target: Callable[..., Any] | None) -> tuple[str, ...] | None:
    """Names of arguments of a class or function for jsonargparse, ``**kwargs`` followed; None if unknown."""
    if target is None:
        return None
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    add = parser.add_class_arguments if inspect.isclass(target) else parser.add_function_arguments
    try:
        return tuple(name.partition(".")[0] for name in add(target, fail_untyped=False))
    except Exception:  # it inspects foreign source; what it cannot read is accepted here
        return None
