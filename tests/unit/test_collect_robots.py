import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType

import pytest

from loopback import Answer, Cut, Loopback, Request, Status
from zoo.collect import hosts as module
from zoo.collect.fetch import Client, parse
from zoo.collect.hosts import Host, Hosts
from zoo.collect.options import Options
from zoo.collect.robots import MAX_BYTES, Rules, read_rules

SITE = "https://example.org"


class Site(Loopback):
    """Has a robots.txt and nothing else."""

    robots: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012

    def answer(self, request: Request) -> Answer:
        return Answer(200, self.headers, self.robots)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF", 0.01)


def read(site: Loopback, retries: int = 3, **options: object) -> tuple[Host, float]:
    """The host after its rules were asked for, and when it may be asked again, in seconds."""

    async def ask() -> tuple[Host, float]:
        given = replace(Options(allow_private=True, delay=0), **options)
        hosts = Hosts(given)
        with hosts.of(parse(site.endpoint)) as host:
            async with Client(given) as client:
                await read_rules(client, hosts, host, retries)
            return host, host.next_time - module.now()

    return asyncio.run(ask())


# rules


@pytest.mark.parametrize(
    ("rules", "allowed", "forbidden"),
    [
        ("", ["/", "/a"], []),
        ("User-agent: *\nDisallow:", ["/", "/a"], []),
        ("User-agent: *\nDisallow: /", [], ["/", "/a.jpg"]),
        ("User-agent: *\nDisallow: /private", ["/a", "/Private"], ["/private", "/private/a", "/privateer"]),
        ("User-agent: *\nDisallow: /*.gif$", ["/a.gif?x", "/a.jpg"], ["/a.gif", "/b/a.gif"]),
        ("User-agent: *\nDisallow: /a/*/b", ["/a/b"], ["/a/x/b", "/a/x/y/b/c"]),
        ("User-agent: *\nDisallow: /a\nAllow: /a/public", ["/a/public/x"], ["/a/x"]),
        ("User-agent: *\nAllow: /a\nDisallow: /a", ["/a"], []),  # as long a rule: what allows wins
        ("user-AGENT: *\r\ndisallow: /a # there\r\n", ["/b"], ["/a"]),
        ("\nUser-agent: other\nDisallow: /\n", ["/a"], []),
        ("User-agent: other\nUser-agent: *\nDisallow: /a\n", ["/b"], ["/a"]),
        ("Disallow: /a", ["/a"], []),  # for nobody
        ("User-agent: *\nDisallow: /%7Eme\nDisallow: /caf%C3%A9", ["/me"], ["/~me/a", "/café"]),
        ("User-agent: *\nDisallow: /*?session", ["/a?b"], ["/a?session=1"]),
        ("<html>User-agent: *\nDisallow: /</html>", ["/a"], []),
        ("\0\0\0", ["/a"], []),
    ],
)
def test_rules_are_read_by_the_standard(rules, allowed, forbidden):
    found = Rules(rules)
    assert [path for path in allowed if not found.allow(SITE + path)] == []
    assert [path for path in forbidden if found.allow(SITE + path)] == []


@pytest.mark.parametrize("name", ["lightning-zoo", "Lightning-Zoo"])
def test_rules_of_our_own_go_before_those_of_all(name):
    own = Rules(f"User-agent: *\nDisallow: /\nCrawl-delay: 9\n\nUser-agent: {name}\nDisallow: /x\nCrawl-delay: 2\n")
    assert own.allow(f"{SITE}/a")
    assert not own.allow(f"{SITE}/x")
    assert own.delay == 2
    assert not Rules(f"User-agent: *\nAllow: /\n\nUser-agent: {name}\nDisallow: /\n").allow(f"{SITE}/a")


@pytest.mark.parametrize(
    ("delay", "expected"),
    [("3", 3), ("0.5", 0.5), ("5 # s", 5), ("-1", 0), ("nan", 0), ("inf", 0), ("1e400", 0), ("x", 0), ("", 0)],
)
def test_a_crawl_delay_is_seconds(delay, expected):
    assert Rules(f"User-agent: *\nCrawl-delay: {delay}\n").delay == expected


def calls(work: Callable[[int], bool], size: int) -> int:
    """How many functions are called, in Python and in C."""
    found = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal found
        found += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        assert work(size)
    finally:
        sys.setprofile(None)
    return found


def test_rules_made_to_be_slow_are_not():
    """The work grows with the rules and no faster; a search that tries every split of the stars would never end."""

    def stars(size: int) -> bool:
        return Rules("User-agent: *\nDisallow: /" + "*a" * size + "b$\n").allow(f"{SITE}/" + "a" * 10 * size)

    def many(size: int) -> bool:
        rules = Rules("User-agent: *\n" + "".join(f"Disallow: /{number}/*/x\n" for number in range(size)))
        return not rules.allow(f"{SITE}/{size - 1}/a/x")

    assert calls(stars, 400) < 3 * calls(stars, 200)
    assert calls(many, 4000) < 3 * calls(many, 2000)


# asking


def test_rules_are_read_from_the_root_of_the_host(site):
    site.robots = b"\xef\xbb\xbfUser-agent: *\nDisallow: /x\nCrawl-delay: 4"
    host, wait = read(site)
    assert [request.path for request in site.requests] == ["/robots.txt"]
    assert site.requests[0].headers["User-Agent"].startswith("lightning-zoo/")
    assert host.allows is not None
    assert not host.allows(f"{site.endpoint}/x")
    assert host.interval == 4
    assert wait == pytest.approx(4, abs=1)  # and not only from the second request on


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 451])
def test_a_host_without_rules_allows_all(site, code):
    site.fault("GET", "/robots.txt", Status(code))
    host, _ = read(site)
    assert host.allows is not None
    assert host.allows(f"{site.endpoint}/a")
    assert host.closed is None


@pytest.mark.parametrize("code", [500, 502, 503, 504, 429])
def test_a_host_whose_rules_cannot_be_read_is_asked_again(site, code):
    site.robots = b"User-agent: *\nDisallow: /"
    site.fault("GET", "/robots.txt", Status(code), times=2)
    host, _ = read(site, retries=2)
    assert host.allows is not None
    assert not host.allows(f"{site.endpoint}/a")
    assert host.closed is None
    assert len(site.requests) == 3


def test_a_host_that_keeps_failing_is_closed(site):
    site.fault("GET", "/robots.txt", Status(500), times=9)
    host, _ = read(site, retries=2)
    assert host.allows is None
    assert host.closed == ("robots.txt: HTTP 500 Internal Server Error", "failed")
    assert len(site.requests) == 3


def test_a_host_that_comes_back_is_read(site):
    site.robots = b"User-agent: *\nDisallow: /"
    site.fault("GET", "/robots.txt", Status(503, {"Retry-After": "0"}))
    site.fault("GET", "/robots.txt", Cut(5))
    host, _ = read(site)
    assert host.closed is None
    assert host.allows is not None
    assert not host.allows(f"{site.endpoint}/a")


def test_a_host_that_asks_to_wait_is_held(site, monkeypatch):
    held = []
    monkeypatch.setattr(Host, "hold", lambda host, wait: held.append(wait))
    site.fault("GET", "/robots.txt", Status(503, {"Retry-After": "50"}))
    host, _ = read(site)
    assert host.allows is not None
    assert 50 in held


def test_a_host_that_asks_to_wait_too_long_is_closed(site):
    site.fault("GET", "/robots.txt", Status(503, {"Retry-After": "5000"}))
    host, _ = read(site)
    assert host.closed is not None
    assert host.closed[1] == "failed"


def test_rules_may_be_elsewhere(site):
    with Site() as other:
        other.robots = b"User-agent: *\nDisallow: /x"
        site.fault("GET", "/robots.txt", Status(301, {"Location": f"{other.endpoint}/rules"}))
        host, _ = read(site)
        assert [request.path for request in other.requests] == ["/rules"]
    assert host.allows is not None
    assert not host.allows(f"{site.endpoint}/x")


def test_rules_that_lead_in_a_circle_are_none(site):
    site.fault("GET", "/robots.txt", Status(302, {"Location": "/robots.txt"}), times=99)
    host, _ = read(site)
    assert host.allows is not None
    assert host.allows(f"{site.endpoint}/a")
    assert len(site.requests) == 5  # redirects that RFC 9309 wants followed


def test_rules_that_lead_into_a_private_network_are_not_followed(site):
    site.fault("GET", "/robots.txt", Status(302, {"Location": "file:///etc/passwd"}))
    host, _ = read(site)
    assert host.closed is not None
    assert host.closed[1] == "blocked"


def test_a_host_in_a_private_network_is_closed_and_not_asked(site):
    host, _ = read(site, allow_private=False)
    assert host.closed is not None
    assert host.closed[1] == "blocked"
    assert "not a public address" in host.closed[0]
    assert site.requests == []


def test_a_host_that_is_not_there_is_closed_after_the_retries():
    with Site() as gone:
        pass
    host, _ = read(gone, retries=1)
    assert host.closed is not None
    assert host.closed[1] == "failed"
    assert host.closed[0].startswith("no connection")


def test_a_large_file_is_read_as_far_as_the_standard_demands(site):
    end = b"\nDisallow: /late\n"
    site.robots = b"User-agent: *\nDisallow: /early\n" + b"# " + b"x" * MAX_BYTES + end
    host, _ = read(site)
    assert host.allows is not None
    assert not host.allows(f"{site.endpoint}/early")
    assert host.allows(f"{site.endpoint}/late")


def test_of_a_huge_file_the_beginning_holds(site):
    site.robots = b"User-agent: *\nDisallow: /early\n" + b"x" * (2 << 20)
    host, _ = read(site)
    assert host.closed is None
    assert host.allows is not None
    assert not host.allows(f"{site.endpoint}/early/1.jpg")
    assert host.allows(f"{site.endpoint}/late/1.jpg")


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 100, b"\xff\xfeU\0s\0", b"\x89PNG\r\n\x1a\n" + bytes(999), b""]
)
def test_what_is_no_text_has_no_rules(site, content):
    site.robots = content
    host, _ = read(site)
    assert host.allows is not None
    assert host.allows(f"{site.endpoint}/a")
