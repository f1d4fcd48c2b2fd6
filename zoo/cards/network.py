"""``config.json``: what a network is made from. It may come from a stranger, so everything in it is checked.

Nothing in it names code: the architecture is a name in the registry, and its arguments are plain values, of the types
and in the ranges of the network's signature.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError

from zoo.base.errors import ZooError
from zoo.base.registry import architecture_of, architectures, import_object
from zoo.base.text import did_you_mean, first_line, unknown
from zoo.models.base import Model

LENGTH = 4096  # of a list
TEXT = 200  # characters
LARGEST = 1e6  # of numbers


def build(config: Mapping[str, Any], where: str | Path, device: str = "cpu") -> Model:
    """The network that a configuration describes.

    Args:
        config: its content.
        where: named in errors.
        device: "meta" makes it without memory for its tensors, to learn their shapes.

    Raises:
        ZooError: another architecture, or arguments that do not fit it.
    """
    cls = network_class(config.get("architecture"), where)
    arguments = config.get("arguments")
    if not isinstance(arguments, dict):
        raise ZooError(f"{where}: arguments must be an object, not {json.dumps(arguments):.60}")
    check_arguments(cls, arguments, where)
    try:
        with torch.device(device):
            return cls(**arguments)
    except ZooError as error:
        raise ZooError(f"{where}: {error}") from error
    except Exception as error:  # whatever a network makes of arguments that nobody meant
        raise ZooError(f"{where}: {cls.__name__} refuses its arguments: {first_line(error)}") from error


def network_class(architecture: Any, where: str | Path) -> type[Model]:
    known = architectures()
    if not isinstance(architecture, str) or architecture not in known:
        raise ZooError(f"{where}: {unknown('architecture', f'{architecture!s:.60}', known)}")
    return import_object(known[architecture].net)


def check_arguments(cls: type[Model], arguments: Mapping[str, Any], where: str | Path) -> None:
    """Refuses arguments by name, by what they might do, and by the types and ranges of the signature.

    Raises:
        ZooError: names the first.
    """
    signature, name_of_it = inspect.signature(cls), architecture_of(cls)
    pretrained = architectures()[name_of_it].pretrained if name_of_it else ()
    for name, value in arguments.items():
        if name not in signature.parameters:
            near = did_you_mean(name, signature.parameters)
            raise ZooError(f"{where}: {cls.__name__} has no argument {name!r:.60}{near}")
        if not _is_harmless(name, value, pretrained):
            raise ZooError(f"{where}: arguments.{name} may not be {json.dumps(value, default=repr):.60}")
        if problem := _mismatch(cls, name, value):
            raise ZooError(f"{where}: arguments.{name}: {problem}, not {json.dumps(value):.60}")
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ZooError(f"{where}: {cls.__name__}: {error}") from error


def _is_harmless(name: str, value: Any, pretrained: Collection[str]) -> bool:
    """Whether an argument is a plain value that neither fetches nor opens anything, nor is endless.

    Arguments that name further weights must be None, since full weights follow. Text must be a plain name: timm would
    take ``hf-hub:user/repo`` for an address. Text in lists, such as the labels, is only ever shown, and a table holds
    numbers by the names of layers.
    """
    if name in pretrained or name.endswith("weights"):
        return value is None
    if isinstance(value, str):
        return _is_name(value)
    if isinstance(value, dict):
        return len(value) <= TEXT and all(_is_name(key) and _is_number(number) for key, number in value.items())
    return _is_plain(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_][\w.-]{0,99}", value, re.ASCII) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= LARGEST  # which neither infinity nor NaN is


def _is_plain(value: Any, depth: int = 2) -> bool:
    if isinstance(value, (list, tuple)):
        return depth > 0 and len(value) <= LENGTH and all(_is_plain(item, depth - 1) for item in value)
    if isinstance(value, str):
        return len(value) <= TEXT and value.isprintable()
    return value is None or _is_number(value)


def _mismatch(cls: type[Model], name: str, value: Any) -> str:
    """What the signature asks for instead; empty where the value is of its type and range."""
    try:
        _adapter(f"{cls.__module__}.{cls.__qualname__}", name).validate_json(json.dumps(value))
    except ValidationError as error:
        return "; ".join(dict.fromkeys(each["msg"] for each in error.errors(include_url=False)))[:200]
    return ""


@lru_cache
def _adapter(path: str, name: str) -> TypeAdapter[Any]:
    hint = get_type_hints(import_object(path).__init__, include_extras=True)[name]
    return TypeAdapter(hint, config=ConfigDict(strict=True))
