import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.base.errors import ZooError
from zoo.collect.addresses import Address, Page
from zoo.collect.options import SourceOptions
from zoo.collect.sources import open_source
from zoo.collect.sources.catalogue import Catalogue

FILES = "https://upload.wikimedia.org/wikipedia/commons"
MANY = 50  # questions, after which a test gives up


class Asked:
    """A catalogue: the answers that a function gives, and what it was asked."""

    def __init__(self, answer: Callable[[Mapping[str, str]], Any]) -> None:
        self.answer = answer
        self.urls: list[str] = []
        self.parameters: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, url: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
        assert len(self.urls) < MANY, "asks for ever"
        assert all(isinstance(value, str) for value in parameters.values())
        self.urls.append(url)
        self.parameters.append(dict(parameters))
        self.headers.append(dict(headers or {}))
        return json.loads(json.dumps(self.answer(parameters)))


def pages(text: str, api: Asked, start: Any = None, **options: Any) -> list[Page]:
    async def read() -> list[Page]:
        catalogue = open_source(SourceOptions(text, **options), api)
        assert isinstance(catalogue, Catalogue)
        return [page async for page in catalogue.pages(start)]

    return asyncio.run(read())


def urls(read: list[Page]) -> list[str]:
    return [address.url for page in read for address in page.addresses]


@pytest.fixture(autouse=True)
def _without_token(monkeypatch):
    monkeypatch.delenv("OPENVERSE_TOKEN", raising=False)


# Openverse


def result(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "title": "A bicycle",
        "url": f"https://live.staticflickr.com/{number}_b.jpg",
        "thumbnail": f"https://api.openverse.org/v1/images/{number}/thumb/",
        "foreign_landing_url": f"https://www.flickr.com/photos/{number}",
        "creator": "A. Cyclist",
        "license": "by-sa",
        "license_version": "2.0",
        "source": "flickr",
        **more,
    }


def openverse(count: int, size: int = 2) -> Asked:
    """Has so many pages, and refuses whoever asks for more."""

    def answer(parameters: Mapping[str, str]) -> Any:
        page = int(parameters["page"])
        assert 1 <= page <= count
        results = [result(page * size + number) for number in range(size)]
        return {"result_count": 240, "page_count": count, "page_size": size, "page": page, "results": results}

    return Asked(answer)


def test_openverse_is_asked_page_by_page_up_to_the_last():
    api = openverse(3)
    read = pages("openverse: red bicycle ", api)
    assert [(len(page.addresses), page.next) for page in read] == [(2, 2), (2, 3), (2, None)]
    assert read[0].addresses[0] == Address(
        "https://live.staticflickr.com/2_b.jpg",
        thumbnail="https://api.openverse.org/v1/images/2/thumb/",
        license="CC BY-SA 2.0",
        page="https://www.flickr.com/photos/2",
        creator="A. Cyclist",
    )
    assert set(api.urls) == {"https://api.openverse.org/v1/images/"}
    assert api.parameters[0] == {"q": "red bicycle", "page": "1", "page_size": "20", "mature": "false"}
    assert api.headers == [{}] * 3


def test_openverse_goes_on_where_it_was_left():
    api = openverse(3)
    assert [page.next for page in pages("openverse:cats", api, 2)] == [3, None]
    assert [asked["page"] for asked in api.parameters] == ["2", "3"]


def test_a_token_gets_larger_pages(monkeypatch):
    monkeypatch.setenv("OPENVERSE_TOKEN", " abc\n")
    api = openverse(1)
    pages("Openverse:cats", api)
    assert api.headers == [{"Authorization": "Bearer abc"}]
    assert api.parameters[0]["page_size"] == "48"
    api = openverse(1)
    pages("Openverse:cats", api, endpoint="http://127.0.0.1:1/v1")
    assert api.urls == ["http://127.0.0.1:1/v1/images/"]
    assert "Authorization" not in (api.headers[0] or {})  # it belongs to the service


@pytest.mark.parametrize("token", ["a\nb", "ä"])
def test_what_is_no_token_is_not_sent_and_not_shown(monkeypatch, token):
    monkeypatch.setenv("OPENVERSE_TOKEN", token)
    with pytest.raises(ZooError, match="OPENVERSE_TOKEN") as error:
        pages("openverse:cats", openverse(1))
    assert token not in str(error.value)


@pytest.mark.parametrize(
    ("code", "version", "name"),
    [
        ("by", "4.0", "CC BY 4.0"),
        ("BY-NC-ND", "2.5", "CC BY-NC-ND 2.5"),
        ("cc0", "1.0", "CC0 1.0"),
        ("pdm", "1.0", "PDM 1.0"),
        ("pdm", None, "PDM"),
        ("sampling+", "1.0", "CC Sampling+ 1.0"),
        ("house rules", None, "house rules"),
        (None, "1.0", None),
        (["by"], "1.0", None),
        ("by", 4.0, "CC BY"),
    ],
)
def test_licences_have_the_names_by_which_they_are_known(code, version, name):
    api = Asked(lambda _: {"page_count": 1, "results": [result(1, license=code, license_version=version)]})
    assert pages("openverse:cats", api)[0].addresses[0].license == name


def test_results_that_are_none_are_left_out():
    results = [None, 7, [], {}, {"url": 7}, {"url": "javascript:alert()"}, {"url": "http://["}]
    results += [{"url": "https://example.org/1.jpg", "thumbnail": {}, "creator": "<b>A</b> &amp; <i>B", "license": []}]
    api = Asked(lambda _: {"page_count": 1, "results": results})
    assert pages("openverse:cats", api) == [Page((Address("https://example.org/1.jpg", creator="A & B"),))]


@pytest.mark.parametrize(
    "answer", [[], None, "no", {}, {"results": None}, {"detail": "\x1b[2Jtoo deep", "results": {}}]
)
def test_what_is_no_answer_of_openverse_is_an_error(answer):
    with pytest.raises(ZooError, match="openverse: ") as error:
        pages("openverse:cats", Asked(lambda _: answer))
    assert "\x1b" not in str(error.value)


def test_what_an_api_says_is_passed_on():
    def refuse(_: Any) -> Any:
        raise ZooError("401")

    with pytest.raises(ZooError, match="401"):
        pages("openverse:cats", Asked(refuse))


# Commons


def file(number: int, **info: Any) -> dict[str, Any]:
    about = {
        "LicenseShortName": {"value": "CC BY-SA 4.0", "source": "commons-desc-page", "hidden": ""},
        "Artist": {"value": f'<a href="//commons.wikimedia.org/wiki/User:A"  title="User:A">A.&nbsp;Cat</a>, {number}'},
    }
    described = {
        "url": f"{FILES}/{number}.jpg",
        "thumburl": f"{FILES}/thumb/{number}.jpg/1024px.jpg",
        "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{number}.jpg",
        "mime": "image/jpeg",
        "extmetadata": about,
        **info,
    }
    return {"pageid": number, "ns": 6, "title": f"File:{number}.jpg", "index": number, "imageinfo": [described]}


def commons(*answers: list[dict[str, Any]]) -> Asked:
    """Gives these pages, each with what it takes to go on."""

    def answer(parameters: Mapping[str, str]) -> Any:
        number = int(parameters.get("gsroffset", "0")) // 50
        more = {"continue": {"gsroffset": (number + 1) * 50, "continue": "gsroffset||"}}
        query = {"query": {"pages": answers[number]}} if answers[number] else {}
        return {"batchcomplete": True, **(more if number + 1 < len(answers) else {}), **query}

    return Asked(answer)


def test_commons_is_asked_with_all_that_its_answers_want_back():
    api = commons([file(2), file(1)], [file(3)])
    read = pages("commons:red bicycle", api)
    place = {"gsroffset": 50, "continue": "gsroffset||"}
    assert [page.next for page in read] == [place, None]
    assert urls(read) == [f"{FILES}/{number}.jpg" for number in (1, 2, 3)]
    assert read[0].addresses[0] == Address(
        f"{FILES}/1.jpg",
        thumbnail=f"{FILES}/thumb/1.jpg/1024px.jpg",
        license="CC BY-SA 4.0",
        page="https://commons.wikimedia.org/wiki/File:1.jpg",
        creator="A. Cat, 1",
    )
    assert set(api.urls) == {"https://commons.wikimedia.org/w/api.php"}
    first, second = api.parameters
    assert first["gsrsearch"] == "filetype:bitmap red bicycle"
    assert (first["maxlag"], first["gsrnamespace"], first["formatversion"]) == ("5", "6", "2")
    assert second == {**first, "gsroffset": "50", "continue": "gsroffset||"}
    assert pages("commons:red bicycle", api, json.loads(json.dumps(place))) == read[1:]


def test_what_goes_on_does_not_change_the_question():
    api = commons([file(1)])
    pages("commons:cats", api, {"gsrsearch": "dogs", "action": "delete", "gsroffset": 0})
    assert (api.parameters[0]["gsrsearch"], api.parameters[0]["action"]) == ("filetype:bitmap cats", "query")


def test_files_that_are_no_pictures_are_left_out():
    entries = [file(1, mime="image/gif"), file(2, mime=None), file(3, mime=["image/png"]), file(4, mime="image/tiff")]
    entries += [{"imageinfo": []}, {"imageinfo": {}}, {}, file(5, url=None), file(6, mime="image/svg+xml")]
    assert urls(pages("commons:cats", commons(entries))) == [f"{FILES}/4.jpg"]


def test_what_commons_does_not_tell_is_none():
    entry = file(1, thumburl=f"{FILES}/1.jpg", descriptionurl=7, extmetadata=[])
    assert pages("commons:cats", commons([entry]))[0].addresses == (Address(f"{FILES}/1.jpg"),)


def test_older_wikis_are_understood():
    info = {"url": "/images/1.png", "mime": "image/png", "descriptionurl": "//wiki.example.org/File:1.png"}
    api = Asked(lambda _: {"query": {"pages": {"7": {"index": 1, "imageinfo": [info]}}}})
    read = pages("commons:cats", api, endpoint="https://wiki.example.org/api.php")
    assert read == [
        Page((Address("https://wiki.example.org/images/1.png", page="https://wiki.example.org/File:1.png"),))
    ]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (
            {"error": {"code": "maxlag", "info": "Waiting for <b>db1</b>: 7 seconds lagged."}},
            r"db1: 7 seconds.*\(maxlag\)",
        ),
        ({"error": "no"}, r"an error \(\?\)"),
        ({"error": {"code": ["\x1b"], "info": 7}}, "an error"),
        ({}, "not an answer of MediaWiki"),
        ({"results": []}, "not an answer of MediaWiki"),
        ([], "the answer is not an object"),
        ({"continue": ["x"]}, "not a place to resume at"),
        ({"continue": {"gsroffset": {}}}, "not a place to resume at"),
        ({"continue": {str(number): "x" for number in range(1000)}}, "not a place to resume at"),
    ],
)
def test_what_is_no_answer_of_commons_is_an_error(answer, complaint):
    with pytest.raises(ZooError, match=rf"commons: .*{complaint}") as error:
        pages("commons:cats", Asked(lambda _: answer))
    assert "\x1b" not in str(error.value)


# both


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("openverse:nothing", {"result_count": 0, "page_count": 0, "page_size": 20, "page": 1, "results": []}),
        ("commons:nothing", {"batchcomplete": True}),
    ],
)
def test_a_query_without_results_is_an_empty_page(text, answer):
    assert pages(text, Asked(lambda _: answer)) == [Page(())]


@pytest.mark.parametrize("name", ["openverse", "commons"])
def test_a_catalogue_that_repeats_itself_comes_to_an_end(name):
    numbers = iter(range(10**6))

    def answer(_: Any) -> Any:
        place = {"continue": {"gsroffset": next(numbers)}}
        return {"page_count": 10**9, "results": [result(1), result(1)], "query": {"pages": [file(1), file(1)]}, **place}

    api = Asked(answer)
    read = pages(f"{name}:cats", api)
    assert len(urls(read)) == 1
    assert len(api.urls) == 6  # five of them brought nothing new
    assert read[-1].next is None


def test_a_place_that_was_asked_for_is_not_asked_for_again():
    numbers = iter(range(10**6))
    api = Asked(lambda _: {"continue": {"gsroffset": 50}, "query": {"pages": [file(next(numbers))]}})
    assert [page.next for page in pages("commons:cats", api)] == [{"gsroffset": 50}, None]


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("openverse", 0),
        ("openverse", True),
        ("openverse", "2"),
        ("openverse", {"page": 2}),
        ("commons", 2),
        ("commons", ["x"]),
        ("commons", {"gsroffset": None}),
        ("commons", {"gsroffset": [1]}),
    ],
)
def test_a_place_of_another_source_is_refused(name, start):
    api = Asked(lambda _: {})
    with pytest.raises(ZooError, match=f"{name}: .* is not a place to resume at"):
        pages(f"{name}:cats", api, start)
    assert not api.urls


@pytest.mark.parametrize("name", ["openverse", "commons"])
@pytest.mark.parametrize("query", ["", "  "])
def test_an_empty_query_is_refused(name, query):
    with pytest.raises(ZooError, match=rf"{name}: the query is missing; write for example {name}:red bicycle"):
        pages(f"{name}:{query}", Asked(lambda _: {}))


def test_a_catalogue_that_is_none_is_named_with_the_nearest():
    with pytest.raises(ZooError, match=r"no catalogue 'flickr'\nthere are: commons, openverse"):
        pages("flickr:cats", Asked(lambda _: {}))
    with pytest.raises(ZooError, match=r"no catalogue 'openvers'; did you mean openverse\?"):
        pages("openvers:cats", Asked(lambda _: {}))


@pytest.mark.parametrize("endpoint", ["example.org/api.php", "file:///etc/passwd", "http://[", " "])
def test_an_endpoint_that_is_no_address_is_refused(endpoint):
    with pytest.raises(ZooError, match=r"--endpoint .*not a web address"):
        pages("commons:cats", Asked(lambda _: {}), endpoint=endpoint)


def test_options_of_other_sources_are_refused():
    for option in ({"columns": (("url", "a"),)}, {"base": "https://example.org"}):
        with pytest.raises(ZooError, match=r"commons: --\w+ is for"):
            pages("commons:cats", Asked(lambda _: {}), **option)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("https://x.org/<b>")
WRONG = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner))


@st.composite
def damaged(draw: st.DrawFn, answer: Any) -> Any:
    """The answer, but for one thing in it that is something else."""
    if isinstance(answer, dict | list) and answer and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(answer) if isinstance(answer, dict) else range(len(answer))))
        changed = answer.copy()
        changed[key] = draw(damaged(answer[key]))
        return changed
    return draw(WRONG)


RIGHT = {"openverse": {"page_count": 3, "detail": "x", "results": [result(1), result(2)]}}
RIGHT["commons"] = {"continue": {"gsroffset": 50, "continue": "-||"}, "query": {"pages": [file(1), file(2)]}}
REFUSED = {"error": {"code": "maxlag", "info": "Waiting"}}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(RIGHT)).flatmap(lambda name: st.tuples(st.just(name), damaged(RIGHT[name] | REFUSED))))
@example(("commons", RIGHT["commons"]))
def test_wrong_answers_never_crash_and_never_go_on_for_ever(case):
    name, answer = case
    if isinstance(answer, dict) and answer.get("error") == REFUSED["error"]:  # what was damaged is elsewhere
        answer = {key: value for key, value in answer.items() if key != "error"}
    try:
        read = pages(f"{name}:cats", Asked(lambda _: answer))
    except ZooError:
        return
    assert all(url.startswith(("http://", "https://")) for url in urls(read))
