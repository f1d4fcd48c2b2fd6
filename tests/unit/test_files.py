"""Writing that leaves no halves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from zoo.base.files import replace, replacing


def test_two_writers_of_a_file_do_not_meet(tmp_path: Path):
    """As two threads do, or two containers whose processes have the same number."""
    path = tmp_path / "a.txt"
    with replacing(path) as one, replacing(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # which ended last
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127, "x" + "ä" * 127, "a.txt"])
def test_a_name_as_long_as_names_may_be(tmp_path: Path, name: str):
    replace(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with replacing(tmp_path / name) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        temporary.touch()


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are bytes")
def test_a_name_that_is_not_unicode(tmp_path: Path):
    """As in folders that another system wrote."""
    path = tmp_path / os.fsdecode(b"Stra\xdfe.png")
    replace(path, "whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_what_was_replaced(tmp_path: Path):
    old = os.umask(0o022)
    try:
        replace(tmp_path / "a.txt", "text")
    finally:
        os.umask(old)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644
