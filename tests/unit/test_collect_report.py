import json
import os
import tracemalloc
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.base.errors import ZooError
from zoo.collect import report
from zoo.collect.options import Options
from zoo.collect.report import write_report

EVIL = "<script>alert(1)</script>\" onload='x' \u202e&amp;{{ 7 * 7 }}"
VOID = {"meta", "img", "link", "br", "input", "base"}


class Seen(HTMLParser):
    """What a browser would make of a page: elements that are well nested, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += f" {data} "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    @property
    def links(self) -> list[str | None]:
        return [one["href"] for one in self.all("a") if not str(one["href"]).startswith("#")]


def line(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A record of a picture, without the fields that are None."""
    saved = {
        "url": f"https://example.org/{number}.jpg",
        "status": "saved",
        "final_url": f"https://example.org/{number}.jpg",
        "time": "2026-02-03T04:05:06+00:00",
        "bytes": 1000,
        "type": "jpeg",
        "size": [64, 48],
        "file": f"{number}.jpg",
        **fields,
    }
    return {name: value for name, value in saved.items() if value is not None}


def failure(number: int = 0, **fields: Any) -> dict[str, Any]:
    address = f"https://example.org/gone/{number}"
    return {"url": address, "status": "failed", "reason": "HTTP 404 Not Found", "requests": 1, **fields}


def write(folder: Path, *records: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "ledger.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))


def picture(
    path: Path, size: tuple[int, int] = (64, 48), color: Any = (200, 30, 30), mode: str = "RGB", **options: Any
):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **options)


def seen(folder: Path, *records: dict[str, Any]) -> Seen:
    write(folder, *records)
    path = write_report(folder)
    assert path == folder / "report.html"
    return Seen(path.read_text(encoding="utf-8"))


def thumbnail(page: Seen, index: int = 0) -> Image.Image:
    source = page.all("img")[index]["src"] or ""
    head, _, data = source.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(BytesIO(b64decode(data)))


def test_a_folder_without_a_ledger_is_named(tmp_path):
    with pytest.raises(ZooError, match=r"ledger\.jsonl: no such file"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_ledger_leaves_the_report_that_was_there(tmp_path):
    (tmp_path / "report.html").write_text("of before")
    (tmp_path / "ledger.jsonl").write_text("{}\n")
    with pytest.raises(ZooError, match="line 1"):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == "of before"


def test_a_template_that_fails_leaves_no_halves(tmp_path, monkeypatch):
    def fail(*_: Any) -> None:
        raise OSError("no space left")

    write(tmp_path, line())
    monkeypatch.setattr(report, "_with_thumbnail", fail)
    with pytest.raises(OSError, match="no space"):
        write_report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.jsonl"]


def test_an_empty_ledger_has_a_report(tmp_path):
    assert "0 pictures of 0 addresses" in seen(tmp_path).words


def test_it_tells_what_was_collected_and_when(tmp_path):
    page = seen(
        tmp_path / "harbours",
        line(0, label="cat", license="CC0", creator="Ada", split="train", time="2026-02-03T04:05:06+00:00"),
        line(1, label="cat", split="val", type="png", time="2026-02-04T05:06:07+00:00"),
        failure(0, label="dog", final_url="https://elsewhere.example/x"),
        line(2, status="duplicate", of="0.jpg", file=None),
    )
    assert "harbours 2 pictures of 4 addresses, 2.0 kB" in page.words
    assert "Collected 2026-02-03 04:05 to 2026-02-04 05:06 UTC" in page.words
    assert "Outcome saved 2 duplicate 1 failed 1" in page.words
    assert "Split train 1 val 1" in page.words
    assert "Type jpeg 1 png 1" in page.words
    assert "Label name addresses pictures cat 2 2 dog 1 0 no label 1 0" in page.words
    assert "Licence name addresses pictures unknown 3 1 CC0 1 1" in page.words
    assert "Host name addresses pictures example.org 3 2 elsewhere.example 1 0" in page.words
    assert "Licence CC0 Creator Ada From example.org" in page.words


def test_what_a_stranger_wrote_is_text(tmp_path):
    fields = ("url", "final_url", "label", "license", "creator", "page", "type", "split", "reason", "time")
    evil = dict.fromkeys(fields, EVIL)
    folder = tmp_path / "<b>&amp;"
    page = seen(folder, line(**evil), failure(**{**evil, "url": "https://example.org/" + EVIL}))
    assert not page.all("script")
    assert not page.all("b")
    allowed = {"href", "rel", "class", "id", "style", "scope", "lang", "charset", "content", "name", "http-equiv"}
    allowed |= {"aria-label", "aria-labelledby", "src", "width", "height", "loading", "decoding", "alt"}
    assert {name for _, attributes in page.elements for name in attributes} <= allowed
    assert "<script>alert(1)</script>" in page.words
    assert "{{ 7 * 7 }}" in page.words
    assert "&amp;{{" in page.words  # shown as it is written
    assert "\u202e" not in page.text  # would turn what follows it


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)//http://",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "//example.org/x",
        "\thttps://example.org/",
        "https://user:secret@example.org/x.jpg",
        "https://example.org/" + "x" * 3000,
        "",
    ],
)
def test_only_plain_addresses_of_the_web_are_links(tmp_path, url):
    page = seen(tmp_path, failure(url=url), line(url=url + "#", page=url))
    assert page.links == []
    assert "secret" not in page.text


def test_links_tell_their_target_nothing(tmp_path):
    page = seen(tmp_path, line(page="HTTP://example.org/a?b=1&c=2"), failure())
    assert page.links == ["HTTP://example.org/a?b=1&c=2", "https://example.org/gone/0"]
    assert {one.get("rel") for one in page.all("a") if "rel" in one} == {"noopener noreferrer nofollow"}


def test_the_page_may_load_and_run_nothing(tmp_path):
    picture(tmp_path / "0.jpg")
    page = seen(tmp_path, line(), failure())
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.elements}
    assert all(str(one["src"]).startswith("data:image/jpeg;base64,") for one in page.all("img"))
    style = (tmp_path / "report.html").read_text().partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_thumbnails_are_small_and_described(tmp_path):
    picture(tmp_path / "0.jpg", (900, 600))
    page = seen(tmp_path, line(label="red boat"))
    assert thumbnail(page).size == (128, 85)
    pixel = thumbnail(page).convert("RGB").getpixel((60, 40))
    assert np.allclose(pixel, (200, 30, 30), atol=6)
    assert page.all("img")[0]["alt"] == "red boat, from example.org"
    assert page.all("img")[0]["loading"] == "lazy"


@pytest.mark.parametrize(
    ("name", "mode", "color", "expected"),
    [
        ("0.png", "RGBA", (0, 0, 0, 0), (255, 255, 255)),  # nothing there is white paper
        ("0.png", "P", 7, None),
        ("0.png", "1", 1, (255, 255, 255)),
        ("0.png", "LA", (90, 255), (90, 90, 90)),
        ("0.png", "I;16", 40000, None),
        ("0.tif", "F", 0.5, None),
        ("0.tif", "CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("0.bmp", "L", 90, (90, 90, 90)),
        ("0.webp", "RGB", (10, 200, 10), (10, 200, 10)),
    ],
)
def test_every_type_and_mode_has_a_thumbnail(tmp_path, name, mode, color, expected):
    picture(tmp_path / name, color=color, mode=mode)
    found = thumbnail(seen(tmp_path, line(file=name)))
    assert found.size == (64, 48)
    if expected is not None:
        assert np.allclose(found.convert("RGB").getpixel((30, 20)), expected, atol=8)


def test_sixteen_bits_are_not_all_white(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "0.png")
    found = np.asarray(thumbnail(seen(tmp_path, line(file="0.png"))).convert("L")).astype(int)
    assert found[0].mean() < 20
    assert found[-1].mean() > 235


def test_thumbnails_stand_upright_and_carry_nothing_of_the_file(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    picture(tmp_path / "0.jpg", (64, 32), exif=exif, comment=b"where I live", icc_profile=b"where I live")
    found = thumbnail(seen(tmp_path, line()))
    assert found.size == (32, 64)
    assert not found.getexif()
    assert not {"comment", "icc_profile", "exif"} & set(found.info)


@pytest.mark.parametrize(
    "file",
    ["../secret.png", "{outside}", "link/secret.png", "link.png", "train/../../secret.png", "pipe", "a\0b", "x" * 5000],
)
def test_nothing_outside_the_folder_is_read(tmp_path, file):
    outside, folder = tmp_path / "secret.png", tmp_path / "collection"
    picture(outside)
    (folder / "train").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    (folder / "link.png").symlink_to(outside)
    os.mkfifo(folder / "pipe")  # which would be waited for
    page = seen(folder, line(file=file.format(outside=outside)))
    assert page.all("img") == []
    assert "not in the folder" in page.words


def test_links_in_a_circle_are_no_picture(tmp_path):
    (tmp_path / "0.jpg").symlink_to(tmp_path / "0.jpg")
    assert "not in the folder" in seen(tmp_path, line()).words


def test_pictures_that_are_gone_or_damaged_are_shown_as_such(tmp_path):
    picture(tmp_path / "0.jpg")
    picture(tmp_path / "1.jpg", (400, 400))
    (tmp_path / "1.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:700])
    (tmp_path / "2.jpg").write_bytes(b"")
    (tmp_path / "3.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    picture(tmp_path / "4.jpg", format="GIF", mode="L", color=9)  # no format that is collected
    page = seen(tmp_path, *map(line, range(6)))
    assert len(page.all("img")) == 1
    assert page.words.count("damaged") == 4
    assert page.words.count("not in the folder") == 1
    assert "6 of 6 shown" in page.words


def test_bombs_are_not_decoded(tmp_path, recwarn):
    side = 12_000  # 18 MB of bits that a few kB unpack to; and more than Pillow warns of
    assert side * side > Options().max_pixels
    picture(tmp_path / "0.png", (side, side), 1, "1")
    tracemalloc.start()
    page = seen(tmp_path, line(file="0.png"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "too large to show" in page.words
    assert peak < 8 << 20
    assert not recwarn.list


def test_thumbnails_and_failures_are_drawn_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "THUMBNAILS", 4)
    monkeypatch.setattr(report, "ROWS", 2)
    picture(tmp_path / "0.jpg")
    records = [line(number, file="0.jpg", label=f"n{number}") for number in range(10)]
    page = seen(tmp_path, *records, *map(failure, range(1000, 2234)))
    assert [one["alt"] for one in page.all("img")] == [f"n{n}, from example.org" for n in (0, 2, 5, 7)]
    assert "4 of 10 shown, evenly drawn" in page.words
    assert "2 of 1,234 shown, evenly drawn" in page.words
    assert [link for link in page.links if "gone" in str(link)] == [failure(1000)["url"], failure(1617)["url"]]


def test_reasons_are_counted_whatever_their_figures(tmp_path):
    reasons = [
        "12x9 pixels, a side below 32",
        "9x12 pixels, a side below 32",
        "HTTP 404 Not Found",
        "HTTP 410 Gone",
        "10.0.0.1 is not a public address",
        "10.0.0.2 is not a public address",
        "HTTP 404 Not Found; thumbnail: 3x3 pixels, a side below 32",
    ]
    page = seen(tmp_path, *(failure(number, reason=reason) for number, reason in enumerate(reasons)))
    assert "… is not a public address 2 … pixels, a side below 32 2 HTTP 404 Not Found 1" in page.words
    assert "HTTP 404 Not Found; thumbnail: … pixels, a side below 32 1 HTTP 410 Gone 1" in page.words
    assert "failed 9x12 pixels, a side below 32" in page.words  # the row itself tells all


def test_long_tables_end_in_all_others(tmp_path):
    labels = [line(number, label=f"n{number:03}") for number in range(60)]
    page = seen(tmp_path, *labels, line(99, label="n007"))
    assert "pictures n007 2 2 n000 1 1" in page.words
    assert "n049 1 1 all others 10 10" in page.words


def test_more_names_than_can_be_told_apart_take_no_more_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "DIFFERENT", 3)
    page = seen(tmp_path, *(line(number, license=f"l{number}") for number in range(8)))
    assert "l0 1 1 l1 1 1 l2 1 1 all others 5 5" in page.words


@pytest.mark.parametrize(
    "value", [None, 7, [1], {"a": 1}, True, 10**40, -1, 1e300, [[], {}], ["a", 3], [10**40, 3], "\ud800"]
)
def test_whatever_an_edited_ledger_holds_there_is_a_report(tmp_path, value):
    names = ("label", "license", "creator", "page", "type", "split", "size", "bytes", "time", "final_url", "reason")
    page = seen(tmp_path, line(**dict.fromkeys(names, value)), failure(**dict.fromkeys(names, value)))
    assert "1 picture of 2 addresses" in page.words


@pytest.mark.parametrize(
    "url", ["http://[", "http://[::1", "http://a]b/", "http://\udcff/", "\0", "http://xn--/", "http://a:b"]
)
def test_addresses_that_are_none_are_shown(tmp_path, url):
    assert "failed" in seen(tmp_path, failure(url=url, final_url=url), line(url=url + "?1", final_url=url)).words


def test_a_long_text_is_cut(tmp_path):
    page = seen(tmp_path, line(label="x" * 10_000), failure(reason="y" * 10_000))
    assert len(page.words) < 2500
    assert "x…" in page.words


def test_memory_does_not_grow_with_the_ledger(tmp_path):
    """What is shown of 20,000 addresses is kept, and 9 bytes of each."""
    write(tmp_path, *(failure(number, reason="z" * 190, label=f"l{number}") for number in range(20_000)))
    size = (tmp_path / "ledger.jsonl").stat().st_size
    tracemalloc.start()
    write_report(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size
