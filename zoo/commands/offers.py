"""What the server of ``zoo demo`` offers of a model: the options of ``zoo predict`` that a visitor may set.

Only numbers, choices, texts and pictures become fields. An option that takes a path, such as one of weights, has none:
visitors would read files of this machine by it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from PIL import Image

from zoo.base.bounds import Interval
from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, import_object
from zoo.base.text import did_you_mean
from zoo.base.typed import LISTS, MAPPINGS, hints_of, parts
from zoo.cards import export_file, exported
from zoo.cards.card import read_card
from zoo.commands.options import Option, predict_options, save_options
from zoo.serving.offer import Field, Offer

HIDDEN = ("batch_size", "outputs", "probabilities", "tile", "overlap", "yes")  # change no result, or lift a limit
GIVEN = {"preview_every": "10"}  # the server's own defaults
STEADY = "videos: move the strokes along with the picture, against flicker"


def offer(model: str, fixed: Mapping[str, str], device: str | None) -> Offer:
    """What is offered of a model.

    Args:
        model: what ``zoo predict`` takes.
        fixed: values of options that visitors cannot set, by name; those that this model lacks are left out.
        device: device of the computation; None: the GPU if there is one.

    Raises:
        ZooError: the model does not exist.
    """
    name, declared, summary, arguments = _about(model)
    options = [*predict_options(declared), *save_options(declared)]
    hints = hints_of(import_object(declared.predictor).predict)
    own = {_dashed(key): value for key, value in fixed.items()}
    pictures = [each for each in options if _takes_picture(hints.get(each.name)) and _dashed(each.name) not in own]
    fields = [field for each in options if (field := _field(each, arguments)) and field.name not in own]
    if declared.steady:
        fields.append(Field("steady", "tick", STEADY))
    known = {_dashed(each.name) for each in options}
    words = [f"--{key}={value}" for key, value in own.items() if key in known]
    return Offer(
        name=name, model=model, task=declared.task, summary=summary, inputs=declared.inputs,
        pictures={_dashed(each.name): _plain(each.help) for each in pictures},
        needed=tuple(_dashed(each.name) for each in pictures if each.required),
        fields=tuple(fields), video=bool(declared.video),
        fixed=(*words, *([f"--device={device}"] if device else [])),
    )  # fmt: skip


def read_fixed(given: Iterable[str], models: Iterable[str]) -> dict[str, str]:
    """Values of options by name from texts such as ``iterations=200``.

    Raises:
        ZooError: a text is not of that form, or none of the models has the option.
    """
    known = {_dashed(each.name) for model in models for each in predict_options(_about(model)[1])}
    values = {}
    for text in given:
        name, equals, value = text.lstrip("-").partition("=")
        if not equals or not value:
            raise ZooError(f"--fix {text}: give an option of zoo predict and its value, such as --fix iterations=200")
        if _dashed(name) not in known:
            raise ZooError(f"--fix {text}: no model here has an option {name}{did_you_mean(_dashed(name), known)}")
        values[_dashed(name)] = value
    return values


def _about(model: str) -> tuple[str, Architecture, str, Mapping[str, Any]]:
    """The name in addresses, the architecture, a sentence, and the arguments of the network."""
    if exported.is_file(model):
        export = export_file.read_file(model)
        return Path(model).stem, export.declared, export.declared.task, export.facts
    card = read_card(model)
    if card.architecture is None:
        raise ZooError(f"{card.name}: its architecture {card.config.get('architecture')!s:.40} is not installed")
    return card.name, card.architecture, str(card.front.get("summary", card.task)), card.config.get("arguments", {})


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _takes_picture(hint: Any) -> bool:
    """Whether a type includes pictures of PIL."""
    return hint is Image.Image or any(map(_takes_picture, typing.get_args(hint)))


def _takes_path(hint: Any) -> bool:
    return hint is Path or any(map(_takes_path, typing.get_args(hint)))


def _field(option: Option, arguments: Mapping[str, Any]) -> Field | None:
    """The field of an option; None where visitors get none."""
    if option.name in HIDDEN or _takes_path(option.type) or option.required:
        return None
    name, told, kinds = _dashed(option.name), _plain(option.help), parts(option.type)
    default = "" if option.default is None or option.default is option.required else str(option.default)
    if option.type is bool:
        return Field(name, "tick", told) if option.default is False else None
    named = arguments.get(f"{option.name}s")  # such as the styles of a network
    if str in kinds and isinstance(named, (list, tuple)):
        blends = any(typing.get_origin(each) in MAPPINGS for each in kinds)
        about = told.partition(";")[0]
        return Field(name, "blend" if blends else "choice", about, tuple(map(str, named)), str(named[0]))
    words = [str(word) for kind in kinds if typing.get_origin(kind) is Literal for word in typing.get_args(kind)]
    others = [kind for kind in kinds if typing.get_origin(kind) is not Literal]
    if not others:
        return Field(name, "choice", told, tuple(words), default)
    if words or len(others) > 1 or _is_many(others[0]):
        return None if all(map(_is_many, others)) else Field(name, "text", told, tuple(words), default)
    return _number(name, others[0], told, GIVEN.get(option.name, default), option.name in GIVEN)


def _is_many(kind: Any) -> bool:
    return typing.get_origin(kind) in (*LISTS, tuple, *MAPPINGS)


def _number(name: str, kind: Any, told: str, default: str, preset: bool) -> Field | None:
    """The field of a number; of a text if it is one."""
    base, *limits = typing.get_args(kind) if typing.get_origin(kind) is Annotated else (kind,)
    if base is str:
        return Field(name, "text", told, (), default)
    if base not in (int, float):
        return None
    bounds = next((each for each in limits if isinstance(each, Interval)), Interval())
    low, high = bounds.ge if bounds.ge is not None else bounds.gt, bounds.le if bounds.le is not None else bounds.lt
    return Field(name, "number", told, (), default, _bound(low), _bound(high), base is int, preset)


def _bound(value: Any) -> float | None:
    return None if value is None else value


def _plain(text: str) -> str:
    return text.replace("``", "").rstrip(".")
