import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address
from zoo.collect.options import SourceOptions
from zoo.collect.sources import open_source


async def no_api(url: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
    raise AssertionError(f"a list asks nobody, and asked {url}")


def addresses(path: Path | str, columns: Mapping[str, str] = {}, **options: Any) -> list[Address]:
    return list(open_source(SourceOptions(str(path), tuple(columns.items()), **options), no_api))


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def url(number: int) -> str:
    return f"http://example.org/{number}.jpg"


# text


@pytest.mark.parametrize("name", ["list.txt", "list.LST", "list.urls", "list"])
def test_text_has_an_address_a_line(tmp_path, name):
    path = written(tmp_path / name, f"# mine\n\n  {url(1)}  \r\n{url(2)}\n \t\n#{url(3)}\n{url(4)}")
    assert addresses(path) == [Address(url(1)), Address(url(2)), Address(url(4))]


def test_a_byte_order_mark_is_no_part_of_the_first_address(tmp_path):
    assert addresses(written(tmp_path / "list.txt", f"\ufeff{url(1)}\n")) == [Address(url(1))]


def test_a_list_without_addresses_has_none(tmp_path):
    assert addresses(written(tmp_path / "list.txt", "# none\n")) == []


def test_other_encodings_are_refused_with_the_byte(tmp_path):
    path = written(tmp_path / "list.txt", f"{url(1)}\nhttp://example.org/é.jpg".encode("latin-1"))
    with pytest.raises(ZooError, match=r"list\.txt: line 2: not UTF-8: byte 44 is 0xe9, .*convert the file to UTF-8"):
        addresses(path)


@pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.jsonl"])
def test_utf_16_is_read_where_it_is_marked(tmp_path, name):
    line = json.dumps({"url": url(1)}) if name == "list.jsonl" else url(1)
    text = f"url\n{line}\n" if name == "list.csv" else f"{line}\n"
    assert addresses(written(tmp_path / name, text.encode("utf-16"))) == [Address(url(1))]
    with pytest.raises(ZooError, match=r"line 1: .*UTF-16 without a byte order mark"):
        addresses(written(tmp_path / name, text.encode("utf-16-le")))


@pytest.mark.parametrize("line", ['"{}"', "<{}>", "'{}'", "{},", '"{}", ', "< {} >,", "\u201c{}\u201d"])
def test_an_address_may_be_enclosed(tmp_path, line):
    path = written(tmp_path / "list.txt", f"{line.format(url(1))}\r\n{url(2)}\n")
    assert addresses(path) == [Address(url(1)), Address(url(2))]


@pytest.mark.parametrize("line", ["{0}\tcat", "n01440764\t{0}", "{0} {1}", "{0}, {1}"])
def test_a_line_with_more_than_an_address_is_named(tmp_path, line):
    path = written(tmp_path / "list.txt", f"{url(3)}\n{line.format(url(1), url(2))}\n")
    with pytest.raises(ZooError, match=r"list\.txt: line 2: more than an address; .*\.tsv"):
        addresses(path)


def test_an_address_may_hold_spaces_and_another_address(tmp_path):
    given = ["http://example.org/my photo.jpg", "http://example.org/web/2010/http://example.com/a,b.jpg"]
    assert addresses(written(tmp_path / "list.txt", "\n".join(given))) == [Address(one) for one in given]


@pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.jsonl"])
def test_an_endless_line_is_not_read_whole(tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(b"url\n" if name == "list.csv" else b"")
        file.truncate(1 << 33)  # 8 GiB of nothing: a hole on the disk
    tracemalloc.start()
    with pytest.raises(ZooError, match=r"line \d has more than 1 MiB"):
        addresses(path)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


# CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["list.csv", "list.tsv"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_knows_its_columns_and_its_delimiter(tmp_path, name, delimiter, end):
    header = ["Label", "URL", "thumbnail_url", "licence", "Author", "page-url", "size"]
    row = ["cat", url(1), url(2), "CC BY 2.0", "A. Cat", "http://example.org/1", "7"]
    path = written(tmp_path / name, end.join([delimiter.join(header), delimiter.join(row)]))
    assert addresses(path) == [Address(url(1), url(2), "cat", "CC BY 2.0", "http://example.org/1", "A. Cat")]


def test_a_delimiter_within_quotes_of_the_header_is_none(tmp_path):
    path = written(tmp_path / "list.csv", f'url;"a,b,c,d"\n{url(1)};7\n')
    assert addresses(path) == [Address(url(1))]


def test_quoted_fields_may_hold_lines_delimiters_and_quotes(tmp_path):
    path = written(tmp_path / "list.csv", f'\ufeffurl,label\n"{url(1)}","a ""big"",\ncat"\n{url(2)},dog\n')
    assert addresses(path) == [Address(url(1), label='a "big",\ncat'), Address(url(2), label="dog")]


def test_rows_may_be_short_long_or_without_an_address(tmp_path):
    path = written(tmp_path / "list.csv", f"label,url\n\ncat\ncat,\ncat,{url(1)},more,and more\n,{url(2)}\n")
    assert addresses(path) == [Address(url(1), label="cat"), Address(url(2))]


def test_the_column_that_is_called_url_comes_first(tmp_path):
    path = written(tmp_path / "list.csv", f"image_url,URL,url\na,b,{url(1)}\n")
    assert addresses(path) == [Address(url(1))]


def test_columns_are_named_by_hand(tmp_path):
    path = written(tmp_path / "list.csv", f"url,IMAGE_LINK,kind\nno,{url(1)},cat\n")
    assert addresses(path, columns={"url": "IMAGE_LINK", "label": "KIND"}) == [Address(url(1), label="cat")]


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path):
    path = written(tmp_path / "list.csv", "IMAGE_LINK,kind\n")
    with pytest.raises(
        ZooError, match=r"no column 'IMAGELINK'; did you mean IMAGE_LINK\?\nthere are: IMAGE_LINK, kind"
    ):
        addresses(path, columns={"url": "IMAGELINK"})


def test_a_field_that_no_address_has_is_named_with_the_nearest(tmp_path):
    path = written(tmp_path / "list.csv", "url\n")
    with pytest.raises(ZooError, match="no field of an address 'lable'; did you mean label"):
        addresses(path, columns={"lable": "kind"})
    with pytest.raises(ZooError, match="needs the name of a column"):
        addresses(path, columns={"label": " "})


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "list.parquet"])
def test_without_a_column_of_addresses_the_columns_are_listed(tmp_path, name):
    path = tmp_path / name
    if name == "list.parquet":
        parquet(path, {"where": [url(1)], "kind": ["cat"]})
    else:
        written(path, "where,kind\n" if name == "list.csv" else json.dumps({"where": url(1), "kind": "cat"}))
    with pytest.raises(ZooError, match=r"--column url=NAME\nthere are: where, kind$"):
        addresses(path)


def test_a_csv_without_a_header_is_told_of(tmp_path):
    with pytest.raises(ZooError, match=r"first line must name the columns"):
        addresses(written(tmp_path / "list.csv", f"{url(1)}\n{url(2)}\n"))


def test_names_of_columns_cannot_steer_the_terminal(tmp_path):
    path = written(tmp_path / "list.csv", ",".join(f"\x1b[2J{number}{'x' * 1000}" for number in range(500)))
    with pytest.raises(ZooError) as error:
        addresses(path)
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 10_000


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        (f'url\n{url(1)}\n\n"{url(2)}\n{url(3)}\n', "line 4: a quote is never closed"),
        ('"url\n', "line 1: a quote is never closed"),
        (f'url\n{url(1)}\n"' + "x" * 200_000 + '"\n', r"line 3: field larger than field limit"),
        (f"url\n{url(1)}\n" + '"\n",' * (1 << 19), r"line 3: a row has more than 1 MiB"),
        (f"url\n{url(1)}\n{url(2)}\0\n", "line 3: has a NUL"),
        ("url,label\na\rb,c\n", "line 2: "),
    ],
)
def test_damaged_csv_is_refused_with_the_line(tmp_path, content, complaint):
    with pytest.raises(ZooError, match=rf"list\.csv: {complaint}"):
        addresses(written(tmp_path / "list.csv", content))


# JSON Lines


@pytest.mark.parametrize("name", ["list.jsonl", "list.ndjson"])
def test_json_lines_are_objects_or_addresses(tmp_path, name):
    rows = [
        {"imageURL": url(1), "label": 7, "license": None, "nested": {"a": [1]}},
        url(2),
        {"label": 1.5, "url": url(3)},
        {"label": "no address"},
        {"url": f" {url(4)} ", "label": True, "creator": "\ud83d"},
    ]
    path = written(tmp_path / name, "\n".join(map(json.dumps, rows)) + "\n\n")
    assert addresses(path) == [
        Address(url(1), label="7"),
        Address(url(2)),
        Address(url(3), label="1.5"),
        Address(url(4), label="true", creator="?"),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("7", "neither an object nor an address"),
        ('["http://example.org/1.jpg"]', "neither an object nor an address"),
        ('{"url": ["http://example.org/1.jpg"]}', "'url' is a list, not text"),
        ('{"url": "http://example.org/1.jpg", "label": {"en": "cat"}}', "'label' is an object, not text"),
    ],
)
def test_wrong_json_is_refused_with_the_line(tmp_path, line, complaint):
    with pytest.raises(ZooError, match=rf"list\.jsonl: line 2: {complaint}"):
        addresses(written(tmp_path / "list.jsonl", f'"{url(1)}"\n{line}\n'))


def test_a_field_that_no_object_has_is_a_wrong_name(tmp_path):
    path = written(tmp_path / "list.jsonl", f'{{"url": "{url(1)}"}}\n{{"url": "{url(2)}", "kind": "cat"}}\n')
    assert addresses(path, columns={"label": "kind"})[1].label == "cat"
    with pytest.raises(ZooError, match="no column 'kinds'; did you mean kind"):
        addresses(path, columns={"label": "kinds"})


# Parquet


def test_parquet_is_read_group_by_group(tmp_path):
    columns = {"URL": [url(number) for number in range(2500)], "n": list(range(2500)), "label": [b"cat", None] * 1250}
    read = addresses(parquet(tmp_path / "list.parquet", columns, row_group_size=700))
    assert len(read) == 2500
    assert read[2000:2002] == [Address(url(2000), label="cat"), Address(url(2001))]


def test_parquet_of_dictionaries_numbers_and_empty_addresses(tmp_path):
    labels = pa.array(["cat", "dog", "cat"]).dictionary_encode()
    path = parquet(tmp_path / "list.parquet", {"src": [url(1), " ", url(3)], "kind": labels, "author": [1, 2, 3]})
    read = addresses(path, columns={"label": "kind"})
    assert read == [Address(url(1), label="cat", creator="1"), Address(url(3), label="cat", creator="3")]


@pytest.mark.parametrize(
    ("column", "complaint"),
    [([[url(1)]], "is a list"), ([{"a": 1}], "is an object"), ([b"\xff"], "is not text in UTF-8")],
)
def test_parquet_of_what_is_no_text_is_refused_with_the_row(tmp_path, column, complaint):
    with pytest.raises(ZooError, match=rf"row 1: 'url' {complaint}"):
        addresses(parquet(tmp_path / "list.parquet", {"url": column}))


def test_damaged_parquet_is_refused(tmp_path):
    whole = parquet(tmp_path / "list.parquet", {"url": [url(number) for number in range(5000)]}).read_bytes()
    for damaged in (b"", b"PAR1", whole[:-10], whole[:100] + bytes(2000) + whole[2100:], b"url\n" + url(1).encode()):
        with pytest.raises(ZooError, match="not Parquet, or damaged"):
            addresses(written(tmp_path / "damaged.parquet", damaged))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    path = parquet(tmp_path / "list.parquet", {"url": [url(1)]})
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ZooError, match=r"pip install 'lightning-zoo\[parquet\]'"):
        addresses(path)


# what the user types


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "SOURCE is empty"),
        ("red bicycle", r"red bicycle: no such file; a search is CATALOGUE:QUERY"),
        ("x" * 5000, "no such file"),
        ("nul\0l", "no such file"),
        ("http://example.org/list.csv", "is an address: save the page, or put the address in a text file"),
        ("s3://bucket/list.csv", "is an address"),
        ("flickr:cats", "no catalogue 'flickr'"),
        (".", "a folder"),
        ("list.json", r"no list or page ends in \.json; did you mean \.jsonl\?\nthere are: \.txt, "),
        ("list.csv.gz", r"ends in \.gz"),
        ("pipe.csv", "not a regular file"),
    ],
)
def test_what_is_no_source_is_refused_in_a_line(tmp_path, monkeypatch, text, complaint):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    written(tmp_path / "list.json", "[]")
    written(tmp_path / "list.csv.gz", b"")
    with pytest.raises(ZooError, match=complaint) as error:
        addresses(text)
    assert str(error.value).count("\n") <= 2


def test_a_file_may_be_named_as_a_catalogue_would_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert addresses(written(Path("my:list.txt"), url(1))) == [Address(url(1))]


@pytest.mark.parametrize(
    ("name", "options"),
    [("list.txt", {"columns": {"url": "a"}}), ("list.csv", {"base": "http://x.org"}), ("list.csv", {"endpoint": "x"})],
)
def test_options_that_would_do_nothing_are_refused(tmp_path, name, options):
    with pytest.raises(ZooError, match=rf"{name}: --\w+ is for"):
        addresses(written(tmp_path / name, "url\n"), **options)


def test_sources_are_imported_without_what_is_slow():
    slow = "{'torch', 'pyarrow', 'numpy', 'PIL', 'lightning', 'pydantic'} & set(sys.modules)"
    code = f"import sys, zoo.collect.sources; print({slow})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_long_lists_take_little_memory(tmp_path):
    path = written(tmp_path / "list.csv", "url,label\n" + "".join(f"{url(number)},cat\n" for number in range(100_000)))

    tracemalloc.start()
    assert sum(1 for _ in open_source(SourceOptions(str(path)), no_api)) == 100_000
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
