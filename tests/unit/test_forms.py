"""What a stranger's card may say, and what of it reaches a terminal."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from zoo.base.errors import ZooError
from zoo.base.registry import card_names
from zoo.base.text import printable
from zoo.cards.card import read_card
from zoo.cards.forms import Config, Recipe, check, check_reach, parse_yaml
from zoo.commands import main
from zoo.hub import errors
from zoo.models.evaluation import Results


@pytest.mark.parametrize("name", card_names())
def test_what_is_on_our_cards_is_of_the_form(name: str):
    """And nothing of it is left out."""
    card = read_card(name)
    stored = json.loads((card.folder / "results.json").read_text())
    assert stored == card.results.to_dict()
    assert check(Config, card.config, name).name in ("", name)
    recipe = parse_yaml((card.folder / "recipe.yaml").read_text(), name)
    assert check(Recipe, recipe, name).data.class_path.startswith("zoo.data.")


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"figures": {}}, "figures"),
        (
            {"figures": [{"metric": "x", "data": "y", "split": "z", "value": "1", "tolerance": 0.1}]},
            r"figures\.0\.value",
        ),
        ({"figures": [{"metric": "x", "data": "y", "split": "z", "value": float("nan"), "tolerance": 0.1}]}, "value"),
        ({"figures": [{}]}, "metric"),
        ({"parameters": -1}, "parameters"),
        ({"parameters": 10**400}, "parameters"),
        ({"macs": {"a": []}}, r"macs\.a"),
        ({"versions": {"zoo": 1}}, r"versions\.zoo"),
        ({"command": "x" * 2000}, "command"),
        ({"tables": [{"title": "t", "columns": ["a"], "rows": [[{}]]}]}, "tables"),
    ],
)
def test_other_results_are_refused(results: dict[str, object], message: str):
    with pytest.raises(ZooError, match=message):
        check(Results, results, "card")


FIGURE = {"metric": "x", "data": "y", "split": "z", "value": 1.0, "tolerance": 0.1}


@pytest.mark.parametrize(
    "results",
    [
        {"macs": {"a": 10**400}},
        {"tables": [{"title": "t", "columns": ["a"], "rows": [[10**400]]}]},
        {"figures": [{**FIGURE, "value": 10**400}]},
        {"figures": [{**FIGURE, "value": 1e308, "tolerance": 1e308}]},
        {"figures": [{**FIGURE, "tolerance": float("inf")}]},
        {"figures": [FIGURE, FIGURE]},
        {"tables": [{"title": "t", "columns": ["a"], "rows": [[float("inf"), -(10**15)], []]}]},
        {"speed": [{"what": "a", "ms": 1e308, "machine": "b"}], "macs": {"a": 1e308}},
        {"tables": [{"title": "t", "columns": ["a"] * 51, "rows": []}]},
    ],
)
@pytest.mark.parametrize("verb", ["info", "list", "evaluate"])
def test_results_of_a_stranger_are_shown_or_refused(
    verb: str, results: dict[str, object], card: Path, capsys: pytest.CaptureFixture
):
    """Python writes and reads numbers that nothing can show."""
    content = json.loads((card / "results.json").read_text())
    (card / "results.json").write_text(json.dumps({**content, **results}))
    assert main.main([verb, *([] if verb == "list" else [str(card)])]) in (0, 2)
    assert len(capsys.readouterr().err.splitlines()) <= 3


@pytest.mark.parametrize("file", ["results.json", "config.json"])
def test_a_key_of_a_card_stands_once(file: str, card: Path):
    (card / file).write_text((card / file).read_text().rstrip().removesuffix("}") + ', "x": 1, "x": 2}')
    with pytest.raises(ZooError, match=rf"{file}: not JSON: duplicate key 'x'"):
        read_card(card)


def test_a_key_that_a_stranger_chose_is_printable():
    with pytest.raises(ZooError, match=r"versions\.a\?\[2J\?") as raised:
        check(Results, {"versions": {"a\x1b[2J\n": 1}}, "card")
    assert str(raised.value).isprintable()


def test_both_places_of_a_key_that_stands_twice_are_named():
    with pytest.raises(ZooError, match=r"^card: not YAML: duplicate key 'a', first in line 1 .*line 3, column 1"):
        parse_yaml("a: 1\nb: 2\na: 3\n", "card")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1]\nb: *a",
        "a: &a {b: 1}\nc: {<<: *a}",
        "a: !!python/object/apply:os.system [ls]",
        "- a",
        "a: [",
        "[" * 20_000,
        "a: 2000-99-99",
        "a: 1\nb: 2\na: 3",
        "data: {root: a, root: b}",
        "[1, {a: 1, 'a': 2}]",
        "? [1]\n: 1\n? [1]\n: 2",
        "a: " + "x" * 70_000,
    ],
)
def test_front_matter_that_is_no_plain_mapping(text: str):
    with pytest.raises(ZooError, match="card"):
        parse_yaml(text, "card")


def check_arguments(**arguments: object) -> None:
    recipe = {"data": {"class_path": "zoo.data.PictureCrops", "init_args": arguments}}
    check_reach(recipe, arguments, {"size"}, "card")


@pytest.mark.parametrize(
    "arguments",
    [
        {"root": "data/own", "val_fraction": 0.1, "extra": ["a", Path("b/c..d")]},
        {"size": 4096, "count": 10**6, "names": ["sky", "2nd", "[a", "99-1"]},
        {"size": (4096, 2), "root": None, "augment": {"crop": [4, 4]}},
    ],
)
def test_a_recipe_may_name_what_is_below_and_what_data_need(arguments: dict[str, object]):
    check_arguments(**arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"root": "/etc"}, "'/etc' leads out"),
        ({"root": Path("/etc")}, "'/etc' leads out"),
        ({"root": "../own"}, "'../own' leads out"),
        ({"root": "a/../../own"}, "leads out"),
        ({"root": "~/own"}, "leads out"),
        ({"root": "C:\\own"}, "leads out"),
        ({"extra": [{"a": "file:///own"}]}, "'file:///own' leads out"),
        ({"extra": [Path("file:///own")]}, "leads out"),
        ({"/etc": 1}, "'/etc' leads out"),
        ({"size": 4097}, "data.size is 4097, more than 4,096"),
        ({"size": [64, 5000]}, "data.size is "),
        ({"size": (64, 5000)}, "data.size is "),
        ({"size": {"height": 5000}}, "data.size is "),
        ({"count": 10**6 + 1}, "data.count is 1000001, more than 1,000,000"),
        ({"count": float("inf")}, "data.count is inf"),
        ({"count": float("nan")}, "data.count is nan"),
    ],
)
def test_a_recipe_that_reaches_further_is_refused(arguments: dict[str, object], named: str):
    with pytest.raises(ZooError, match="card: refused, ") as raised:
        check_arguments(**arguments)
    assert named in str(raised.value)
    assert "pass it yourself: --data.KEY" in str(raised.value)


def test_nothing_on_a_card_steers_the_terminal(card: Path, capsys: pytest.CaptureFixture[str]):
    for name, change in (
        ("config.json", {"input": "RGB\x1b]0;title\x07", "architecture": "\x1b[2Jlinknet"}),
        (
            "results.json",
            {"figures": [{"metric": "a\rb", "data": "\u202ex", "split": "t", "value": 1.0, "tolerance": 0.1}]},
        ),
    ):
        content = json.loads((card / name).read_text())
        (card / name).write_text(json.dumps({**content, **change}))
    assert main.main(["info", str(card)]) == 0
    out = capsys.readouterr().out
    assert out.isascii() or "±" in out
    assert not set("\x1b\x07\r\u202e") & set(out)
    assert main.main(["predict", str(card), "none.jpg", "-o", "out"]) == 2
    assert "\x1b" not in capsys.readouterr().err


ODD: list[Any] = [
    None, True, 0, -1, 1.5, "x", "", [], {}, [1], {"a": 1}, ["a", 3], [[]], {"labels": 3}, {"file": 3}, {"bytes": "x"},
    {"dtype": []}, float("inf"), 10**400, "\x1b[2J", {"a": {"b": [{}]}},
]  # fmt: skip


@pytest.mark.parametrize("name", ["config.json", "results.json", "README.md"])
def test_no_card_is_a_bug(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    """Whatever stands in a card is shown, or refused in a line."""
    folder = shutil.copytree(read_card("perceptual_sr_pixel").folder, tmp_path / "card")
    original = (folder / name).read_text()
    content = json.loads(original) if name.endswith("json") else read_card(folder).front
    places: list[tuple[Any, ...]] = [(key,) for key in content]
    places += [("weights", key) for key in content.get("weights", {})]
    codes = set()
    for number, (place, odd) in enumerate(itertools.product(places, ODD)):
        changed = copy.deepcopy(content)
        functools.reduce(lambda inner, key: inner[key], place[:-1], changed)[place[-1]] = odd
        text = json.dumps(changed)
        (folder / name).write_text(text if name.endswith("json") else f"---\n{text}\n---\n{original.split('---')[-1]}")
        publish = ["publish", str(folder), "--repo", "me/net", "--dry-run"]  # which reads every file of the card
        for argv in (["info", str(folder)], *([publish] if number % 4 == 0 else [])):
            code = main.main(argv)
            assert code in (0, 2), (place, odd, argv)
            codes.add(code)
        assert "\x1b" not in "".join(capsys.readouterr())
    assert codes == {0, 2}


def test_printable():
    assert printable("größer ± 1\x1b[2J\n") == "größer ± 1?[2J?"
    assert printable("a\nb", keep="\n") == "a\nb"


def test_a_token_is_taken_out_of_any_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "secret-of-another-kind")
    text = errors.redact("secret-of-another-kind, hf_abcdefgh, Authorization: Bearer xyz.1")
    assert text == "***, ***, Authorization: Bearer ***"
