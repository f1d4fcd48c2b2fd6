import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from zoo.base.errors import ZooError
from zoo.collect.options import Options, SourceOptions, read_settings, size, write_settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", 0),
        ("connections", 0),
        ("connections", 5000),
        ("per_host", 0),
        ("delay", -0.1),
        ("delay", float("nan")),
        ("delay", float("inf")),
        ("timeout", 0),
        ("timeout", float("nan")),
        ("retries", -1),
        ("max_bytes", 0),
        ("max_pixels", 1 << 40),
        ("min_side", 0),
        ("max_side", 0),
        ("max_aspect", 0.5),
        ("near", -1),
        ("near", 64),
        ("val_fraction", 0.5),
        ("val_fraction", -0.1),
    ],
)
def test_a_value_out_of_its_range_is_told_by_the_name_of_its_option(name, value):
    with pytest.raises(ZooError, match=f"--{name.replace('_', '-')} must be .*, not {value}"):
        Options(**{name: value})


@pytest.mark.parametrize(
    ("text", "expected"), [("500000", 500_000), ("500K", 500 << 10), ("1.5m", 3 << 19), ("1G", 1 << 30), ("0", 0)]
)
def test_sizes_are_written_with_units(text, expected):
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "K", "infM", "nanK", "1e999K", "-1M", "+1", "1.M", " 1", "1 K", "1KB", "\u0661K"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        size(text)


def test_limits_that_may_be_off():
    assert Options(limit=None, max_side=None, near=None, val_fraction=0, delay=0, retries=0).near is None


def test_a_server_is_told_who_asks():
    assert Options(contact="me@example.org").user_agent.endswith("(zoo collect; +me@example.org)")
    assert "+http" in Options().user_agent


def test_settings_come_back(tmp_path):
    path = tmp_path / "settings.json"
    sources = [
        SourceOptions("list.csv", (("url", "链接"),), "https://example.org/", None),
        SourceOptions("openverse:cat"),
    ]
    given = {"limit": 5, "near": None, "delay": 0.5, "label": "猫", "upright": True, "max_aspect": 3}
    write_settings(path, given, sources)
    assert read_settings(path) == (given, sources)
    assert {one.key for one in read_settings(path)[1]} == {one.key for one in sources}
    assert Options(**read_settings(path)[0]).limit == 5


def test_every_option_comes_back(tmp_path):
    path = tmp_path / "settings.json"
    write_settings(path, asdict(Options()), [])
    assert read_settings(path) == (asdict(Options()), [])


def test_there_need_be_no_settings(tmp_path):
    assert read_settings(tmp_path / "settings.json") == ({}, [])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"options": {}}',
        '{"options": [], "sources": []}',
        '{"options": {"limt": 5}, "sources": []}',
        '{"options": {"limit": "5"}, "sources": []}',
        '{"options": {"limit": 0}, "sources": []}',
        '{"options": {"upright": "yes"}, "sources": []}',
        '{"options": {"delay": null}, "sources": []}',
        '{"options": {"delay": NaN}, "sources": []}',
        '{"options": {}, "sources": [5]}',
        '{"options": {}, "sources": [{}]}',
        '{"options": {}, "sources": [{"text": "a", "columns": 7}]}',
        '{"options": {}, "sources": [{"columns": []}]}',
        '{"options": {}, "sources": [{"text": "a", "columns": [], "more": 1}]}',
        "\ud800",
    ],
)
def test_settings_of_another_form_are_an_error_in_a_line(tmp_path, content):
    path = tmp_path / "settings.json"
    path.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(ZooError) as caught:
        read_settings(path)
    assert str(caught.value).count("\n") <= 2


def test_a_misspelt_option_of_a_folder_has_a_suggestion(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"options": {"max_sde": 5}, "sources": []}))
    with pytest.raises(ZooError, match="no option 'max_sde'; did you mean max_side"):
        read_settings(tmp_path / "settings.json")


def test_sources_that_differ_in_anything_are_others():
    one = SourceOptions("a", (("url", "b"),))
    others = [SourceOptions("a"), SourceOptions("a", (("url", "c"),)), SourceOptions("a", (("url", "b"),), base="x")]
    assert len({source.key for source in (one, *others)}) == 4
    assert SourceOptions("a", (("url", "b"),)).key == one.key


def test_settings_are_written_whole(tmp_path: Path):
    write_settings(tmp_path / "settings.json", {}, [])
    assert [one.name for one in tmp_path.iterdir()] == ["settings.json"]
