"""Paths as others may see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.base.paths import ends_apart, without_folders


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, below the home of a user."""
    folder = tmp_path / "me" / "work"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("/mnt/big/photos", "photos"),
        ("/mnt/big/photos/", "photos"),
        ("../own", "own"),
        ("sub/../../own", "own"),
        ("~/own", "own"),
        ("~nosuchuser/own", "own"),
        ("file:///home/me/own%20ones", "own ones"),
    ],
)
def test_what_leads_out_is_reduced_to_its_name(value: str, name: str):
    assert without_folders(value) == name
    assert without_folders(value, "data") == f"data/{name}"


@pytest.mark.parametrize("value", ["/", "..", "~", "~nosuchuser", "../..", "file:///"])
@pytest.mark.parametrize("into", ["", "data"])
def test_what_has_no_name_becomes_data(value: str, into: str):
    assert without_folders(value, into) == "data"


@pytest.mark.parametrize(
    "value", ["{}/photos/a.jpg", "file://{}/photos/a.jpg", "photos/../photos/a.jpg", "~/work/photos/a.jpg"]
)
def test_what_is_below_the_working_directory_is_relative_to_it(value: str, here: Path):
    assert without_folders(value.format(here), "data") == "photos/a.jpg"


@pytest.mark.parametrize(
    "value",
    ["photos/a.jpg", "linknet", "1..2", "", "{[", "a~b", "[1, 2]", "{a: b}", "https://here/a", 3, None, 0.5, True],
)
def test_all_else_stays_as_it_is(value: Any):
    assert without_folders(value, "data") == value


def test_lists_and_mappings_are_looked_through(here: Path):
    given = {"root": str(here / "own"), "extra": ["/mnt/a", {"b": ("~/b", 3)}], "/mnt/c": None}
    assert without_folders(given) == {"root": "own", "extra": ["a", {"b": ["b", 3]}], "c": None}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("[/home/me/a, '~/b', c, 3]", '["a", "b", "c", 3]'),
        ("{a: /home/me/a, day: 2024-01-01}", '{"a": "a", "day": "2024-01-01"}'),
    ],
)
def test_so_are_those_that_a_text_holds(value: str, shown: str):
    assert without_folders(value) == shown


@pytest.mark.parametrize(
    ("paths", "ends"),
    [
        (["a/Set5", "b/Set14"], ["Set5", "Set14"]),
        (["Set5/HR", "/x/Set14/HR", "BSD100"], ["Set5/HR", "Set14/HR", "BSD100"]),
        (["/a/x/HR", "/b/x/HR"], ["a/x/HR", "b/x/HR"]),
        (["/x/a\udcff"], ["a?"]),
        (["/HR", "/x/HR"], ["/HR", "x/HR"]),
        (["/x/HR", "/x/y/../HR"], ["HR", "HR"]),  # one place
        (["/x/x/HR", "/x/HR", "/y/HR"], ["x/x/HR", "/x/HR", "y/HR"]),
        ([], []),
    ],
)
def test_paths_are_told_apart_by_their_ends(paths: list[str], ends: list[str]):
    assert ends_apart(paths) == ends


def test_here_has_the_name_of_its_folder(here: Path):
    assert ends_apart(["."]) == [here.name]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["/mnt/Set5/HR", "/mnt/Set14/HR", "/mnt/BSD"], ["data/Set5/HR", "data/Set14/HR", "data/BSD"]),
        (["/mnt/a/HR", "/mnt/a/HR"], ["data/HR", "data/HR"]),
        (["HR", "/mnt/a/HR"], ["HR", "data/a/HR"]),
        (["HR", "{}/HR", "HR"], ["HR", "HR", "HR"]),
        (["file:///mnt/a/HR", "~/b/HR"], ["data/a/HR", "data/b/HR"]),
        ("['/mnt/a/HR', '/mnt/b/HR']", '["data/a/HR", "data/b/HR"]'),
    ],
)
def test_so_are_those_of_a_list_that_have_one_name(given: Any, shown: Any, here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = [each.format(here) for each in given] if isinstance(given, list) else given
    assert without_folders(given, "data") == shown
