import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from zoo.collect import frontier as module
from zoo.collect.addresses import Address
from zoo.collect.frontier import LONGEST_BACKOFF, SLOWEST, Frontier, Host, Job, backoff


class Clock:
    """Time that passes only when everybody waits: what is asked to wait moves it on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module, "set_or_over", self.set_or_over)
        monkeypatch.setattr(module.asyncio, "sleep", self.sleep)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)

    async def set_or_over(self, event: asyncio.Event, seconds: float | None) -> None:
        assert seconds is not None, "nothing would ever be ready"
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch)


def job(index: int) -> Job:
    url = f"https://example.org/{index}"
    return Job(index, Address(url), url)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await work()

    return asyncio.run(main())


class Skipping(selectors.DefaultSelector):
    """What a loop waits with: where nothing is there, the time of the next timer has come."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing would ever happen"
        self.now += max(0.0, timeout)
        return super().select(0)


def skip(work: Callable[[Callable[[], float]], Awaitable[Any]]) -> Any:
    """What comes of work that is given the clock of a loop in which no time is lost with waiting."""
    selector = Skipping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(work(loop.time))
    finally:
        loop.close()


async def requests(frontier: Frontier, clock: Clock, count: int, seconds: float = 0.0) -> list[tuple[str, int, float]]:
    """Host, job and time of each request; each takes no time, but for those seconds."""
    found = []
    for _ in range(count):
        host, taken = await frontier.next()
        found.append((host.name, taken.index, clock.now))
        frontier.start(host)
        clock.now += seconds
        frontier.end(host)
    return found


def test_a_host_is_asked_at_its_pace_and_at_odd_moments(clock):
    async def work() -> list[tuple[str, int, float]]:
        frontier = Frontier(2.0, 4, clock)
        host = frontier.host("a")
        for index in range(40):
            frontier.add(host, job(index))
        return await requests(frontier, clock, 40)

    times = [when for _, _, when in run(work)]
    pauses = [later - sooner for sooner, later in zip(times, times[1:])]  # noqa: B905, RUF007
    assert times[0] == 1000
    assert all(1.999 < pause < 3.001 for pause in pauses)
    assert max(pauses) - min(pauses) > 0.3


def test_jobs_of_a_host_go_in_their_order(clock):
    async def work() -> list[tuple[str, int, float]]:
        frontier = Frontier(0.1, 4, clock)
        for index in (3, 0, 2, 4, 1):
            frontier.add(frontier.host("a"), job(index))
        return await requests(frontier, clock, 5)

    assert [index for _, index, _ in run(work)] == [0, 1, 2, 3, 4]


def test_hosts_do_not_wait_for_each_other(clock):
    async def work() -> list[tuple[str, int, float]]:
        frontier = Frontier(5.0, 4, clock)
        for index in range(600):
            frontier.add(frontier.host(f"h{index % 200}"), job(index))
        return await requests(frontier, clock, 600)

    found = run(work)
    assert [when for _, _, when in found[:200]] == [1000] * 200
    assert {name for name, _, _ in found[:200]} == {f"h{number}" for number in range(200)}
    assert found[-1][2] < 1000 + 2 * 7.5 + 0.01
    for number in range(200):
        times = [when for name, _, when in found if name == f"h{number}"]
        assert all(later - sooner > 4.999 for sooner, later in zip(times, times[1:]))  # noqa: B905, RUF007


def test_no_more_than_so_many_requests_are_under_way_to_a_host(clock):
    async def work() -> None:
        frontier = Frontier(0.0, 3, clock)
        a, b = frontier.host("a"), frontier.host("b")
        for index in range(8):
            frontier.add(a, job(index))
        for _ in range(3):
            host, _ = await frontier.next()
            assert host is a
            frontier.start(host)
        frontier.add(b, job(100))
        host, taken = await frontier.next()
        assert (host, taken.index) == (b, 100)  # for a waits for one to end
        with pytest.raises(AssertionError, match="nothing would ever be ready"):
            await frontier.next()
        frontier.end(a)
        host, taken = await frontier.next()
        assert (host, taken.index) == (a, 3)

    run(work)


def test_a_host_on_hold_is_not_asked_and_others_are(clock):
    async def work() -> list[tuple[str, int, float]]:
        frontier = Frontier(0.0, 4, clock)
        a, b = frontier.host("a"), frontier.host("b")
        frontier.add(a, job(0))
        frontier.add(b, job(1))
        frontier.hold(a, 60)
        frontier.hold(a, 5)  # a shorter one takes nothing back
        return await requests(frontier, clock, 2)

    assert run(work) == [("b", 1, 1000), ("a", 0, 1060)]


def test_a_retry_waits_and_what_is_behind_it_goes_first(clock):
    async def work() -> list[tuple[str, int, float]]:
        frontier = Frontier(0.0, 4, clock)
        host = frontier.host("a")
        frontier.add(host, job(0), wait=10)
        frontier.add(host, job(1))
        frontier.add(host, job(2), wait=3)
        return await requests(frontier, clock, 3)

    assert run(work) == [("a", 1, 1000), ("a", 2, 1003), ("a", 0, 1010)]


def test_a_closed_host_gives_its_jobs_back_at_once(clock):
    async def work() -> list[int]:
        frontier = Frontier(30.0, 1, clock)
        host = frontier.host("a")
        for index in range(3):
            frontier.add(host, job(index), wait=100 if index else 0)
        await frontier.next()
        frontier.start(host)
        host.closed = ("failed", "no such host")
        frontier.end(host)
        return [(await frontier.next())[1].index for _ in range(2)]

    assert run(work) == [1, 2]
    assert clock.now == 1000


def test_nothing_goes_while_rules_are_read(clock):
    async def work() -> None:
        frontier = Frontier(0.0, 4, clock)
        host = frontier.host("a")
        frontier.add(host, job(0))
        frontier.add(host, job(1))
        await frontier.next()
        host.reading_rules = True
        frontier.start(host)
        with pytest.raises(AssertionError, match="nothing would ever be ready"):
            await frontier.next()
        host.reading_rules = False
        frontier.end(host)
        assert (await frontier.next())[1].index == 1

    run(work)


def test_a_host_that_says_it_is_too_much_is_asked_ever_more_slowly(clock):
    host = Frontier(0.0, 4, clock).host("a")
    frontier = Frontier(0.0, 4, clock)
    intervals = []
    for _ in range(20):
        frontier.slow_down(host, 7)
        intervals.append(host.interval)
        assert host.next_time >= clock.now + 7
    assert intervals[0] > 0
    assert intervals == sorted(intervals)
    assert intervals[-1] == SLOWEST


def test_a_host_slower_than_the_slowest_stays_so(clock):
    frontier = Frontier(100.0, 4, clock)
    frontier.slow_down(frontier.host("a"), 1)
    assert frontier.host("a").interval >= 100


def test_a_request_that_is_no_job_keeps_the_pace_too(clock):
    async def work() -> list[float]:
        frontier = Frontier(2.0, 4, clock)
        host = frontier.host("a")
        times = []
        for _ in range(4):
            await frontier.turn(host)
            times.append(clock.now)
        frontier.add(host, job(0))
        times.append((await requests(frontier, clock, 1))[0][2])
        return times

    times = run(work)
    assert times[0] == 1000
    assert all(1.999 < later - sooner < 3.001 for sooner, later in zip(times, times[1:]))  # noqa: B905, RUF007


def test_a_job_that_comes_later_wakes_who_waits():
    async def work(clock: Callable[[], float]) -> int:
        frontier = Frontier(0.0, 1, clock)
        waiting = asyncio.create_task(frontier.next())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        frontier.add(frontier.host("a"), job(7))
        return (await waiting)[1].index

    assert skip(work) == 7


def test_a_pause_is_waited_for_and_no_longer():
    async def work(clock: Callable[[], float]) -> float:
        frontier = Frontier(0.05, 4, clock)
        for index in range(4):
            frontier.add(frontier.host("a"), job(index))
        for _ in range(4):
            frontier.start((await frontier.next())[0])
            frontier.end(frontier.host("a"))
        return clock()

    assert 0.1499 < skip(work) < 0.2251  # three pauses and up to half as much


@pytest.mark.parametrize("passed", range(6))  # of the loop, from the event to the end of the wait for it
def test_who_waits_can_be_cancelled_at_any_moment(passed):
    async def work(clock: Callable[[], float]) -> bool:
        frontier = Frontier(0.0, 1, clock)
        for index, name in enumerate("ab"):
            frontier.hold(frontier.host(name), 60 - index)
        frontier.add(frontier.host("a"), job(0))
        waiting = asyncio.create_task(frontier.next())
        await asyncio.sleep(0.01)
        frontier.add(frontier.host("b"), job(1))  # something has changed, and it is nobody's turn
        for _ in range(passed):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=5)
        return waiting.cancelled()

    assert skip(work)


def test_hosts_that_are_done_with_are_forgotten(clock, monkeypatch):
    monkeypatch.setattr(module, "HOSTS", 10)

    async def work() -> None:
        frontier = Frontier(1.0, 4, clock)
        busy = frontier.host("busy")
        frontier.add(busy, job(0))
        held = frontier.host("held")
        frontier.hold(held, 50)
        idle = [frontier.host(f"h{number}") for number in range(8)]
        assert frontier.host("one more") not in idle
        assert frontier.host("busy") is busy
        assert frontier.host("held") is held  # or it would be asked too early
        assert frontier.host("h0") is not idle[0]

    run(work)


def test_backoff_doubles_and_ends():
    for attempts in range(1, 200):
        least = min(LONGEST_BACKOFF, 0.5 * 2 ** (attempts - 1))
        assert least <= backoff(attempts) <= 1.5 * least
    assert len({backoff(3) for _ in range(20)}) > 10


def test_ten_thousand_hosts_take_no_long_search(clock, monkeypatch):
    looked_at = 0
    ready = Host.ready

    def count(host: Host, now: float, per_host: int) -> float | None:
        nonlocal looked_at
        looked_at += 1
        return ready(host, now, per_host)

    monkeypatch.setattr(Host, "ready", count)

    async def work() -> None:
        frontier = Frontier(1.0, 1, clock)
        for index in range(30_000):
            frontier.add(frontier.host(f"h{index % 10_000}"), job(index))
        await requests(frontier, clock, 30_000)

    run(work)
    assert looked_at <= 6 * 30_000  # a few for each job, however many hosts there are
