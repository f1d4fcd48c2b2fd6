"""Values of JSON and of command lines in the types of annotations."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, ValidationError

from zoo.base.bounds import Byte, Count, Fraction, Interval, Pixels
from zoo.base.typed import Form, Longest, UnfitError, plain, read, wanted

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**63, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan"), "", "a", "1", "é",
    [], [1], ["a"], [1, 2], [True], [[1]], [None], [1, "a"], {}, {"a": 1}, {"1": 1}, {"a": None}, {"a": {"b": []}},
]  # fmt: skip
KINDS: list[Any] = [
    bool, int, float, str, None, Count, Fraction, Pixels, int | None, bool | int | float, int | Literal["auto"] | None,
    Literal["a", "b"], Literal[1, 3], list[int], Sequence[int], list[Byte], tuple[int, int], tuple[int, ...],
    Sequence[Sequence[Byte]] | None, dict[str, float], Mapping[str, Fraction] | None, list[str | int | None],
    dict[int, int], list[list[int]], dict[str, dict[str, list[int]]],
]  # fmt: skip
STRICTER = [(float, repr(10**400)), (Literal[1, 3], "True")]  # which pydantic takes for infinity and for 1


@dataclass(frozen=True)
class Leaf:
    name: Annotated[str, Longest(3)]
    size: Count = 1


@dataclass(frozen=True)
class Tree:
    leaves: list[Leaf]
    notes: dict[str, Leaf] = field(default_factory=dict)


def attempt(kind: Any, value: Any) -> Any:
    try:
        return read(kind, value)
    except UnfitError as error:
        return error


def strict(kind: Any, value: Any) -> Any:
    """What pydantic makes of it, which is an independent reference."""
    try:
        return TypeAdapter(kind, config=ConfigDict(strict=True)).validate_json(json.dumps(value))
    except ValidationError as error:
        return error


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_takes_and_refuses_what_pydantic_does(kind: Any):
    for value in ODD:
        ours, theirs = attempt(kind, value), strict(kind, value)
        if (kind, repr(value)) in STRICTER:
            assert isinstance(ours, UnfitError)
            continue
        if isinstance(theirs, ValidationError) or isinstance(ours, UnfitError):
            assert isinstance(ours, UnfitError), (value, ours)
            assert isinstance(theirs, ValidationError), (value, theirs)
        else:
            assert repr(ours) == repr(theirs), value  # the types too: 1 is no 1.0, and NaN is NaN


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_json_is_read_or_refused(value: Any):
    for kind in (*KINDS, Tree, Annotated[list[str], Longest(2)]):
        found = attempt(kind, value)
        assert not isinstance(found, UnfitError) or (found.told and str(found))


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (int, True, "must be a whole number, not True"),
        (Count, 0, "must be a whole number from 1 on, not 0"),
        (Fraction, float("nan"), "must be a number from 0 to 1, not nan"),
        (float, 10**400, "must be a number, not 1000"),
        (list[Byte], [1, 256], "1: must be a whole number from 0 to 255, not 256"),
        (tuple[int, int], [1, 2, 3], r"must be whole numbers, not \[1, 2, 3\]"),
        (int | Literal["auto"] | None, "x", "must be a whole number, auto or null, not 'x'"),
        (list[int] | None, ["x"], "0: must be a whole number, not 'x'"),
        (Annotated[str, Longest(2)], "abc", r"must be a text \(at most 2\), not 'abc'"),
        (Annotated[str, Form.of("[ab]+", "of a and b")], "abc", "must be a text of a and b, not 'abc'"),
        (Annotated[str, Form.of("[ab]+", "of a and b")], "ab\n", "must be a text of a and b"),
        (str, "\ud800", "must be a text, not "),
        (Tree, [], "must be a mapping"),
        (Tree, {}, "leaves: is missing"),
        (Tree, {"leaves": [{"name": "a"}, {}]}, r"leaves\.1\.name: is missing"),
        (Tree, {"leaves": [], "notes": {"x": {"name": "abcd"}}}, r"notes\.x\.name: must be a text \(at most 3\)"),
        (dict[int, int], {"a": 1}, "a: must be a whole number, not 'a'"),
    ],
)
def test_the_first_place_is_named_with_what_is_wanted(kind: Any, value: Any, told: str):
    with pytest.raises(UnfitError, match=f"^{told}"):
        read(kind, value)


def test_what_python_cannot_write_is_refused_too():
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    for value in (10**5000, deep):
        with pytest.raises(
            UnfitError, match=r"^must be a whole number from 0 to 255, not one that is too large to show$"
        ):
            read(Byte, value)


def test_objects_are_dataclasses():
    tree = {"leaves": [{"name": "a", "size": 2, "more": 1}], "notes": {"x": {"name": "b"}}}
    found = read(Tree, tree)
    assert found == Tree([Leaf("a", 2)], {"x": Leaf("b")})
    assert read(Tree, found) is found
    assert plain(found) == {"leaves": [{"name": "a", "size": 2}], "notes": {"x": {"name": "b"}}}  # no defaults
    with pytest.raises(UnfitError, match=r"leaves\.0\.more: is unknown"):
        read(Tree, tree, closed=True)


@pytest.mark.parametrize(
    ("kind", "word", "value"),
    [
        (int, "8", 8), (float, "8", 8.0), (float, "1e-3", 1e-3), (bool, "True", True), (int | None, "null", None),
        (str | None, "null", None), (str, "null", "null"), (str, "8", "8"), (Path, "a", Path("a")),
        (Path | Sequence[Path], "[a, b]", [Path("a"), Path("b")]), (Path | Sequence[Path], "[a", Path("[a")),
        (Sequence[int] | Mapping[int, Sequence[int]], "{8: [1]}", {8: [1]}), (Literal[1, 3], "3", 3),
        (tuple[int, int] | None, "[8, 16]", (8, 16)), (Sequence[str], '["1", "a"]', ["1", "a"]),
    ],
)  # fmt: skip
def test_words_spell_values(kind: Any, word: str, value: Any):
    found = read(kind, word, words=True)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (int, "8.5"), (int, "x"), (float, "nan"), (float, "inf"), (bool, "1"), (Count, "0"), (Sequence[int], "8"),
        (Sequence[int], "[1"), (int, "9" * 5000), (Sequence[int], "[" * 5000), (None, "x"),
        (Sequence[float], "[.nan]"), (Sequence[float], "[-.inf]"), (Sequence[Byte], f"[0x{'f' * 5000}]"),
        (Fraction, "-1"),
    ],
)  # fmt: skip
def test_words_that_spell_none_are_refused(kind: Any, word: str):
    with pytest.raises(UnfitError):
        read(kind, word, words=True)


def test_what_is_not_finite_is_null_in_json():
    assert plain({"a": [math.nan, -math.inf, 1.5], "b": (1, None)}) == {"a": [None, None, 1.5], "b": [1, None]}


def test_limits_in_words():
    assert wanted(Annotated[float, Interval(gt=0, le=4096)] | None) == "a number above 0 to 4,096 or null"
    assert wanted(Sequence[Count]) == "whole numbers from 1 on"
    assert wanted(list[Tree]) == "mappings"
    assert wanted(Any) == "any value"
