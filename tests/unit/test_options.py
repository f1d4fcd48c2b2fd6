"""Options that come from the signature of a function, and what is said of wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from zoo.base.bounds import Count, Fraction, Pixels
from zoo.base.errors import ZooError
from zoo.commands.options import OptionParser, options_of


def work(
    net: Any,
    *,
    times: Count = 3,
    fraction: Fraction = 1.0,
    tile: int | Literal["auto"] = "auto",
    way: Literal["near", "far"] | None = None,
    sizes: Sequence[int] = (256, 512),
    counts: Sequence[int] | Mapping[int, Sequence[int]] = (1,),
    words: Sequence[str] = (),
    style_file: Path | Sequence[Path] | None = None,
    keep: bool = False,
    scale: Pixels = 1.0,
    picture: np.ndarray | str = "a",
    show: Callable[[int], None] | None = None,
    matrix: np.ndarray | None = None,
) -> None:
    """Works.

    Args:
        net: what works.
        times: how often
        fraction: of the whole
        tile: side, or ``auto``
        sizes: pixels, 100 % of them
        picture: by default the first
    """


@pytest.fixture
def parser() -> OptionParser:
    parser = OptionParser("zoo work", "it")
    parser.add_options("options", options_of(work, ["net"]))
    return parser


def test_what_a_command_line_can_give_is_an_option():
    names = {option.name: option for option in options_of(work, ["net"])}
    assert (
        " ".join(names) == "times fraction tile way sizes counts words style_file keep scale picture"
    )  # and neither other
    assert names["style_file"].flag == "--style-file"
    assert options_of(work, ["net"], "data")[7].flag == "--data.style_file"
    assert (names["times"].default, names["times"].help) == (3, "how often")


@pytest.mark.parametrize(
    ("argv", "values"),
    [
        ("", {"times": 3, "tile": "auto", "sizes": (256, 512), "keep": False}),
        ("--times 4 --fraction=0.5 --keep --way far", {"times": 4, "fraction": 0.5, "keep": True, "way": "far"}),
        ("--tile 64 --sizes 8", {"tile": 64, "sizes": [8]}),
        ("--sizes 8 16 --times 2", {"sizes": [8, 16], "times": 2}),
        ("--sizes [8,16]", {"sizes": [8, 16]}),
        ("--sizes=[8,16]", {"sizes": [8, 16]}),
        ("--words 1 2", {"words": ["1", "2"]}),
        ("--counts={8:[1],9:[2]}", {"counts": {8: [1], 9: [2]}}),
        ("--style-file a.jpg b.jpg", {"style_file": [Path("a.jpg"), Path("b.jpg")]}),
        ("--style-file a.jpg", {"style_file": Path("a.jpg")}),
    ],
)
def test_values_are_of_the_type_of_the_argument(parser: OptionParser, argv: str, values: dict[str, Any]):
    argv = argv.replace(":", ": ").replace("  ", " ")
    words = [argv] if argv.startswith("--counts") else argv.split()
    parsed = parser.parse(words)
    assert {name: parsed[name] for name in values} == values


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ("--times 0", "--times must be a whole number from 1 on, not '0'"),
        ("--times many", "--times must be a whole number from 1 on, not 'many'"),
        ("--times", "--times: expected one argument"),
        ("--fraction 3", "--fraction must be a number from 0 to 1, not '3'"),
        ("--fraction -1", "--fraction must be a number from 0 to 1, not '-1'"),
        ("--tile big", "--tile must be a whole number or auto, not 'big'"),
        ("--way up", "--way must be near, far or null, not 'up'"),
        ("--keep=fp16", "--keep takes no value, not 'fp16'"),
        ("--scale=0", "--scale must be a number above 0 to 4,096, not '0'"),
        ("--sizes 8 many", "--sizes must be whole numbers, not 'many'"),
        ("--sizes 8 1.5", "--sizes must be whole numbers, not '1.5'"),
        ("--sizes", "--sizes: expected one argument"),
        ("--counts x", "--counts must be whole numbers or a mapping, not 'x'"),
        ("--time 3", "it has no option --time; did you mean --times?"),
        ("--data.time 3", "it has no option --data.time; did you mean --times?"),
        ("--birds 3", "it has no option --birds"),  # not --words: that the dashes are the same says nothing
        ("--elephants=3", "it has no option --elephants"),
        ("--net 3", "it has no option --net"),
        ("--show 3", "it has no option --show"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_the_way_out(parser: OptionParser, argv: str, told: str):
    with pytest.raises(ZooError) as raised:
        parser.parse(argv.split())
    assert str(raised.value).splitlines() == [told, "see zoo work --help"]


def test_what_must_be_given_is_named():
    def needy(net: Any, *, style_file: Path) -> None: ...

    parser = OptionParser("zoo work", "it")
    parser.add_options("options", options_of(needy, ["net"]))
    with pytest.raises(ZooError, match="it needs --style-file\n"):
        parser.parse([])


def test_help_is_the_docstring_s(parser: OptionParser, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = [" ".join(line.split()) for line in parser.format_help().splitlines()]
    assert "-h, --help show this help message and exit" in lines
    assert "--times N how often (default: 3)" in lines
    assert "--tile N|auto side, or auto (default: auto)" in lines
    assert "--way {near,far}" in lines
    assert "--sizes N ... pixels, 100 % of them (default: 256 512)" in lines
    assert "--keep" in lines
    assert "--picture PICTURE by default the first" in lines


def test_of_options_of_the_same_name_that_of_the_same_section_is_meant():
    parser = OptionParser("zoo work", "it")
    parser.add_argument("--zoom", type=int)
    parser.add_options("options", options_of(work, ["net"]))
    parser.add_options("data", options_of(work, ["net"], "data"))
    for given, meant in (
        ("--size", "--sizes"), ("--data.size", "--data.sizes"), ("--words2", "--words"), ("--data.zoom", "--zoom"),
    ):  # fmt: skip
        with pytest.raises(ZooError, match=f"did you mean {meant}\\?"):
            parser.parse([f"{given}=3"])
