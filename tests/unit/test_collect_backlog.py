import json
from itertools import islice
from pathlib import Path

import pytest

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address, Page
from zoo.collect.backlog import Backlog


def page(*names: str, next: object = None) -> Page:  # noqa: A002
    return Page(tuple(Address(f"https://example.org/{name}") for name in names), next)


def names(backlog: Backlog) -> list[str]:
    """The names of all addresses so far."""
    found = []
    for address in backlog:
        if address is None:
            return found
        found.append(address.url.rpartition("/")[2])
    raise AssertionError("it does not end")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "addresses.jsonl"


def test_addresses_come_back_whole_and_in_their_order(path):
    full = Address(
        "https://example.org/1", "https://example.org/t", "cat", "CC0", "https://example.org/p", "Ada\ud800\u2028"
    )
    backlog = Backlog(path)
    backlog.add("list", Page((full, Address("https://example.org/2"))))
    backlog.close()
    again = Backlog(path)
    assert list(islice(again, 3)) == [full, Address("https://example.org/2"), None]
    again.close()


def test_it_goes_on_where_its_source_was_left(path):
    backlog = Backlog(path)
    assert backlog.start_of("list") is None
    assert not backlog.ended("list")
    backlog.add("list", page("a", next={"row": 1}))
    backlog.add("catalogue", page("x", next=[2, "b"]))
    backlog.add("list", page("b", next={"row": 2}))
    backlog.close()
    backlog = Backlog(path)
    assert backlog.start_of("list") == {"row": 2}
    assert backlog.start_of("catalogue") == [2, "b"]
    backlog.add("list", page("c"))
    assert backlog.ended("list")
    assert not backlog.ended("catalogue")
    backlog.close()
    backlog = Backlog(path)
    assert backlog.ended("list")
    assert names(backlog) == ["a", "x", "b", "c"]
    assert len(backlog) == 4
    backlog.close()


def test_an_address_that_is_named_again_is_left_out(path):
    backlog = Backlog(path)
    backlog.add("list", page("a", "b", "a", "b#here", next=1))
    assert (len(backlog), backlog.repeated) == (2, 2)
    backlog.close()
    backlog = Backlog(path)
    backlog.add("other", page("b", "c", "a"))
    assert (len(backlog), backlog.repeated) == (3, 2)  # counts of this run
    assert names(backlog) == ["a", "b", "c"]
    backlog.close()


def test_a_reader_sees_what_comes_later(path):
    backlog = Backlog(path)
    reader = iter(backlog)
    assert next(reader) is None
    backlog.add("list", page("a", next=1))
    assert next(reader) == Address("https://example.org/a")
    assert next(reader) is None
    assert next(reader) is None
    backlog.add("list", page(next=2))  # a page of a catalogue may hold nothing that is new
    assert next(reader) is None
    backlog.add("list", page("b", "c"))
    assert [next(reader), next(reader), next(reader)] == [*page("b", "c").addresses, None]
    backlog.close()


def test_a_page_that_was_not_written_to_its_end_is_read_again(path):
    """Wherever the write was cut."""
    backlog = Backlog(path)
    backlog.add("list", page("a", "b", next=1))
    whole = path.read_bytes()
    backlog.add("list", page("c", "d", next=2))
    backlog.close()
    both = path.read_bytes()
    for size in (*range(len(whole), len(both) - 1), len(both)):
        path.write_bytes(both[:size])
        again = Backlog(path)
        cut = size < len(both)
        assert again.start_of("list") == (1 if cut else 2)
        assert names(again) == (["a", "b"] if cut else ["a", "b", "c", "d"])
        again.add("list", page("c", "d", "e"))
        assert sorted(names(again)) == ["a", "b", "c", "d", "e"]
        again.close()


@pytest.mark.parametrize(
    "torn", [b"\0" * 4096, b"\xff\xfe", b"7\n", b"[]\n", b"null\n", b'"url"\n', b'{"url": 7}\n', b"{}\n"]
)
def test_what_is_no_page_at_the_end_is_cut_off(path, torn):
    backlog = Backlog(path)
    backlog.add("list", page("a", next=1))
    backlog.close()
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    backlog = Backlog(path)
    backlog.close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "line", [{"url": "https://example.org/", "label": 7}, {"url": "https://example.org/", "size": "1"}]
)
def test_an_address_with_other_fields_is_told(path, line):
    cursor = {"source": "list", "next": None}
    path.write_text(f"{json.dumps(line)}\n{json.dumps(cursor)}\n")
    backlog = Backlog(path)
    with pytest.raises(ZooError, match="damaged"):
        names(backlog)
    backlog.close()


def test_a_hundred_thousand_addresses_are_read_at_once(path):
    lines = [json.dumps({"url": f"https://example.org/{number}"}) for number in range(100_000)]
    path.write_text("\n".join([*lines, json.dumps({"source": "list", "next": None})]) + "\n")
    backlog = Backlog(path)
    assert len(backlog) == 100_000
    assert len(names(backlog)) == 100_000
    backlog.close()
