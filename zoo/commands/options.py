"""Options of a verb from the signature of a function: help from its docstring, checks from its annotations."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union

import docstring_parser
from jsonargparse import ArgumentParser

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, import_object
from zoo.base.text import causes, nearest

PLAIN = (bool, int, float, str, Path, type(None))
UNIONS = (Union, UnionType)
LISTS = (Sequence, list)
NAMES = {int: "a whole number", float: "a number", bool: "true or false", Mapping: "a mapping", dict: "a mapping"}


@dataclass(frozen=True)
class Option:
    """A keyword argument as an option.

    Args:
        name: of the argument.
        type: what a command line can give for it, of what its annotation allows.
        default: or ``inspect.Parameter.empty``, where it has to be given.
        help: what the docstring says of it.
        section: whose argument it is, in the words of recipes, such as "data"; empty: the verb's own.
    """

    name: str
    type: Any
    default: Any
    help: str
    section: str = ""

    @property
    def flag(self) -> str:
        """Keys of recipes stay as they are; options of verbs are written with dashes."""
        return f"--{self.section}.{self.name}" if self.section else f"--{self.name.replace('_', '-')}"

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def takes_many(self) -> bool:
        """Whether several words may follow the flag."""
        return any(typing.get_origin(part) in LISTS for part in _parts(self.type))

    def joined(self, words: list[str]) -> str:
        """The flag with all words after it as one list, unless one is enough or is a list by itself."""
        scalar = any(typing.get_origin(part) not in LISTS for part in _parts(self.type))
        if len(words) == 1 and (scalar or words[0].startswith(("[", "{")) or words[0] == "null"):
            return f"{self.flag}={words[0]}"
        return f"{self.flag}={json.dumps(words, ensure_ascii=False)}" if words else self.flag


def options_of(function: Callable[..., Any], skip: Iterable[str], section: str = "") -> list[Option]:
    """The options that arguments of a function or class make; callbacks and what a command cannot give are none."""
    signed = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    hints = typing.get_type_hints(signed, include_extras=True)
    told = {each.arg_name: each.description for each in docstring_parser.parse(inspect.getdoc(function) or "").params}
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in ("self", *skip) and (kind := _plain(hints[name])) is not None:
            text = " ".join((told.get(name) or "").split())
            found.append(Option(name, kind, parameter.default, text, section))
    return found


def predict_options(declared: Architecture) -> list[Option]:
    """The options of ``zoo predict`` for an architecture: keyword arguments of its predictor."""
    return options_of(import_object(declared.predictor).predict, declared.inputs)


def evaluate_options(declared: Architecture) -> list[Option]:
    """The options of ``zoo evaluate`` for an architecture: keyword arguments of its evaluator."""
    return options_of(import_object(declared.evaluate), ("net", "data", "context"))


def usage(declared: Architecture) -> str:
    """What follows a model's name in ``zoo predict``: pictures, and options that must be given."""
    names = [name.upper() for name in declared.inputs] if len(declared.inputs) > 1 else ["PICTURES..."]
    needed = (f"{each.flag} {each.name.upper()}" for each in predict_options(declared) if each.required)
    return " ".join([*names, *needed])


class OptionParser(ArgumentParser):
    """Parses the options of functions, and reports what is wrong in one line.

    Args:
        prog: as a user writes it.
        subject: whose options these are, for the error of another.
        settings: of the parser, such as its description.
    """

    def __init__(self, prog: str, subject: str, **settings: Any) -> None:
        super().__init__(prog=prog, formatter_class=argparse.HelpFormatter, allow_abbrev=False, **settings)
        self.subject = subject
        self.own: dict[str, Option] = {}

    @property
    def many(self) -> dict[str, Option]:
        """The options that several words may follow, by their flags."""
        return {option.flag: option for option in self.own.values() if option.takes_many}

    def add_options(self, title: str, options: Iterable[Option], known: Mapping[str, Any] | None = None) -> None:
        """Adds options as a group; help shows what is known of their values instead of the defaults."""
        group = self.add_argument_group(title)
        for option in options:
            settings: dict[str, Any] = {"type": option.type, "required": option.required, "metavar": _metavar(option)}
            if option.type is bool and option.default is False:
                settings = {"action": "store_true"}
            text = _with_default(option.help, (known or {}).get(option.name, option.default))
            default = None if option.required else option.default
            action = group.add_argument(option.flag, help=text, default=default, **settings)
            action.option_strings[:] = [option.flag]  # without jsonargparse's --flag+
            self.own[action.dest] = option

    def parse(self, argv: Sequence[str]) -> dict[str, Any]:
        """The values by name.

        All words that follow a flag which takes many are one list, however often it stands there.

        Raises:
            ZooError: a wrong option or value, in one line.
        """
        many, lists = self.many, argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        for flag in many:
            lists.add_argument(flag, dest=flag, nargs="*", action="extend")
        found, words = lists.parse_known_args(argv)
        words += [many[flag].joined(values) for flag, values in vars(found).items() if values is not None]
        return self.parse_args(words).as_dict()

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises what a user should know of jsonargparse's error, which tells of types in Python's words."""
        raise ZooError(f"{self._said(' '.join(message.split()), ex)}\nsee {self.prog} --help") from None

    def _said(self, message: str, error: Exception | None) -> str:
        flags = {action.dest: action.option_strings[0] for action in self._actions if action.option_strings}
        if strange := message.partition("unrecognized arguments: ")[2].split():
            flag = strange[0].partition("=")[0]
            if not flag.startswith("-"):
                return f"unexpected argument {flag}"
            return f"{self.subject} has no option {flag}{_instead(flag, flags.values())}"
        if missing := message.partition("arguments are required: ")[2]:
            return f"{self.subject} needs {', '.join(flags.get(name, name) for name in missing.split(', '))}"
        if needless := re.match(r"argument (\S+): ignored explicit argument (.*)", message):
            return f"{needless[1]} takes no value, not {needless[2]}"
        if (key := message.partition('Parser key "')[2].partition('"')[0]) not in self.own:
            return message.removeprefix("argument ")
        told = "\n".join(str(each) for each in causes(error))
        values = (r"Given value: (.*)", r"input_value='?(.*?)'?, input_type", r"Got value: (.*)")
        given = next(filter(None, (re.search(value, told) for value in values)), None)
        return f"{flags[key]} must be {_wanted(self.own[key].type)}{f', not {given[1]!r}' if given else ''}"


def _instead(flag: str, flags: Iterable[str]) -> str:
    """The flag that is spelt most like a wrong one, of the same section if there is one, as a question."""
    section, _, name = flag.lstrip("-").rpartition(".")
    parts = {each: each.lstrip("-").rpartition(".") for each in flags}
    spelt = {parts[each][2]: each for each in sorted(parts, key=lambda each: parts[each][0] == section)}
    near = nearest(name, spelt)
    return f"; did you mean {spelt[near]}?" if near else ""


def _plain(hint: Any) -> Any:
    """The part of a type whose values can be written on a command line; None where there is none."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN or origin is Literal:
        return hint
    if origin is Annotated:
        return hint if _plain(arguments[0]) is not None else None
    if origin in UNIONS:
        parts = [part for part in map(_plain, arguments) if part is not None]
        return Union[tuple(parts)] if any(part is not type(None) for part in parts) else None  # noqa: UP007
    if origin in (*LISTS, tuple, Mapping, dict):
        parts = [_plain(argument) for argument in arguments]
        return None if None in parts else origin[tuple(parts)]
    return None


def _parts(kind: Any) -> list[Any]:
    """The types that a value may have, but None."""
    parts = typing.get_args(kind) if typing.get_origin(kind) is Union else (kind,)
    return [part for part in parts if part is not type(None)]


def _with_default(text: str, default: Any) -> str:
    told = text.rstrip(".").replace("``", "").replace("%", "%%")
    if default is False or default in (inspect.Parameter.empty, None, "") or "by default" in told:
        return told
    return f"{told} (default: {' '.join(map(str, default)) if isinstance(default, (list, tuple)) else default})"


def _metavar(option: Option) -> str:
    """Such as ``N|auto`` for a number or a word, and ``{lbfgs,adam}`` for words only."""
    parts = _parts(option.type)
    words = [str(word) for part in parts if typing.get_origin(part) is Literal for word in typing.get_args(part)]
    others = [word for part in parts if typing.get_origin(part) is not Literal for word in _names(part)]
    if not others:
        return f"{{{','.join(words)}}}"
    name = "N" if "number" in " ".join(others) else option.name.upper()
    return "|".join([f"{name} ..." if option.takes_many else name, *words])


def _wanted(hint: Any) -> str:
    """What the values of a type are in a user's words, such as "a whole number from 1 on, auto or null"."""
    kinds = [*_parts(hint), *([None] if type(None) in typing.get_args(hint) else [])]
    *others, last = dict.fromkeys(word for kind in kinds for word in _names(kind))
    return f"{', '.join(others)} or {last}" if others else last


def _names(part: Any) -> list[str]:
    """What values of a type without alternatives are, each word that is a value by itself."""
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if part is None:
        return ["null"]
    if origin is Literal:
        return [str(value) for value in arguments]
    if origin in (*LISTS, tuple):
        return [re.sub(r"^an? ((?:whole )?\w+)", r"\1s", _wanted(arguments[0]))]
    if origin is Annotated:
        return [" ".join([*_names(arguments[0]), *map(_range, arguments[1:])])]
    return [NAMES.get(origin or part, "a text")]


def _range(bound: Any) -> str:
    """The range of numbers that an ``Interval`` allows, such as "from 0 to 1"."""
    low, high = (getattr(bound, name, None) for name in ("ge", "le"))
    above = getattr(bound, "gt", None)
    words = [f"from {low:,}" if low is not None else "", f"above {above:,}" if above is not None else ""]
    words += [f"to {high:,}" if high is not None else "on" if low is not None else ""]
    return " ".join(filter(None, words))
