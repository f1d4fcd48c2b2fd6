"""Front matter that somebody else wrote, which may be anything that YAML can say."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from zoo.base.errors import ZooError
from zoo.base.registry import Architecture, architectures, import_object
from zoo.cards import leaderboard
from zoo.cards.about import About, check_about, write_readme
from zoo.models.evaluation import Figure

CARD = {"license": "mit", "data_license": "drawn", "datasets": ["camvid"]}
FIGURE = Figure(metric="mIoU", data="CamVid", split="test", value=0.6125, tolerance=0.002)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("license", ["mit"]),
        ("license", {"name": "mit"}),
        ("license_name", 3),
        ("license_link", ["a"]),
        ("data_license", 2024),
        ("commercial_use", True),
        ("commercial_use", "maybe"),
        ("datasets", "camvid"),
        ("datasets", [2024]),
        ("datasets", {"a": "b"}),
    ],
)
def test_odd_front_matter_is_named_with_the_way_out(field: str, value: Any):
    with pytest.raises(ZooError, match=f"give --{field.replace('_', '-')}"):
        check_about(About(), {**CARD, field: value})
    told = {"datasets": ("camvid",), "license": "other", "commercial_use": "no"}.get(field, "a line")
    check_about(About(**{"license_name": "mine", field: told}), {**CARD, field: value})


@pytest.mark.parametrize(
    ("given", "said", "told"),
    [
        ({}, None, "unclear"),
        ({"commercial_use": "yes"}, None, "yes"),
        ({}, "yes", "yes"),
        ({"commercial_use": "no"}, "yes", "no"),
        ({"license": "mit", "data_license": "drawn", "datasets": ("camvid",)}, "yes", "yes"),  # as the card has it
        ({"license": "cc-by-nc-4.0"}, "yes", "unclear"),
        ({"data_license": "found"}, "yes", "unclear"),
        ({"datasets": ("coco",)}, "no", "unclear"),
        ({"datasets": ("coco",), "commercial_use": "no"}, "yes", "no"),
    ],
)
def test_what_a_card_says_of_commercial_use_is_of_its_own_weights(given: dict[str, Any], said: str | None, told: str):
    """Weights of other data or under another licence are unclear until somebody says it anew."""
    card = {**CARD, **({"commercial_use": said} if said else {})}
    assert About(**given).front(card, "mine", architectures()["linknet"])["commercial_use"] == told


@pytest.mark.parametrize("declared", architectures().values(), ids=architectures())
def test_the_readme_shows_a_call_that_works(declared: Architecture):
    """With as many pictures as ``predict`` needs."""
    known = {"name": "mine", "title": "x", "samples": "", "reference": "me/net", "usage": "A B", "epoch": 1, "steps": 2}
    known["sources"] = ""
    text = write_readme(About(license="mit"), declared, **known)
    call = re.search(r'load\("me/net"\)\.predict\((.*)\)', text)
    assert call is not None
    predict = inspect.signature(import_object(declared.predictor).predict)
    assert predict.bind("self", *call[1].split(", ")).args[1] == '"a.jpg"'
    assert "\nzoo predict me/net A B -o out/\n" in text


@pytest.mark.parametrize("odd", [2024, None, {"a": "b"}, "someone/camvid", [2024, ["x"], None]])
def test_data_sets_without_names_are_no_results_on_the_hub(odd: Any):
    assert leaderboard.text([FIGURE], odd) == ""


def test_nor_do_they_hide_one_that_has_a_name():
    assert "someone/CamVid" in leaderboard.text([FIGURE], [2024, "someone/CamVid"])
