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
from typing import Annotated, Any, Literal, NoReturn, Union

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, import_object
from zoo.base.text import nearest
from zoo.base.typed import LISTS, MAPPINGS, UNIONS, UnfitError, hints_of, names, parts, read, wanted

PLAIN = (bool, int, float, str, Path, type(None))
DESCRIBED = re.compile(
    r"^( *)(\w+)(?: \([^)]*\))?: (.*(?:\n(?:\1 +.*)?$)*)", re.MULTILINE
)  # an argument of a docstring


@dataclass(frozen=True)
class Option:
    """A keyword argument as an option.

    Args:
        name: name of the argument.
        type: the part of its annotation that a command line can give.
        default: default value; ``inspect.Parameter.empty`` if the option is required.
        help: description of the argument in the docstring.
        section: section of a recipe that has the argument, such as "data"; empty: the verb's own argument.
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
        return any(typing.get_origin(part) in LISTS for part in parts(self.type))

    def joined(self, words: list[str]) -> str:
        """The flag with all words after it as one list, unless a single word is enough or is itself a list."""
        scalar = any(typing.get_origin(part) not in LISTS for part in parts(self.type))
        if len(words) == 1 and (scalar or words[0].startswith(("[", "{")) or words[0] == "null"):
            return f"{self.flag}={words[0]}"
        return f"{self.flag}={json.dumps(words, ensure_ascii=False)}" if words else self.flag


def options_of(function: Callable[..., Any], skip: Iterable[str], section: str = "") -> list[Option]:
    """The options for arguments of a function or class; callbacks and types that a command cannot give have none."""
    signed = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    hints, told, found = hints_of(signed), _described(inspect.getdoc(function) or ""), []
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in ("self", *skip) and (kind := _plain(hints[name])) is not None:
            found.append(Option(name, kind, parameter.default, told.get(name, ""), section))
    return found


def _described(docstring: str) -> dict[str, str]:
    """The description of each argument in a docstring, below "Args:"."""
    section = re.search(r"^Args:\n((?: .*\n?|\n)*)", docstring, re.MULTILINE)
    return {name: " ".join(text.split()) for _, name, text in DESCRIBED.findall(section[1] if section else "")}


def predict_options(declared: Architecture) -> list[Option]:
    """The options of ``zoo predict`` for an architecture: keyword arguments of its predictor."""
    return options_of(import_object(declared.predictor).predict, declared.inputs)


def save_options(declared: Architecture) -> list[Option]:
    """The options of ``zoo predict`` for an architecture: keyword arguments of its result's ``save``."""
    return options_of(import_object(declared.result).save, ("destination",)) if declared.result else []


def evaluate_options(declared: Architecture) -> list[Option]:
    """The options of ``zoo evaluate`` for an architecture: keyword arguments of its evaluator."""
    return options_of(import_object(declared.evaluate), ("net", "data", "context"))


def usage(declared: Architecture) -> str:
    """What follows a model's name in ``zoo predict``: pictures, and options that must be given."""
    pictures = [name.upper() for name in declared.inputs] if len(declared.inputs) > 1 else ["PICTURES..."]
    needed = (f"{each.flag} {each.name.upper()}" for each in predict_options(declared) if each.required)
    return " ".join([*pictures, *needed])


class OptionParser(argparse.ArgumentParser):
    """Parses the options of functions, and reports what is wrong in one line.

    Args:
        prog: name of the program as a user writes it.
        subject: name of the model whose options these are, for the error about an unknown option.
        settings: settings of argparse's parser, such as its description.
    """

    def __init__(self, prog: str, subject: str, **settings: Any) -> None:
        super().__init__(prog=prog, allow_abbrev=False, **settings)
        self.subject = subject
        self.own: dict[str, Option] = {}

    @property
    def many(self) -> dict[str, Option]:
        """The options that several words may follow, by their flags."""
        return {flag: option for flag, option in self.own.items() if option.takes_many}

    def add_options(self, title: str, options: Iterable[Option], known: Mapping[str, Any] | None = None) -> None:
        """Adds options as a group; help shows known values instead of the defaults."""
        group = self.add_argument_group(title)
        for option in options:
            settings: dict[str, Any] = {"required": option.required, "metavar": _metavar(option)}
            if option.type is bool and option.default is False:
                settings = {"action": "store_true"}
            text = _with_default(option.help, (known or {}).get(option.name, option.default))
            group.add_argument(option.flag, dest=option.flag, help=text, default=argparse.SUPPRESS, **settings)
            self.own[option.flag] = option

    def parse(self, argv: Sequence[str]) -> dict[str, Any]:
        """The values by name; the values of a section are in a mapping under the section's name.

        All words after a flag that takes several form one list, also if the flag is repeated.

        Raises:
            ZooError: a wrong option or value, in one line.
        """
        many, lists = self.many, argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        for flag in many:
            lists.add_argument(flag, dest=flag, nargs="*", action="extend")
        found, words = lists.parse_known_args(argv)
        words += [many[flag].joined(values) for flag, values in vars(found).items() if values is not None]
        found, strange = self.parse_known_args(words)
        given = vars(found)
        values = {name: value for name, value in given.items() if name not in self.own}
        for flag, option in self.own.items():
            place = values.setdefault(option.section, {}) if option.section else values
            place[option.name] = self._read(option, given[flag]) if flag in given else option.default
        if strange:
            self.error(f"unrecognized arguments: {' '.join(strange)}")
        return values

    def _read(self, option: Option, word: str | bool) -> Any:
        try:
            return read(option.type, word, words=True)
        except UnfitError as error:
            spelt = "null" if error.value is None else str(error.value)
            self.error(f"{option.flag} must be {wanted(option.type)}, not {spelt!r}")

    def error(self, message: str) -> NoReturn:
        raise ZooError(f"{self._said(' '.join(message.split()))}\nsee {self.prog} --help")

    def _said(self, message: str) -> str:
        """Argparse's message in the words of a user."""
        if strange := message.partition("unrecognized arguments: ")[2].split():
            flag = strange[0].partition("=")[0]
            if not flag.startswith("-"):
                return f"unexpected argument {flag}"
            return f"{self.subject} has no option {flag}{_instead(flag, self._option_string_actions)}"
        if missing := message.partition("arguments are required: ")[2]:
            return f"{self.subject} needs {', '.join(name.partition('/')[0] for name in missing.split(', '))}"
        if needless := re.match(r"argument (\S+): ignored explicit argument (.*)", message):
            return f"{needless[1]} takes no value, not {needless[2]}"
        return message.removeprefix("argument ")


def _instead(flag: str, flags: Iterable[str]) -> str:
    """The flag that is spelt most like a wrong one, of the same section if there is one, as a question."""
    section, _, name = flag.lstrip("-").rpartition(".")
    split = {each: each.lstrip("-").rpartition(".") for each in flags}
    spelt = {split[each][2]: each for each in sorted(split, key=lambda each: split[each][0] == section)}
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
        kinds = [part for part in map(_plain, arguments) if part is not None]
        return Union[tuple(kinds)] if any(part is not type(None) for part in kinds) else None  # noqa: UP007
    if origin in (*LISTS, tuple, *MAPPINGS):
        inner = [_plain(each) for each in arguments]
        return None if None in inner else origin[tuple(inner)]
    return None


def _with_default(text: str, default: Any) -> str:
    told = text.rstrip(".").replace("``", "").replace("%", "%%")
    if default is False or default in (inspect.Parameter.empty, None, "") or "by default" in told:
        return told
    return f"{told} (default: {' '.join(map(str, default)) if isinstance(default, (list, tuple)) else default})"


def _metavar(option: Option) -> str:
    """The placeholder of a value, such as ``N|auto`` for a number or a word, and ``{lbfgs,adam}`` for words only."""
    kinds = parts(option.type)
    words = [str(word) for part in kinds if typing.get_origin(part) is Literal for word in typing.get_args(part)]
    others = [word for part in kinds if typing.get_origin(part) is not Literal for word in names(part)]
    if not others:
        return f"{{{','.join(words)}}}"
    name = "N" if "number" in " ".join(others) else option.name.upper()
    return "|".join([f"{name} ..." if option.takes_many else name, *words])
