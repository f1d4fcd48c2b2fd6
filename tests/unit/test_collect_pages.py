import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address
from zoo.collect.options import SourceOptions
from zoo.collect.sources import open_source
from zoo.collect.sources.links import is_picture, largest, smallest
from zoo.collect.sources.markup import Markup

SITE = "https://example.org"
CHROME = "<!DOCTYPE html>\n<!-- saved from url=(0033)https://example.org/album/cats.html -->\n"
CATS = f"{SITE}/album/cats.html"


async def no_api(url: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
    raise AssertionError(f"a saved page asks nobody, and asked {url}")


def addresses(path: Path, text: str | bytes, **options: Any) -> list[Address]:
    """The addresses in a page with this text."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(open_source(SourceOptions(str(path), **options), no_api))


@pytest.fixture
def page(tmp_path) -> Path:
    return tmp_path / "cats.html"


# pages as browsers save them


def test_a_page_of_chrome_is_joined_to_where_it_was_saved_from(page):
    page.with_name("cats_files").mkdir()
    text = f"""{CHROME}<html><head><meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
    <link rel="canonical" href="{SITE}/other/"><meta property="og:image" content="/card.png"></head><body>
    <a href="{SITE}/full/1.jpg"><img src="./cats_files/1.jpg"></a>
    <a href="{SITE}/cat/2"><img src="./cats_files/2.jpg" srcset="../t/2-400.jpg 400w, ../t/2-800.jpg 800w"></a>
    <img src="./cats_files/logo.svg"><img src="data:image/png;base64,AA"><img src="../a%20cat.png#here">
    </body></html>"""
    assert addresses(page, text) == [
        Address(f"{SITE}/full/1.jpg", page=CATS),
        Address(f"{SITE}/t/2-800.jpg", f"{SITE}/t/2-400.jpg", page=f"{SITE}/cat/2"),
        Address(f"{SITE}/a%20cat.png", page=CATS),
        Address(f"{SITE}/card.png", page=CATS),
    ]


@pytest.mark.parametrize("folder", ["cats_files", "cats-Dateien", "renamed_files"])
def test_copies_in_the_folder_of_a_browser_are_no_addresses(page, folder):
    page.with_name(folder).mkdir()
    text = f'<a href="{SITE}/1.jpg"><img src="{folder}/1.jpg"></a><img src="{folder}/2.jpg" data-src="{SITE}/2.jpg">'
    assert [address.url for address in addresses(page, text, base=SITE)] == [f"{SITE}/1.jpg", f"{SITE}/2.jpg"]


def test_a_page_that_knows_only_copies_is_told_of(page):
    with pytest.raises(ZooError, match="only the copies of pictures that were saved with it"):
        addresses(page, CHROME + '<img src="cats_files/1.jpg">')


def test_a_folder_of_the_site_is_no_copy(page):
    assert addresses(page, '<img src="cats/1.jpg"><img src="cats-2/1.jpg">', base=CATS)[1].url == (
        f"{SITE}/album/cats-2/1.jpg"
    )


def test_mime_html_tells_its_address(tmp_path):
    text = f"""From: <Saved by Blink>
Snapshot-Content-Location: {CATS}
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary="--x"

----x
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable
Content-Location: {CATS}

<img src=3D"/1.jpg"><img src=3D"cid:2@mhtml"><img src=3D"https://example.org/=
2.jpg">
----x
Content-Type: image/jpeg
Content-Location: {SITE}/1.jpg

x
----x--
"""
    expected = [Address(f"{SITE}/1.jpg", page=CATS), Address(f"{SITE}/2.jpg", page=CATS)]
    assert addresses(tmp_path / "cats.mhtml", text) == expected
    for other in ("", "no MIME", "Content-Type: multipart/related; boundary=x\n\n--x\nContent-Type: image/png\n\nx"):
        with pytest.raises(ZooError, match="no page in it"):
            addresses(tmp_path / "other.mht", other)


def test_results_of_google_are_of_the_pictures_and_pages_that_they_link_to(page):
    link = f"/imgres?imgurl={quote(f'{SITE}/full/1.jpg?a=1&b=2', safe='')}&imgrefurl={quote(f'{SITE}/cat/1')}&h=9"
    thumbnail = "https://encrypted-tbn0.gstatic.com/images?q=tbn:"
    text = f"""<!-- saved from url=(0031)https://www.google.com/search?q=cats --><div>
    <a class="wXeWr" href="{html.escape(link)}"><div><img class="Q4LuWd" src="data:image/jpeg;base64,/9j"
       data-src="{thumbnail}1&amp;s" alt="a cat"></div></a>
    <a href="https://www.google.com/imgres?imgurl=javascript:x&amp;imgrefurl=y"><img data-src="{thumbnail}2"></a>"""
    assert addresses(page, text) == [
        Address(f"{SITE}/full/1.jpg?a=1&b=2", f"{thumbnail}1&s", page=f"{SITE}/cat/1"),
        Address(f"{thumbnail}2", page="https://www.google.com/imgres?imgurl=javascript:x&imgrefurl=y"),
    ]


def test_results_of_bing_are_of_the_pictures_and_pages_that_they_link_to(page):
    def result(number: int, attribute: str, link: str = "/images/search?view=detailV2") -> str:
        image = f'<img class="mimg" src="https://tse1.mm.bing.net/th?id=OIP.{number}&amp;w=42">'
        return f"<a class='iusc' m='{html.escape(attribute)}' href='{link}'><div class='img_cont'>{image}</div></a>"

    about = {"murl": f"{SITE}/1.jpg", "turl": "https://tse1.mm.bing.net/th?id=1", "purl": f"{SITE}/cat/1", "t": "cat"}
    link = f"/images/search?mediaurl={quote(f'{SITE}/2.png', safe='')}&amp;purl={quote(SITE, safe='')}"
    text = "<base href='https://www.bing.com/'>" + "".join(
        [result(1, json.dumps(about)), result(2, '{"murl": 7}', link), result(3, "{")]
    )
    assert addresses(page, text) == [
        Address(f"{SITE}/1.jpg", "https://tse1.mm.bing.net/th?id=1", page=f"{SITE}/cat/1"),
        Address(f"{SITE}/2.png", "https://tse1.mm.bing.net/th?id=OIP.2&w=42", page=SITE),
        Address("https://tse1.mm.bing.net/th?id=OIP.3&w=42", page="https://www.bing.com/images/search?view=detailV2"),
    ]


# which address of a picture


@pytest.mark.parametrize(
    ("markup", "url", "thumbnail"),
    [
        ('<a href="/b.JPG"><img src="/s.jpg"></a>', "/b.JPG", "/s.jpg"),
        ('<a href="/b.webp"><img srcset="/m.jpg 2x, /s.jpg 1x"></a>', "/b.webp", "/s.jpg"),
        ('<img src="/s.jpg" data-full-src="/b">', "/b", "/s.jpg"),
        ('<img src="/s.jpg" data-large_image="/m.jpg" data-zoom-image="/b.jpg">', "/b.jpg", "/s.jpg"),
        (
            '<img src="/s.jpg" data-large-file="/m.jpg" data-orig-file="/b.jpg" data-orig-size="9,9">',
            "/b.jpg",
            "/s.jpg",
        ),
        ('<img src="/s.jpg" data-full="true" data-original-title="b.jpg">', "/s.jpg", None),
        ('<img src="/s.jpg" srcset="/a,b,c.jpg 100w,/b,1.jpg 200.5w , /c.jpg 50w">', "/b,1.jpg", "/s.jpg"),
        ('<img src="/s.jpg" data-srcset="/s.jpg, /b.jpg 1.5x">', "/b.jpg", "/s.jpg"),
        ('<img src="/s.jpg" data-src="/b.jpg">', "/b.jpg", "/s.jpg"),
        ('<img src="/s.jpg" data-lazy-src="/b.jpg">', "/b.jpg", "/s.jpg"),
        ('<picture><source srcset="/b.avif 9w"><source srcset="/b 9w"><img src="/s.jpg"></picture>', "/b", "/s.jpg"),
        ('<picture><source srcset="/s.webp 1x, /b.webp 3x"></picture>', "/b.webp", "/s.webp"),
        ('<input type=IMAGE src="/b.jpg"><input type=text src="/no.jpg">', "/b.jpg", None),
        ('<video poster="/b.jpg" src="/film.mp4"><source src="/film.webm"></video>', "/b.jpg", None),
        ('<a href="/b.jpg">a cat</a><a href="/page">no cat</a>', "/b.jpg", None),
        ('<meta property="og:image" content="/b.jpg">', "/b.jpg", None),
        ('<link rel="image_src stylesheet" href="/b.jpg">', "/b.jpg", None),
        ("<IMG SRC=/b.jpg", None, None),
        ("<img src=/b.jpg/>", "/b.jpg/", None),
        ('<img src=" /b\n.jpg\t">', "/b.jpg", None),
        ('<a href="/b.jpg"><img src="/s.jpg"><img src="/magnifier.png"></a>', "/b.jpg", "/s.jpg"),
        ('<svg><![CDATA[ x ]]></svg><![if IE]><![what<![endif]><img src="/b.jpg">', "/b.jpg", None),
        ('<noscript><img src="/b.jpg"></noscript><script>"<img src=/no.jpg>"</script>', "/b.jpg", None),
    ],
)
def test_the_largest_comes_first(page, markup, url, thumbnail):
    expected = [Address(SITE + url, thumbnail and SITE + thumbnail, page=CATS)] if url else []
    assert addresses(page, CHROME + markup) == expected


def test_the_address_in_a_link_that_carries_it_comes_first(page):
    for name in ("imgurl", "mediaURL", "image_url"):
        text = f'{CHROME}<a href="/view?x=1&amp;{name}={quote(f"{SITE}/b?c=d", safe="")}"><img src="/s.jpg"></a>'
        assert [address.url for address in addresses(page, text)] == [f"{SITE}/b?c=d"]


def test_the_page_of_a_picture_is_what_it_links_to(page):
    text = f"""{CHROME}<a href="/wiki/File:Cat.jpg"><img src="/1.jpg"></a><a href="#top"><img src="/2.jpg"></a>
    <a href="javascript:open()"><img src="/3.jpg"></a><a href="http://["><img src="/4.jpg"></a>"""
    pages_of = [address.page for address in addresses(page, text)]
    assert pages_of == [f"{SITE}/wiki/File:Cat.jpg", CATS, CATS, CATS]


def test_no_address_comes_twice(page):
    text = (
        CHROME
        + '<img src="/1.jpg"><a href="/1.jpg">x</a><img src="/1.jpg#x"><meta property="og:image" content="/1.jpg">'
    )
    assert addresses(page, text) == [Address(f"{SITE}/1.jpg", page=CATS)]


def test_a_blank_that_stands_for_several_pictures_is_no_thumbnail(page):
    text = CHROME + "".join(f'<img src="/blank.gif" data-src="/{number}.jpg">' for number in range(3))
    assert addresses(page, text) == [Address(f"{SITE}/{number}.jpg", page=CATS) for number in range(3)]


def test_srcsets_are_read_as_browsers_read_them():
    assert largest([""]) == smallest([" , ,"]) == []
    assert largest(["a.jpg,b.jpg"]) == ["a.jpg,b.jpg"]
    assert largest(["a.jpg, b.jpg 2x,,c.jpg,"]) == ["b.jpg"]
    assert largest(["data:image/png;base64,AA 1x, a.jpg 2x"]) == ["a.jpg"]
    assert smallest(["a.jpg 9w 7h, b.jpg 8w 3h"]) == ["b.jpg"]


@pytest.mark.parametrize("address", ["http://[", "", "/cat", "/Datei:cat.jpg", "/jpg", "/a.jpg/b", "?a.jpg"])
def test_other_links_are_no_pictures(address):
    assert not is_picture(address)


# where relative addresses lead


@pytest.mark.parametrize(
    ("head", "base", "url"),
    [
        (f'{CHROME}<base href="{SITE}/base/"><link rel=canonical href="{SITE}/c/">', f"{SITE}/by/hand", "/by/1.jpg"),
        (f'{CHROME}<base href="{SITE}/base/"><link rel=canonical href="{SITE}/c/">', None, "/base/1.jpg"),
        (f'{CHROME}<base href="within/"><link rel=canonical href="{SITE}/c/">', None, "/album/within/1.jpg"),
        (f'{CHROME}<link rel=canonical href="{SITE}/c/">', None, "/album/1.jpg"),
        (f'<meta property=og:url content="{SITE}/g/"><link rel=canonical href="{SITE}/c/">', None, "/c/1.jpg"),
        (f'<meta property=og:url content="{SITE}/g/"><link rel=canonical href="/c/">', None, "/g/1.jpg"),
        (f'<!-- saved from url=(0014)about:internet --><meta property=og:url content="{SITE}/g/">', None, "/g/1.jpg"),
    ],
)
def test_relative_addresses_are_joined_to_what_is_surest(page, head, base, url):
    assert [address.url for address in addresses(page, f"{head}<img src=1.jpg>", base=base)] == [SITE + url]


def test_without_a_base_relative_addresses_are_skipped(page):
    text = f'<img src="1.jpg"><img src="{SITE}/2.jpg"><a href="/cat/3"><img src="//example.org/3.jpg"></a>'
    assert addresses(page, text) == [Address(f"{SITE}/2.jpg"), Address(f"{SITE}/3.jpg")]
    with pytest.raises(ZooError, match=r"cats\.html: its pictures have relative addresses; give .* --base URL"):
        addresses(page, '<img src="1.jpg">')


@pytest.mark.parametrize("base", ["example.org", "file:///x", "", "http://["])
def test_a_base_that_is_no_address_is_refused(page, base):
    with pytest.raises(ZooError, match="not a web address"):
        addresses(page, "", base=base)


# the file


def test_a_page_without_pictures_has_no_addresses(page):
    assert addresses(page, "<p>no cats") == []


@pytest.mark.parametrize(
    ("encoding", "mark", "declared"),
    [
        ("utf-8", b"", ""),
        ("utf-8-sig", b"", "windows-1251"),
        ("utf-16-le", b"\xff\xfe", "utf-8"),
        ("windows-1251", b"", "windows-1251"),
        ("shift_jis", b"", "Shift_JIS"),
        ("utf-8", b"", "utf-16"),
        ("utf-8", b"", "rot13"),
        ("utf-8", b"", "punycode"),
        ("utf-8", b"", "no-such"),
    ],
)
def test_a_page_is_read_in_its_encoding(page, encoding, mark, declared):
    head = f'<meta name=x content=y><meta charset="{declared}">' if declared else ""
    text = mark + f'{head}<img src="{SITE}/кот.jpg">'.encode(encoding)
    assert [address.url for address in addresses(page, text)] == [f"{SITE}/кот.jpg"]


def test_what_is_no_utf_8_is_replaced(page):
    assert [address.url for address in addresses(page, b"<img src=https://example.org/\xe9.jpg>")] == [
        f"{SITE}/\ufffd.jpg"
    ]


def test_a_page_that_is_too_large_is_refused(page):
    with page.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(ZooError, match="more than 64 MiB"):
        list(open_source(SourceOptions(str(page)), no_api))


@pytest.mark.parametrize("bit", ["<!--", "<a ", "<![", "</", "<a b='", "<script></s", "<img srcset='a 1x,", "<?", "&#"])
@pytest.mark.parametrize("end", ["", ">"])
def test_broken_pages_take_no_longer_than_whole_ones(page, bit, end, monkeypatch):
    """The end of what is never closed is looked for once, and not again for each bit of it."""
    ends: list[int] = []
    for name in ("starttag", "endtag", "comment", "pi", "html_declaration", "bogus_comment"):
        parse = getattr(Markup, f"parse_{name}")
        monkeypatch.setattr(Markup, f"parse_{name}", lambda *given, parse=parse: ends.append(parse(*given)) or ends[-1])
    addresses(page, CHROME + bit * 10_000 + end)
    assert sum(found < 0 for found in ends) <= 2
    assert len(ends) <= 2 * 10_000 + 10


BITS = ["<", ">", "</", "<a ", "<img ", "<picture>", "<source ", "<base ", "<meta ", "<!--", "-->", "<![", "]]>", "<!"]
BITS += [
    "<script>",
    "</a>",
    "</picture>",
    "</script>",
    "'",
    '"',
    "=",
    " ",
    "/",
    "href=",
    "src=",
    "srcset=",
    "m={",
    "x.jpg",
]
BITS += [
    "http://[",
    "https://x.org/",
    "property=og:image ",
    "content=",
    "?imgurl=",
    "%",
    "&#xD800;",
    "\0",
    "://",
    ":99999",
]
BITS += [
    "saved from url=(1)",
    "rel=canonical ",
    "<link ",
    "data-full=",
    '"murl":',
    "{[",
    "\udcff",
    "//",
    "1w,",
    ",",
    "\n",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(BITS) | st.text(max_size=5), max_size=40).map("".join))
def test_broken_pages_never_crash(page, text):
    for name in ("cats.html", "cats.mht"):
        try:
            found = addresses(page.with_name(name), text.encode("utf-8", "replace"))
        except ZooError:
            continue
        assert all(address.url.startswith(("http://", "https://")) for address in found)
