"""Reads values of JSON and command lines into the types of annotations, and words these types for users.

Supported types are bool, int, float, str, Path, None, Any, Literal, unions, lists, tuples, mappings and dataclasses of
these; and Annotated, with an :class:`Interval` or one of the limits here.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union

import yaml

from zoo.base.bounds import Interval

UNIONS = (Union, UnionType)
LISTS = (Sequence, list)
MAPPINGS = (Mapping, dict)
NAMES = {int: "a whole number", float: "a number", bool: "true or false", Any: "any value", None: "null"}
NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError)  # errors of its loader
Place: TypeAlias = "tuple[str | int, ...]"  # the keys that lead to a value


@dataclass(frozen=True)
class Longest:
    """A limit on the characters of a text, or on the items of a list or mapping."""

    most: int

    def allows(self, value: Any) -> bool:
        return len(value) <= self.most

    def __str__(self) -> str:
        return f"(at most {self.most:,})"


@dataclass(frozen=True)
class Form:
    """The form of a text.

    Args:
        allows: whether a text has it.
        told: description of the form, in words that follow "a text".
    """

    allows: Callable[[str], bool]
    told: str

    def __str__(self) -> str:
        return self.told

    @classmethod
    def of(cls, pattern: str, told: str) -> Form:
        """The form of a regular expression."""
        return cls(lambda text: re.fullmatch(pattern, text) is not None, told)


class UnfitError(ValueError):
    """A value of another type than the requested one, or out of its range.

    Args:
        told: what is wrong.
        value: the innermost value that does not fit; None if there is none.
        place: place of that value.
    """

    def __init__(self, told: str, value: Any, place: Place) -> None:
        self.told, self.value, self.place = told, value, place
        super().__init__(": ".join(filter(None, (".".join(map(str, place)), told))))


def _unfit(kind: Any, value: Any, place: Place) -> UnfitError:
    return UnfitError(f"must be {wanted(kind)}, not {_shown(value)}", value, place)


def _shown(value: Any) -> str:
    """A value as Python writes it, cut; words for one that Python cannot write, such as a number of 5,000 digits."""
    try:
        return f"{value!r:.60}"
    except (ValueError, RecursionError):
        return "one that is too large to show"


def read(kind: Any, value: Any, *, words: bool = False, closed: bool = False, place: Place = ()) -> Any:
    """Reads a value into the type of an annotation. The only conversions are int to float and list to tuple.

    Args:
        kind: the type.
        value: value from JSON or YAML.
        words: whether a text may spell what it stands for, as on a command line: "8", "null", "[8, 16]".
        closed: whether to refuse keys that are not fields of a dataclass; else they are left out.
        place: where the value stands.

    Raises:
        UnfitError: names the first place that does not fit.
    """
    origin, within = typing.get_origin(kind) or kind, partial(read, words=words, closed=closed)
    if kind is Any:
        return value
    if origin in UNIONS:
        return _one_of(kind, value, within, words, place)
    if origin is Annotated:
        return _limited(kind, value, within, place)
    if words and isinstance(value, str) and origin is not str:
        value = _spelt(origin, value)
    found = None
    if origin in LISTS or origin is tuple:
        found = _items(kind, value, within, place)
    elif origin in MAPPINGS:
        found = _mapping(kind, value, within, place)
    elif dataclasses.is_dataclass(origin):
        found = _object(origin, value, within, closed, place)
    elif origin is Literal:
        found = next((each for each in typing.get_args(kind) if _same(each, value, words)), None)
    else:
        return _plain(origin, value, words, place)
    if found is None:
        raise _unfit(kind, value, place)
    return found


def _plain(kind: Any, value: Any, words: bool, place: Place) -> Any:
    """A value without parts."""
    if kind in (None, NoneType) and value is None:
        return None
    if kind is float and type(value) is int and abs(value) < 2**1023:
        return float(value)
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value)
    fits = kind in (bool, int, float, str) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    endless = words and isinstance(value, float) and not math.isfinite(value)  # in a list: a word alone is not
    if not fits or endless or (isinstance(value, str) and not words and not _is_unicode(value)):
        raise _unfit(kind, value, place)
    return value


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogate, which nothing can write; paths on a command line may have one."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _same(choice: Any, value: Any, words: bool) -> bool:
    return (type(choice) is type(value) and choice == value) or (words and str(choice) == value)


def _limited(kind: Any, value: Any, within: Callable[..., Any], place: Place) -> Any:
    base, *limits = typing.get_args(kind)
    try:
        found = within(base, value, place=place)
    except UnfitError as error:
        raise error if error.place != place else _unfit(kind, error.value, place) from None
    if not all(_allows(limit, found) for limit in limits):
        raise _unfit(kind, value, place)
    return found


def _allows(limit: Any, value: Any) -> bool:
    if not isinstance(limit, Interval):
        return limit.allows(value) if isinstance(limit, (Longest, Form)) else True
    above = (limit.ge is None or value >= limit.ge) and (limit.gt is None or value > limit.gt)
    return above and (limit.le is None or value <= limit.le) and (limit.lt is None or value < limit.lt)


def _one_of(kind: Any, value: Any, within: Callable[..., Any], words: bool, place: Place) -> Any:
    """The first of several types that fits; for words, texts are tried last, since any word is a text."""
    failures = []
    for each in sorted(typing.get_args(kind), key=lambda each: words and each in (str, Path)):
        try:
            return within(each, value, place=place)
        except UnfitError as error:
            failures.append(error)
    innermost = max(failures, key=lambda error: len(error.place))
    raise innermost if len(innermost.place) > len(place) else _unfit(kind, value, place)


def _items(kind: Any, value: Any, within: Callable[..., Any], place: Place) -> Any:
    """A list or tuple; None if the value is neither, or has another number of items."""
    kinds = typing.get_args(kind)
    if not isinstance(value, (list, tuple)):
        return None
    if typing.get_origin(kind) is not tuple:
        return [within(kinds[0], item, place=(*place, i)) for i, item in enumerate(value)]
    if kinds[-1] is ...:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        return None
    return tuple(within(each, item, place=(*place, i)) for i, (each, item) in enumerate(zip(kinds, value, strict=True)))


def _mapping(kind: Any, value: Any, within: Callable[..., Any], place: Place) -> Any:
    """A mapping, whose keys may be spelt as texts, the only keys of JSON; None if the value is not a mapping."""
    keys, values = typing.get_args(kind)
    if not isinstance(value, Mapping):
        return None
    found = {}
    for key, item in value.items():
        found[read(keys, key, words=True, place=(*place, key))] = within(values, item, place=(*place, key))
    return found


def _object(kind: Any, value: Any, within: Callable[..., Any], closed: bool, place: Place) -> Any:
    """A dataclass, read from a mapping; None if the value is neither."""
    if isinstance(value, kind) or not isinstance(value, Mapping):
        return value if isinstance(value, kind) else None
    hints, given = hints_of(kind), {}
    if strange := [key for key in value if closed and key not in hints]:
        raise UnfitError("is unknown", None, (*place, strange[0]))
    for field in dataclasses.fields(kind):
        if field.name in value:
            given[field.name] = within(hints[field.name], value[field.name], place=(*place, field.name))
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise UnfitError("is missing", None, (*place, field.name))
    return kind(**given)


@lru_cache
def hints_of(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, or of a function's arguments, with their limits."""
    return typing.get_type_hints(kind, include_extras=True)


def _spelt(kind: Any, word: str) -> Any:
    """The value that a word spells in the requested type; the word itself if it spells none."""
    try:
        if kind in (None, NoneType):
            return None if word == "null" else word
        if kind is bool:
            return {"true": True, "false": False}.get(word.lower(), word)
        if kind is int:
            return int(word)
        if kind is float:
            return number if math.isfinite(number := float(word)) else word
        if kind in (*LISTS, tuple, *MAPPINGS):
            return yaml.safe_load(word) if word.lstrip().startswith(("[", "{")) else word
    except NOT_YAML:
        pass
    return word


def plain(value: Any) -> Any:
    """Values for JSON: dataclasses without fields at their default, and null for numbers that are not finite."""
    if dataclasses.is_dataclass(value):
        told = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        defaults = {each.name: _default(each) for each in dataclasses.fields(value)}
        return {name: plain(own) for name, own in told.items() if own != defaults[name]}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def parts(kind: Any) -> list[Any]:
    """The types that a value may have, except None."""
    kinds = typing.get_args(kind) if typing.get_origin(kind) in UNIONS else (kind,)
    return [each for each in kinds if each not in (None, NoneType)]


def wanted(kind: Any) -> str:
    """The values of a type in a user's words, such as "a whole number from 1 on, auto or null"."""
    kinds = [*parts(kind), *([None] if {None, NoneType} & {kind, *typing.get_args(kind)} else [])]
    *others, last = dict.fromkeys(word for each in kinds for word in names(each))
    return f"{', '.join(others)} or {last}" if others else last


def names(kind: Any) -> list[str]:
    """Words for the values of a type without alternatives; each choice of a Literal is one word."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return [str(value) for value in arguments]
    if origin in (*LISTS, tuple):
        return [re.sub(r"^an? ((?:whole )?\w+)", r"\1s", wanted(arguments[0]))]
    if origin is Annotated:
        return [" ".join([*names(arguments[0]), *map(_limit, arguments[1:])])]
    if origin in MAPPINGS or dataclasses.is_dataclass(kind):
        return ["a mapping"]
    return [NAMES.get(kind, "a text")]


def _limit(limit: Any) -> str:
    """A limit in words, such as "from 0 to 1"."""
    if not isinstance(limit, Interval):
        return str(limit)
    low, high, above = limit.ge, limit.le, limit.gt
    words = [f"from {low:,}" if low is not None else "", f"above {above:,}" if above is not None else ""]
    words += [f"to {high:,}" if high is not None else "on" if low is not None else ""]
    return " ".join(filter(None, words))
