import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.base.errors import ZooError
from zoo.collect.ledger import STATUSES, Ledger, key_of, mend, read

ODD = [
    "https://example.org/\u2028\u2029\x85\x0b\x0c\x1c",  # ends of lines, to some
    "https://example.org/\ud800",
    "https://example.org/\udcff\udc80",
    "https://example.org/\\ud800",
    "https://example.org/\n\r\t\0",
    "https://example.org/猫😀e\u0301\u202e",
    "",
]


def record(url: str, status: str = "failed", **fields: Any) -> dict[str, Any]:
    return {"url": url, "status": status, **fields}


def facts(path: Path) -> list[dict[str, Any]]:
    """The records, without what is not known."""
    return [{name: value for name, value in one.items() if value is not None} for one in read(path)]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "ledger.jsonl"


def write(path: Path, *records: dict[str, Any]) -> None:
    ledger = Ledger(path)
    for one in records:
        ledger.append(one)
    ledger.close()


def test_what_is_written_is_read(path):
    records = [record(f"https://example.org/{status}", status, reason=status) for status in STATUSES]
    write(path, *records)
    assert facts(path) == records
    assert path.read_bytes().count(b"\n") == len(records)


def test_a_line_is_on_its_way_as_soon_as_it_is_written(path):
    ledger = Ledger(path)
    ledger.append(record("https://example.org/"))
    assert len(facts(path)) == 1  # for another reader, while it is open
    ledger.close()


@pytest.mark.parametrize("url", ODD)
def test_odd_texts_come_back_as_they_were(path, url):
    write(path, record(url, reason=url, label=url, creator=url), record("https://example.org/after"))
    assert facts(path) == [record(url, reason=url, label=url, creator=url), record("https://example.org/after")]
    path.read_bytes().decode("utf-8")  # it is UTF-8, whatever is in it


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]))
        | st.text(st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))
    )
)
def test_any_address_comes_back(tmp_path_factory, urls):
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    write(path, *map(record, urls))
    assert [one["url"] for one in read(path)] == urls
    ledger = Ledger(path)
    ledger.compact()
    ledger.close()
    assert [key_of(one["url"]) for one in read(path)] == list(dict.fromkeys(map(key_of, urls)))


@pytest.mark.parametrize(
    "torn", [b'{"url": "https://example.org/torn", "sta', b"{", b"\xe7\x8c", b"\0" * 5000, b"x" * 200_000]
)
def test_a_torn_last_line_is_cut_off(path, torn):
    write(path, record("https://example.org/1"), record("https://example.org/2"))
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with pytest.raises(ZooError):
        facts(path)
    write(path, record("https://example.org/3"))
    assert [one["url"][-1] for one in read(path)] == ["1", "2", "3"]
    assert path.read_bytes().startswith(whole)


def test_a_file_that_is_all_torn_is_empty(path):
    for content in (b"x" * 200_000, b"", b"{"):
        path.write_bytes(content)
        mend(path)
        assert path.read_bytes() == b""
    path.unlink()
    mend(path)
    assert not path.exists()


@pytest.mark.parametrize("size", [65_534, 65_535, 65_536, 65_537, 131_072])
def test_a_line_as_long_as_what_is_read_at_a_time_is_found(path, size):
    path.write_bytes(b"a" * size + b"\n" + b"b" * size)
    mend(path)
    assert path.read_bytes() == b"a" * size + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"7",
        b"[]",
        b"{}",
        b'{"url": 7, "status": "failed"}',
        b'{"url": "a"}',
        b'{"url": "a", "status": "lost"}',
        b'{"url": "a", "status": ["failed"]}',
        b'{"url": "a", "status": "saved", "file": 7}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_a_line_that_is_no_record_is_named(path, line):
    write(path, record("https://example.org/1"))
    with path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(ZooError, match=r"ledger\.jsonl, line 2: not a ledger record"):
        facts(path)


def test_the_last_line_of_an_address_stays_where_its_first_stood(path):
    ledger = Ledger(path)
    for url, status in (
        ("a", "failed"),
        ("b", "saved"),
        ("c", "failed"),
        ("a", "failed"),
        ("c", "saved"),
        ("a", "rejected"),
    ):
        ledger.append(record(f"https://example.org/{url}", status))
    ledger.compact()
    assert [(one["url"][-1], one["status"]) for one in ledger] == [("a", "rejected"), ("b", "saved"), ("c", "saved")]
    ledger.append(record("https://example.org/d"))  # it goes on in the new file
    assert [one["url"][-1] for one in ledger] == ["a", "b", "c", "d"]
    ledger.close()
    assert [one.name for one in path.parent.iterdir()] == ["ledger.jsonl"]


def test_a_ledger_without_repetitions_is_left_alone(path):
    write(path, record("https://example.org/a"), record("https://example.org/b"))
    before = path.stat().st_ino
    ledger = Ledger(path)
    ledger.compact()
    ledger.close()
    assert path.stat().st_ino == before


def test_compacting_that_fails_leaves_what_was_there(path, monkeypatch):
    write(path, record("https://example.org/a"), record("https://example.org/a"))
    before = path.read_bytes()
    ledger = Ledger(path)

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        ledger.compact()
    ledger.close()
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["ledger.jsonl"]


def test_addresses_that_differ_in_their_fragment_are_one():
    assert key_of("https://example.org/a#b") == key_of("https://example.org/a#c") == key_of("https://example.org/a")
    assert key_of("https://example.org/a") != key_of("https://example.org/A")
    assert key_of("https://example.org/a") != key_of("https://example.org/a?")
    assert len({key_of(f"https://example.org/{number}") for number in range(20_000)}) == 20_000


def test_a_ledger_reads_as_json_elsewhere(path):
    write(path, record("https://example.org/猫", label="\udcff"))
    [line] = path.read_text(encoding="utf-8").splitlines()
    assert "猫" in line  # for people
    assert json.loads(line)["url"] == "https://example.org/猫"
