"""Lists of the pictures that a network was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.base.errors import ZooError
from zoo.cards import sources
from zoo.hub import layout

ROWS = [
    {"file": "a.png", "repository": "me/one", "blob": "1", "path": "x/a.jpg"},
    {"file": "b, c.png", "repository": "me/two", "blob": "2", "path": 'x/"b".jpg'},
    {"file": "ü.png", "repository": "me/two", "blob": "3", "path": "..."},
]


def test_what_is_written_is_read_again(tmp_path: Path):
    sources.write(tmp_path / "sources.csv", ROWS)
    assert sources.read(tmp_path / "sources.csv") == ROWS
    assert b"\r" not in (tmp_path / "sources.csv").read_bytes()


def test_files_of_spreadsheets_are_read(tmp_path: Path):
    """With a byte order mark, and their own ends of lines."""
    (tmp_path / "sources.csv").write_bytes("\ufefffile,path\r\na.png,ü.png\r\n".encode())
    assert sources.read(tmp_path / "sources.csv") == [{"file": "a.png", "path": "ü.png"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first line must name the columns"),
        (b"name\na.png\n", "one of them file"),
        (b"file;path\na.png;b\n", "separated by commas"),
        (b"file,path,path\na,b,c\n", "each once"),
        (b"file,path\na.png\n", "line 2: has 1 cells, and there are 2 columns"),
        (b"file\n\n", "line 2: has 0 cells"),
        (b"file,path\na.png,b\n,b\n", "line 3: names no file"),
        (b"file,path\na.png,/etc/passwd\n", "line 2: '/etc/passwd' leads out of the folder"),
        (b"file\na/../../b.png\n", "leads out of the folder"),
        (b"file\nC:\\b.png\n", "leads out of the folder"),
        (b"file\nhttps://a/b.png\n", "leads out of the folder"),
        (b"file,by\na.png,\x1b[31m\n", "'by' is not a text of one line"),
        (b'file,by\na.png,"a\nb"\n', "'by' is not a text of one line"),
        (b"file,by\na.png," + b"a" * 1001, "at most 1000 characters"),
        (b'file\n"a\n', "not CSV"),
        (b"file\n\xff\n", "sources.csv"),
        (b"file\n" + b"a.png\n" * (layout.PROSE // 6), "refused, it has 1,048,5"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "sources.csv"
    path.write_bytes(content)
    with pytest.raises(ZooError) as caught:
        sources.read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def test_addresses_may_stand_in_columns_of_their_own(tmp_path: Path):
    (tmp_path / "sources.csv").write_text("file,url\na.png,https://example.org/a.png\n")
    assert sources.read(tmp_path / "sources.csv")[0]["url"] == "https://example.org/a.png"


def test_lists_of_all_folders_that_are_learnt_from_are_one(tmp_path: Path):
    for name in ("root", "extra", "other", "held"):
        (tmp_path / name).mkdir()
        sources.write(tmp_path / name / "sources.csv", [{"file": f"{name}.png", name: "x"}])
    (tmp_path / "other" / "sources.csv").unlink()
    folders = {name: str(tmp_path / name) for name in ("root", "extra", "other", "held", "none")}
    arguments = {"root": folders["root"], "extra": [folders["extra"], folders["other"]], "val": [folders["held"]]}
    arguments |= {
        "test": folders["held"],
        "missing": folders["none"],
        "side": 256,
        "style": "",
        "augment": {"crop": [1]},
    }
    rows, unlisted = sources.gather({"class_path": "zoo.data.Views", "init_args": arguments})
    assert rows == [{"file": "root.png", "root": "x"}, {"file": "extra.png", "extra": "x"}]
    assert unlisted == [folders["other"]]
    assert sources.gather({}) == ([], [])
    sources.write(tmp_path / "sources.csv", rows)
    assert (tmp_path / "sources.csv").read_text() == "file,root,extra\nroot.png,x,\nextra.png,,x\n"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (ROWS, "3 pictures; 2 of me/two, 1 of me/one"),
        ([{"file": "a"}], "1 picture"),
        ([{"file": "a", "licence": "CC0"}, {"file": "b", "license": "CC0"}], "2 pictures; 2 under CC0"),
        (
            [{"file": "a", "repository": str(n)} for n in range(7)],
            "7 pictures; 1 of 0, 1 of 1, 1 of 2, 1 of 3, 1 of 4, ...",
        ),
    ],
)
def test_it_is_told_in_a_line(rows: sources.Rows, told: str):
    assert sources.summary(rows) == told
