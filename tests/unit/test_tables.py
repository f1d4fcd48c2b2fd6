"""Tables as programs write them: whatever stands between the cells, at the ends of lines and before all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.base import tables
from zoo.base.errors import ZooError

PLAIN = 'a,b,note\nx.jpg,y.jpg,"one, two; three"\n\n   \n"z ""1"".jpg",w.jpg,\n'
ROWS = [["a", "b", "note"], ["x.jpg", "y.jpg", "one, two; three"], ['z "1".jpg', "w.jpg", ""]]


def delimited(by: str) -> str:
    """The plain table with another delimiter, but for the commas in quotes."""
    return PLAIN.replace("one, two", "one@ two").replace(",", by).replace("@", ",")


@pytest.mark.parametrize("by", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["list.csv", "list.tsv"])
def test_any_table_is_read(tmp_path: Path, by: str, end: str, encoding: str, name: str):
    path = tmp_path / name
    path.write_bytes(delimited(by).replace("\n", end).encode(encoding))
    assert [row for _, row in tables.records(path)] == ROWS
    assert [line for line, _ in tables.records(path)] == [1, 2, 5]


def test_utf_16_of_either_order(tmp_path: Path):
    for mark, order in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        (tmp_path / "list.csv").write_bytes(mark + "ä,ਊ\r\n".encode(order))  # ਊ is 0x0A0A, two ends of a line
        assert list(tables.records(tmp_path / "list.csv")) == [(1, ["ä", "ਊ"])]


def test_the_delimiter_makes_as_many_cells_as_are_wanted(tmp_path: Path):
    path = tmp_path / "pairs.csv"
    path.write_text("one, two, three.jpg;four, five.jpg\n")
    assert list(tables.records(path, 2)) == [(1, ["one, two, three.jpg", "four, five.jpg"])]


def test_columns_have_any_order_and_case():
    assert tables.places(["note", "B", "a"], ["a", "b"]) == [2, 1]
    assert tables.places(["a", "c"], ["a", "b"]) is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b\n\xe9,x\n", r"line 2: not UTF-8: byte 4 is 0xe9"),
        ("\ufeffa,b\né".encode()[:-1], r"line 2: not UTF-8: byte 7 is 0xc3"),
        ("a,b\n".encode("utf-16-le"), "line 1: has a NUL byte.*UTF-16 without a byte order mark"),
        (b"\xff\xfea\x00,", "not UTF-16"),
        (b'a,b\n"x,y\n', "line 2: a quote is never closed"),
        (b"a,b\n" + b"x" * (2 << 20), "line 2 has more than 1 MiB"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, content: bytes, told: str):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(ZooError, match=f"list\\.csv: {told}"):
        list(tables.records(tmp_path / "list.csv"))
