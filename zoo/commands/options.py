"""Options of a verb from the signature of a function: help from its docstring, checks from its annotations."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Union

import docstring_parser
from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, import_object
from zoo.base.text import causes, nearest

PLAIN = (bool, int, float, str, Path, type(None))


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
        return any(typing.get_origin(part) in (Sequence, list) for part in self.parts)

    @property
    def parts(self) -> list[Any]:
        """The types that a value may have."""
        union = typing.get_origin(self.type) in (Union, types.UnionType)
        return [part for part in typing.get_args(self.type) if part is not type(None)] if union else [self.type]

    def joined(self, words: list[str]) -> list[str]:
        """The words after a flag that takes many as one list, unless one is enough or is a list by itself."""
        sequences = [part for part in self.parts if typing.get_origin(part) in (Sequence, list)]
        if not words or (len(words) == 1 and (len(sequences) < len(self.parts) or words[0].startswith(("[", "{")))):
            return words
        numbers = typing.get_args(sequences[0])[0] in (int, float)
        return [json.dumps([_number(word) if numbers else word for word in words], ensure_ascii=False)]


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


def _plain(hint: Any) -> Any:
    """The part of a type whose values can be written on a command line; None where there is none."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN or origin is Literal:
        return hint
    if origin is Annotated:
        return hint if _plain(arguments[0]) is not None else None
    if origin in (Union, types.UnionType):
        parts = [part for part in map(_plain, arguments) if part is not None]
        return Union[tuple(parts)] if any(part is not type(None) for part in parts) else None  # noqa: UP007
    if origin in (Sequence, list, tuple, Mapping, dict):
        parts = [_plain(argument) for argument in arguments]
        return None if None in parts else origin[tuple(parts)]
    return None


class _Help(DefaultHelpFormatter):
    def _format_action_invocation(self, action: argparse.Action) -> str:
        return re.sub(r", --\S+\+.*", "", super()._format_action_invocation(action))  # without jsonargparse's --flag+

    def _get_help_string(self, action: argparse.Action) -> str:
        return action.help or ""  # without types, of which jsonargparse tells in Python's words


class OptionParser(ArgumentParser):
    """Parses the options of functions, and reports what is wrong in one line.

    Args:
        prog: as a user writes it.
        subject: whose options these are, for the error of another.
        settings: of the parser, such as its description.
    """

    def __init__(self, prog: str, subject: str, **settings: Any) -> None:
        super().__init__(prog=prog, exit_on_error=False, formatter_class=_Help, allow_abbrev=False, **settings)
        self.subject = subject
        self.many: dict[str, Option] = {}
        self.wanted: dict[str, str] = {}

    def add_options(self, title: str, options: Iterable[Option]) -> None:
        """Adds options as a group."""
        group = self.add_argument_group(title)
        for option in options:
            settings: dict[str, Any] = {"help": _with_default(option)}
            if option.type is bool and option.default is False:
                settings["action"] = "store_true"
            else:
                settings |= {"type": option.type, "required": option.required}
                settings["metavar"] = _metavar(option)
            if not option.required:
                settings["default"] = option.default
            group.add_argument(option.flag, **settings)
            self.many |= {option.flag: option} if option.takes_many else {}
            self.wanted[option.flag.lstrip("-").replace("-", "_")] = _wanted(option.type)

    def parse(self, argv: Sequence[str], **settings: Any) -> dict[str, Any]:
        """The values by name.

        Raises:
            ZooError: a wrong option or value, in one line.
        """
        try:
            return self.parse_args(self._joined(argv), **settings).as_dict()
        except ArgumentError as error:
            self._refuse(error, argv)

    def _joined(self, argv: Sequence[str]) -> list[str]:
        """The words, with all that follow a flag which takes many made one list, however often it stands there."""
        joined: list[str] = []
        lists: dict[str, list[str]] = {}
        words = list(argv)
        while words:
            flag, equals, value = words.pop(0).partition("=")
            if flag not in self.many or (equals and self.many[flag].section):  # of a recipe: another takes its place
                joined.append(flag + equals + value)
                continue
            flags = (i for i, each in enumerate(words) if each.startswith("-") and isinstance(_number(each), str))
            end = 0 if equals else next(flags, len(words))
            lists.setdefault(flag, []).extend([value] if equals else words[:end])
            words = words[end:]
        return joined + ["=".join((flag, *self.many[flag].joined(values))) for flag, values in lists.items()]

    def _refuse(self, error: ArgumentError, argv: Sequence[str]) -> NoReturn:
        raise ZooError(f"{self._said(error)}\nsee {self.prog} --help") from None

    def _said(self, error: ArgumentError) -> str:
        """What a user should know of jsonargparse's error, which tells of types in Python's words."""
        text = " ".join(str(error).split())
        flags = {action.dest: action.option_strings[0] for action in self._actions if action.option_strings}
        if strange := text.partition("unrecognized arguments: ")[2].split():
            flag = strange[0].partition("=")[0]
            if not flag.startswith("-"):
                return f"unexpected argument {flag}"
            return f"{self.subject} has no option {flag}{_instead(flag, flags.values())}"
        if missing := text.partition("arguments are required: ")[2]:
            return f"{self.subject} needs {', '.join(flags.get(name, name) for name in missing.split(', '))}"
        key = text.partition('Parser key "')[2].partition('"')[0]
        if not key:
            return re.sub(r"/--\S+\+", "", text.removeprefix("argument "))
        told = "\n".join(str(each) for each in causes(error))
        bound = re.search(r"Input should be ((?!a valid)[^[,\n]*[^[,\s])", told)
        values = (r"Given value: (.*)", r"input_value='?(.*?)'?, input_type", r"Got value: (.*)")
        given = next(filter(None, (re.search(value, told) for value in values)), None)
        wanted = bound[1] if bound else self.wanted.get(key, "another")
        return f"{flags.get(key, key)} must be {wanted}{f', not {given[1]!r}' if given else ''}"


def _instead(flag: str, flags: Collection[str]) -> str:
    """The flag that is spelt most like a wrong one, of the same section if there is one, as a question."""
    section, _, name = flag.lstrip("-").rpartition(".")
    same = [each for each in flags if each.lstrip("-").rpartition(".")[0] == section]
    for known in (same, flags):
        spelt = {each.lstrip("-").rpartition(".")[2]: each for each in known}
        if near := nearest(name, spelt):
            return f"; did you mean {spelt[near]}?"
    return ""


def _with_default(option: Option) -> str:
    told = option.help.rstrip(".").replace("``", "")
    several = isinstance(option.default, (list, tuple))
    default = " ".join(map(str, option.default)) if several else option.default
    silent = option.required or default is False or default in (None, "") or "by default" in told
    return told if silent else f"{told} (default: {default})"


def _metavar(option: Option) -> str:
    """Such as ``N|auto`` for a number or a word, and ``{lbfgs,adam}`` for words only."""
    origin = typing.get_origin(option.type)
    parts = list(typing.get_args(option.type)) if origin in (Union, types.UnionType) else [option.type]
    words = [str(word) for part in parts if typing.get_origin(part) is Literal for word in typing.get_args(part)]
    rest = [part for part in parts if typing.get_origin(part) is not Literal]
    numbers = [part for part in rest if "number" in _wanted(part)]
    other = [part for part in rest if part is not type(None) and part not in numbers]
    if words and not numbers and not other:
        return f"{{{','.join(words)}}}"
    name = "N" if numbers else option.name.upper()
    return "|".join([f"{name} ..." if option.takes_many else name, *words])


def _wanted(hint: Any) -> str:
    """What the values of a type are in a user's words, such as "a whole number or auto"."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_wanted(part) for part in arguments if part is not type(None)))
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin is Annotated:
        return _wanted(arguments[0])
    if origin in (Sequence, list, tuple):
        return f"{_wanted(arguments[0]).removeprefix('a ')}s"
    names = {int: "a whole number", float: "a number", bool: "true or false"}
    return "a mapping" if origin in (Mapping, dict) else names.get(hint, "a text")


def _number(text: str) -> str | float:
    """The number that a word is, or else the word."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
