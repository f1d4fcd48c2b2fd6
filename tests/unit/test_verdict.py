"""What a measurement says of claims: confirmed, refuted, or neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from zoo.commands.verdict import BROKEN, HOLD, OPEN, OTHER_DATA, Verdict
from zoo.models.evaluation import Figure, Results, Table

CLAIM = {"metric": "m", "data": "photos", "split": "test", "value": 1.0, "tolerance": 0.1, "protocol": "P"}


def results(*figures: dict[str, Any], **digests: str) -> Results:
    return Results(figures=[Figure(**{**CLAIM, **each}) for each in figures], data_digest=digests)


def said(verdict: Verdict) -> list[str]:
    return [line.said for line in verdict.lines]


@pytest.mark.parametrize(
    ("claimed", "measured", "code", "words"),
    [
        (results({}), results({"value": 1.05}), HOLD, ["holds"]),
        (results({}), results({"value": 1.2}), BROKEN, ["OUT of ±0.1"]),
        (results({"tolerance": 0.0}), results({}), HOLD, ["holds"]),
        (results({"tolerance": 0.0}), results({"value": 1.0001}), BROKEN, ["OUT of ±0.0"]),
        (results(), results({}), OPEN, ["not on the card yet"]),
        (results({}), results(), OPEN, ["not measured"]),
        (results(), results(), OPEN, []),
        (results({}), results({"metric": "n"}), OPEN, ["not claimed", "not measured"]),
        (results({}, {"metric": "n"}), results({}), OPEN, ["holds", "not measured"]),
        (results({}, {"metric": "n"}), results({"value": 9.0}), BROKEN, ["OUT of ±0.1", "not measured"]),
        # one claim twice: both are compared
        (results({}, {"value": 5.0}), results({}), BROKEN, ["holds", "OUT of ±0.1"]),
        (results({}), results({}, {"value": 5.0}), BROKEN, ["holds", "OUT of ±0.1"]),
        # another name of the same data
        (results({}, test="a"), results({"data": "elsewhere"}, test="a"), HOLD, ["holds"]),
        (results({}, test="a"), results({"data": "elsewhere", "value": 2.0}, test="a"), BROKEN, ["OUT of ±0.1"]),
        # perhaps other data, or decoded otherwise
        (results({}, test="a"), results({}, test="b"), HOLD, ["holds"]),
        (results({}, test="a"), results({"value": 2.0}, test="b"), OPEN, [OTHER_DATA]),
        (results({}, test="a"), results({"data": "elsewhere"}, test="b"), OPEN, [OTHER_DATA]),
        (
            results({}, {"metric": "n"}, test="a"),
            results({}, {"metric": "n", "value": 1.05}, test="b"),
            HOLD,
            ["holds"] * 2,
        ),
        # chance brings one near: none of that split is compared, and the other split is
        (
            results({}, {"metric": "n"}, {"split": "val"}, test="a", val="a"),
            results({}, {"metric": "n", "value": 2.0}, {"split": "val"}, test="b", val="a"),
            OPEN,
            [OTHER_DATA, OTHER_DATA, "holds"],
        ),
        (
            results({}, {"metric": "n"}, {"split": "val"}, test="a", val="a"),
            results({}, {"metric": "n", "value": 2.0}, {"split": "val", "value": 1.05}, test="b", val="b"),
            OPEN,
            [OTHER_DATA, OTHER_DATA, "holds"],
        ),
        (results({}, style="a"), results({"value": 2.0}, style="b"), OPEN, [OTHER_DATA]),
        (results({}, P="a"), results({"value": 2.0}, P="b"), OPEN, [OTHER_DATA]),
        (
            results({}, **{"weights of V": "a"}),
            results({"value": 2.0}, **{"weights of V": "b"}),
            BROKEN,
            ["OUT of ±0.1"],
        ),
        (
            results({}, {"split": "val"}, test="a", val="a"),
            results({"value": 2.0}, {"split": "val", "value": 2.0}, test="a", val="b"),
            BROKEN,
            ["OUT of ±0.1", OTHER_DATA],
        ),
    ],
)
def test_codes(claimed: Results, measured: Results, code: int, words: list[str]):
    verdict = Verdict(claimed, measured)
    assert (verdict.code, said(verdict)) == (code, words)


@pytest.mark.parametrize(
    ("claimed", "measured", "summary"),
    [
        (results({}), results({}), "Claims that hold: 1 of 1."),
        (
            results({}, {"metric": "n"}),
            results({"value": 3.0}),
            "Claims that hold: 0 of 2. Not compared: photos, P test n.",
        ),
        (results(), results({}), "The card claims nothing yet: --write puts these figures on it."),
        (
            results({}),
            results({"protocol": "Q"}),
            "No claim was compared: the figures are of other data or another protocol than the card's.",
        ),
    ],
)
def test_what_it_comes_to(claimed: Results, measured: Results, summary: str):
    assert Verdict(claimed, measured).summary() == summary


def test_names_of_a_stranger_do_not_steer_a_terminal():
    claimed = results({}, *({"metric": f"\x1b[2J{number}"} for number in range(9)))
    summary = Verdict(claimed, results({})).summary()
    assert "\x1b" not in summary
    assert summary.endswith(" and 3 more.")


def test_what_would_be_lost():
    table = Table(title="t", columns=["a"], rows=[])
    claimed = replace(results({}, {"metric": "n"}), tables=[table])
    assert Verdict(claimed, results({})).lost() == "photos, P test n"
    assert Verdict(claimed, results({}, {"metric": "n"})).lost() == "1 of 1 tables"
    assert Verdict(claimed, claimed).lost() == ""
    assert Verdict(results(), results({})).lost() == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("key", ["value", "tolerance"])
def test_nothing_is_claimed_that_cannot_be_compared(key: str, value: float):
    with pytest.raises(ValueError, match="finite"):
        Figure(**{**CLAIM, key: value})


def test_nor_with_a_tolerance_below_zero():
    with pytest.raises(ValueError, match="from 0 on"):
        Figure(**{**CLAIM, "tolerance": -0.1})
