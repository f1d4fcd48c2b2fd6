import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from yarl import URL

from zoo.collect import hosts as module
from zoo.collect.hosts import LONGEST_BACKOFF, SLOWEST, Host, Hosts, backoff
from zoo.collect.options import Options
from zoo.collect.trouble import FetchError

Requests = list[tuple[str, int, float]]  # host, number and time


class Skipping(selectors.DefaultSelector):
    """What a loop waits with: where nothing is there, the time of the next timer has come."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing would ever happen"
        self.now += max(0.0, timeout)
        return super().select(0)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    """What comes of work in a loop in which no time is lost with waiting, and whose clock starts at 1000 seconds."""
    selector = Skipping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()


def made(delay: float = 0.0, per_host: int = 4, **options: Any) -> Hosts:
    return Hosts(Options(delay=delay, per_host=per_host, **options))


def host(hosts: Hosts, name: str = "a") -> Host:
    with hosts.of(URL(f"http://{name}/x.jpg")) as found:
        return found


async def ask(hosts: Hosts, names: Iterable[str], seconds: float = 0.0) -> Requests:
    """Asks a host for each name, all at once, and each request takes so many seconds."""
    found: Requests = []

    async def one(number: int, name: str) -> None:
        with hosts.of(URL(f"http://{name}/{number}.jpg")) as asked:
            async with hosts.turn(asked):
                found.append((name, number, module.now()))
                await asyncio.sleep(seconds)

    await asyncio.gather(*(one(number, name) for number, name in enumerate(names)))
    return found


def pauses(found: Requests, name: str = "a") -> list[float]:
    times = [when for asked, _, when in found if asked == name]
    return [later - sooner for sooner, later in zip(times, times[1:])]  # noqa: B905, RUF007


def test_a_host_is_asked_at_its_pace_and_at_odd_moments():
    found = run(lambda: ask(made(2.0), "a" * 40))
    assert found[0][2] == 1000
    assert all(1.999 < pause < 3.001 for pause in pauses(found))
    assert max(pauses(found)) - min(pauses(found)) > 0.3


def test_who_waits_for_a_host_goes_in_order():
    assert [number for _, number, _ in run(lambda: ask(made(0.1), "a" * 50, 1.0))] == list(range(50))


def test_hosts_do_not_wait_for_each_other():
    found = run(lambda: ask(made(5.0, connections=1024), [f"h{number % 200}" for number in range(600)]))
    assert [when for _, _, when in found[:200]] == [1000] * 200
    assert {name for name, _, _ in found[:200]} == {f"h{number}" for number in range(200)}
    assert found[-1][2] < 1000 + 2 * 7.5 + 0.01
    for number in range(200):
        assert all(pause > 4.999 for pause in pauses(found, f"h{number}"))


def test_no_more_than_so_many_requests_are_under_way_to_a_host():
    found = run(lambda: ask(made(per_host=3), "aaaaaaaab", 10.0))
    assert [round(when) for name, _, when in found if name == "a"] == [1000] * 3 + [1010] * 3 + [1020] * 2
    assert ("b", 8, 1000) in found


def test_no_more_than_so_many_requests_are_under_way_in_all():
    found = run(lambda: ask(made(connections=3), "abcdefgh", 10.0))
    assert [round(when) for _, _, when in found] == [1000] * 3 + [1010] * 3 + [1020] * 2


def test_a_host_on_hold_is_not_asked_and_others_are():
    async def work() -> Requests:
        hosts = made()
        host(hosts).hold(60)
        host(hosts).hold(5)  # a shorter one takes nothing back
        return await ask(hosts, "ab")

    (first, _, now), (second, _, later) = run(work)
    assert (first, now, second) == ("b", 1000, "a")
    assert later == pytest.approx(1060)


def test_a_pause_is_for_who_makes_it_and_no_one_else():
    async def work() -> tuple[Requests, float]:
        hosts = made()
        paused = asyncio.create_task(host(hosts).pause(10))
        found = await ask(hosts, "aa")
        await paused
        return found, module.now()

    found, end = run(work)
    assert [when for _, _, when in found] == [1000, 1000]
    assert end == pytest.approx(1010)


def test_who_claims_it_goes_first_and_beside_none():
    async def work() -> list[tuple[str, float]]:
        hosts, found = made(), []
        with hosts.of(URL("http://a/")) as asked:

            async def one(name: str, alone: bool, seconds: float) -> None:
                async with hosts.turn(asked, alone):
                    found.append((name, round(module.now())))
                    await asyncio.sleep(seconds)

            slow = asyncio.create_task(one("slow", False, 20))
            await asyncio.sleep(0)
            assert asked.claim()
            assert not asked.claim()
            others = asyncio.create_task(one("other", False, 0))
            await asyncio.sleep(5)
            await one("alone", True, 7)
            await asyncio.gather(slow, others)
        return found

    assert run(work) == [("slow", 1000), ("alone", 1020), ("other", 1020)]


def test_who_waits_for_a_host_that_is_closed_is_told_at_once():
    async def work() -> list[Any]:
        hosts = made(30.0, per_host=1)
        asked = host(hosts)
        waiting = asyncio.create_task(ask(hosts, "aaa"))
        paused = asyncio.create_task(asked.pause(100))
        await asyncio.sleep(1)
        asked.close("no such host", "blocked")
        assert await asyncio.gather(paused) == [None]
        with pytest.raises(FetchError, match="no such host") as caught:
            await waiting
        return [caught.value.status, module.now()]

    assert run(work) == ["blocked", 1001]


def test_a_host_that_says_it_is_too_much_is_asked_ever_more_slowly():
    async def work() -> list[float]:
        asked, intervals = host(made()), []
        for _ in range(20):
            asked.slow_down(7)
            intervals.append(asked.interval)
            assert asked.next_time >= module.now() + 7
        for _ in range(40):
            asked.answered()
        assert asked.interval == 0
        return intervals

    intervals = run(work)
    assert intervals[0] > 0
    assert intervals == sorted(intervals)
    assert intervals[-1] == SLOWEST


def test_a_host_slower_than_the_slowest_stays_so():
    async def work() -> float:
        asked = host(made(100.0))
        asked.slow_down(1)
        return asked.interval

    assert run(work) >= 100


@pytest.mark.parametrize("passed", range(6))  # turns of the loop, from the event to the end of the wait for it
def test_who_waits_can_be_cancelled_at_any_moment(passed):
    async def work() -> bool:
        hosts = made(per_host=1)
        asked = host(hosts)
        asked.hold(60)
        waiting = asyncio.create_task(ask(hosts, "a"))
        await asyncio.sleep(0.01)
        asked._changed.set()  # something has changed, and it is nobody's turn
        for _ in range(passed):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=5)
        assert not asked.queue.locked()
        return waiting.cancelled()

    assert run(work)


def test_hosts_that_are_done_with_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "HOSTS", 10)

    async def work() -> None:
        hosts = made(1.0)
        with hosts.of(URL("http://busy/")) as busy:
            held = host(hosts, "held")
            held.hold(50)
            idle = [host(hosts, f"h{number}") for number in range(8)]
            assert host(hosts, "one-more") not in idle
            assert host(hosts, "busy") is busy
            assert host(hosts, "held") is held  # or it would be asked too early
            assert host(hosts, "h0") is not idle[0]

    run(work)


def test_backoff_doubles_and_ends():
    for attempts in range(1, 200):
        least = min(LONGEST_BACKOFF, 0.5 * 2 ** (attempts - 1))
        assert least <= backoff(attempts) <= 1.5 * least
    assert len({backoff(3) for _ in range(20)}) > 10


def test_many_that_wait_for_many_hosts_take_no_long_search(monkeypatch):
    looked_at = 0

    def count() -> float:
        nonlocal looked_at
        looked_at += 1
        return asyncio.get_running_loop().time()

    monkeypatch.setattr(module, "now", count)
    run(lambda: ask(made(1.0, 1), [f"h{number % 500}" for number in range(4000)]))
    assert looked_at <= 10 * 4000  # a few for each request, however many hosts there are
