"""``config.json``: what a network is made from. It may come from a stranger, so everything in it is checked.

Nothing in it names code: the architecture is a name in the registry, and its arguments are plain values, of the types
and in the ranges of the network's signature.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch

from zoo.base.bounds import Interval
from zoo.base.errors import ZooError
from zoo.base.registry import architecture_of, architectures, import_object
from zoo.base.text import did_you_mean, first_line, is_line, unknown
from zoo.base.typed import Form, Longest, UnfitError, hints_of, read
from zoo.models.base import Model
from zoo.nn.mode import unset

LENGTH = 4096  # most items of a list
TEXT = 200  # characters
_Number = bool | Annotated[int, Interval(ge=-1e6, le=1e6)] | Annotated[float, Interval(ge=-1e6, le=1e6)]
_Name = Annotated[str, Form.of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", "that is a plain name")]
_Shown = Annotated[str, Form(is_line, "of one short line")]
_Items = Annotated[list[_Shown | _Number | None], Longest(LENGTH)]
_Lists = Annotated[list[_Shown | _Number | _Items | None], Longest(LENGTH)]
_Table = Annotated[dict[_Name, _Number], Longest(TEXT)]
# Plain values that neither fetch nor open anything, nor are endless. Text must be a plain name: timm would take
# hf-hub:user/repo for an address. Text in lists, such as the labels, is only ever shown, and a table holds numbers by
# the names of layers.
HARMLESS = _Number | _Name | _Table | _Lists | None


def build(config: Mapping[str, Any], where: str | Path, device: str = "cpu") -> Model:
    """The network that a configuration describes.

    Args:
        config: content of ``config.json``.
        where: path of the file, for errors.
        device: "meta" makes the network without memory for its tensors, to learn their shapes.

    Raises:
        ZooError: the architecture is unknown, or the arguments do not fit it.
    """
    cls = network_class(config.get("architecture"), where)
    arguments = config.get("arguments")
    if not isinstance(arguments, dict):
        raise ZooError(f"{where}: arguments must be an object, not {json.dumps(arguments):.60}")
    checked = check_arguments(cls, arguments, where)
    try:
        with unset() if device == "meta" else torch.device(device):
            return cls(**checked)
    except Exception as error:  # a network may raise anything for unexpected arguments
        said = error if isinstance(error, ZooError) else f"{cls.__name__} refuses its arguments: {first_line(error)}"
        raise ZooError(f"{where}: {said}") from error


def network_class(architecture: Any, where: str | Path) -> type[Model]:
    known = architectures()
    if not isinstance(architecture, str) or architecture not in known:
        raise ZooError(f"{where}: {unknown('architecture', f'{architecture!s:.60}', known)}")
    return import_object(known[architecture].net)


def check_arguments(cls: type[Model], arguments: Mapping[str, Any], where: str | Path) -> dict[str, Any]:
    """Refuses arguments with an unknown name, a harmful value, or a type or range outside the signature.

    Returns:
        The values in the types of the signature: JSON has one number type, and Python takes true for 1.

    Raises:
        ZooError: names the first refused argument.
    """
    signature, name_of_it, checked = inspect.signature(cls), architecture_of(cls), dict[str, Any]()
    kinds = hints_of(cls.__init__)
    pretrained = architectures()[name_of_it].pretrained if name_of_it else ()
    for name, value in arguments.items():
        if name not in signature.parameters:
            near = did_you_mean(name, signature.parameters)
            raise ZooError(f"{where}: {cls.__name__} has no argument {name!r:.60}{near}")
        fetched = name in pretrained or name.endswith("weights")  # full weights follow
        if not _is_harmless(value) or (fetched and value is not None):
            raise ZooError(f"{where}: arguments.{name} may not be {json.dumps(value, default=repr):.60}")
        try:
            checked[name] = read(kinds[name], value, place=("arguments", name))
        except UnfitError as error:
            raise ZooError(f"{where}: {error}") from None
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ZooError(f"{where}: {cls.__name__}: {error}") from error
    return checked


def _is_harmless(value: Any) -> bool:
    try:
        read(HARMLESS, value)
    except UnfitError:
        return False
    return True
