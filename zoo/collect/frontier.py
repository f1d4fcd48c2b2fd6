"""Whose turn it is: requests that wait for their host, each host at its own pace."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from zoo.base.text import printable
from zoo.collect.addresses import Address
from zoo.collect.rules import Rules

HALTING, SLOWEST = 0.05, 5.0  # seconds between requests to a host that said that it is too much, once and often
EASE = 0.8  # what that is multiplied by with each answer that says nothing of the kind
BACKOFF, LONGEST_BACKOFF = 0.5, 30.0  # seconds before the first retry, doubling; and the most
PATIENCE = 120.0  # seconds; a host that asks for more is left alone for this run
HOSTS = 10_000  # that are remembered; each keeps its robots.txt


def backoff(attempts: int, asked: float | None = None) -> float:
    """Seconds to wait: those asked for, or by the attempts, some at random so that hosts are not asked in waves."""
    return asked if asked is not None else _scattered(min(LONGEST_BACKOFF, BACKOFF * 2 ** (attempts - 1)))


def _scattered(seconds: float) -> float:
    """Up to half as much more, at random."""
    return seconds * (1 + random.random() / 2)


async def set_or_over(event: asyncio.Event, seconds: float | None) -> None:
    """Waits until an event is set, which it is after so many seconds; None: however long that takes.

    Not by ``asyncio.wait_for``: before Python 3.12 a task that is cancelled just when the event comes goes on as if
    nothing had been, and whoever waits for its end, as after Ctrl-C, waits for ever.
    """
    timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        if timer is not None:
            timer.cancel()


@dataclass(eq=False)
class Job:
    """One address on its way."""

    index: int  # in the order of the list
    address: Address
    url: str  # of the next request
    thumbnail: bool = False  # whether the full picture has been given up
    visited: list[str] = field(default_factory=list)  # by redirects
    attempts: int = 0  # of this url
    requests: int = 0  # in all
    reason: str | None = None  # why the full picture was given up
    status: str = ""  # and what it would be in the ledger

    def record(self, status: str, reason: str | None) -> dict[str, Any]:
        """What the ledger tells of any address."""
        return {
            **asdict(self.address),
            "status": status,
            "reason": None if reason is None else printable(reason),
            "final_url": self.url if self.requests else None,
            "requests": self.requests,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }


@dataclass(eq=False)
class Host:
    """A scheme, a host name and a port."""

    name: str
    least: float  # seconds from one request to the next
    interval: float  # the same, by what it said of late
    queue: list[tuple[float, int, Job]] = field(default_factory=list)  # heap by the time from which it may go
    active: int = 0
    next_time: float = 0.0  # before which nothing is asked
    turn: float | None = None  # when it comes up in the frontier
    rules: Rules | None = None  # None: robots.txt has not been read
    reading_rules: bool = False
    rules_attempts: int = 0
    alone: tuple[float, Job] | None = None  # a job that goes before all others and beside none, and from when it may
    put_off: int = 0  # addresses in a row that were given up since it said that it is too much
    unreachable: int = 0  # connections in a row that did not come about
    closed: tuple[str, str] | None = None  # status and reason of whatever else is there, where nothing more is asked

    def ready(self, now: float, per_host: int) -> float | None:
        """When its next job may go; None where something must end before."""
        if self.reading_rules or self.active >= (1 if self.alone else per_host):
            return None
        if not (self.queue or self.alone):
            return None
        if self.closed is not None:
            return now
        return max(self.next_time, self.alone[0] if self.alone else self.queue[0][0])

    def pop(self) -> Job:
        if self.alone is None:
            return heapq.heappop(self.queue)[2]
        job, self.alone = self.alone[1], None
        return job


class Frontier:
    """Jobs by their host.

    Args:
        delay: seconds from one request to the next to the same host; up to half as much is added at random.
        per_host: requests under way to one host.
        clock: for the tests.
    """

    def __init__(self, delay: float, per_host: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._delay, self._per_host, self._clock = delay, per_host, clock
        self._hosts: dict[str, Host] = {}
        self._turns: list[tuple[float, int, Host]] = []  # heap; what no longer holds is seen when it comes up
        self._count = 0
        self._changed = asyncio.Event()

    def host(self, name: str) -> Host:
        if name not in self._hosts:
            if len(self._hosts) >= HOSTS:
                self._forget_idle()
            self._hosts[name] = Host(name, self._delay, self._delay)
        return self._hosts[name]

    def add(self, host: Host, job: Job, wait: float = 0.0) -> None:
        """Queues a job, which goes at the earliest after so many seconds."""
        heapq.heappush(host.queue, (self._clock() + wait if wait else 0.0, job.index, job))
        self.schedule(host)

    def again(self, host: Host, job: Job, wait: float, alone: bool) -> None:
        """Queues a job that failed.

        Args:
            wait: seconds.
            alone: whether the host is asked for nothing else until then: it says that it is too much, or nothing.
        """
        if alone and host.alone is None:
            host.alone = (self._clock() + wait, job)
            self.schedule(host)
        else:
            self.add(host, job, wait)

    def schedule(self, host: Host) -> None:
        """To be called where a host may be ready earlier than it was."""
        when = host.ready(self._clock(), self._per_host)
        if when is not None and (host.turn is None or when < host.turn):
            host.turn = when
            self._count += 1
            heapq.heappush(self._turns, (when, self._count, host))
            self._changed.set()

    async def next(self) -> tuple[Host, Job]:
        """Waits for a host whose turn it is, and takes its next job; :meth:`start` says that a request goes out."""
        while True:
            self._changed.clear()
            wait = None
            while self._turns:
                when, _, host = self._turns[0]
                now = self._clock()
                if when > now:
                    wait = when - now
                    break
                heapq.heappop(self._turns)
                if when != host.turn:  # an earlier turn was found for it since
                    continue
                host.turn = None
                ready = host.ready(now, self._per_host)
                job = host.pop() if ready is not None and ready <= now else None
                self.schedule(host)
                if job is not None:
                    return host, job
            await set_or_over(self._changed, wait)

    def start(self, host: Host) -> None:
        """A request to the host goes out now."""
        host.active += 1
        self.hold(host, _scattered(host.interval))

    async def turn(self, host: Host) -> None:
        """Waits for the pace of a host alone, for what is no job, and counts as a request to it."""
        while (wait := host.next_time - self._clock()) > 0:
            await asyncio.sleep(wait)
        self.hold(host, _scattered(host.interval))

    def end(self, host: Host) -> None:
        host.active -= 1
        self.schedule(host)

    def hold(self, host: Host, wait: float) -> None:
        """Asks nothing of the host for so many seconds."""
        host.next_time = max(host.next_time, self._clock() + wait)

    def slow_down(self, host: Host, wait: float) -> None:
        """The host said that it is too much: nothing for so many seconds, then at half the pace."""
        self.hold(host, wait)
        host.interval = max(min(2 * host.interval, SLOWEST), host.least, HALTING)

    def speed_up(self, host: Host) -> None:
        """The host gave what it was asked for: little by little back to the usual pace."""
        host.interval = host.least if host.interval < HALTING else max(host.least, EASE * host.interval)

    def _forget_idle(self) -> None:
        now = self._clock()
        idle = [h.name for h in self._hosts.values() if not (h.queue or h.alone or h.active) and h.next_time <= now]
        for name in idle:
            del self._hosts[name]
