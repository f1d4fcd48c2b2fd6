"""Whose turn it is: each host is asked at its own pace, with a limit on parallel requests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field

from yarl import URL

from zoo.collect.options import Options
from zoo.collect.trouble import FetchError

HALTING, SLOWEST = 0.05, 5.0  # least and most seconds between requests to a host that said it is busy
EASE = 0.8  # factor on these seconds for each answer that is not busy
BACKOFF, LONGEST_BACKOFF = 0.5, 30.0  # seconds before the first retry, doubling; and the most
PATIENCE = 120.0  # seconds; a host that asks for a longer wait is left alone for this run
HOSTS = 10_000  # hosts remembered, each with its robots.txt


def backoff(attempts: int, asked: float | None = None) -> float:
    """Seconds to wait: as asked, or by the number of attempts, partly random so that requests do not come in waves."""
    return asked if asked is not None else _scattered(min(LONGEST_BACKOFF, BACKOFF * 2 ** (attempts - 1)))


def _scattered(seconds: float) -> float:
    """The seconds and up to half as much more, at random."""
    return seconds * (1 + random.random() / 2)


def now() -> float:
    """Seconds by the clock of the event loop."""
    return asyncio.get_running_loop().time()


async def set_or_over(event: asyncio.Event, seconds: float | None) -> None:
    """Waits until an event is set, and sets it itself after so many seconds; None: no timeout.

    ``asyncio.wait_for`` would not do: before Python 3.12, a task that is cancelled just when the event comes ignores
    the cancellation. Waiting for its end, as after Ctrl-C, then never ends.
    """
    timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        if timer is not None:
            timer.cancel()


@dataclass(eq=False)
class Host:
    """A scheme, a host name and a port."""

    name: str
    least: float  # seconds from one request to the next; up to half as much is added at random
    most: int  # requests under way at a time
    interval: float = field(init=False)  # seconds, at least ``least``, by the host's last answers
    next_time: float = 0.0  # no request before this time
    allows: Callable[[str], bool] | None = None  # whether an address may be asked; None: robots.txt has not been read
    put_off: int = 0  # addresses in a row given up because the host was busy
    unreachable: int = 0  # failed connections in a row
    closed: tuple[str, str] | None = None  # reason and status of all later addresses, once the host is given up
    users: int = 0  # visits that ask the host, or wait for it

    def __post_init__(self) -> None:
        self.interval = self.least
        self.reading = asyncio.Lock()  # held while its rules are read
        self.queue = asyncio.Lock()  # its holder is the next to ask
        self._active, self._claimed = 0, False
        self._changed = asyncio.Event()

    async def ready(self, alone: bool) -> None:
        """Waits until one more request may go, or the host is closed."""

        def when() -> float | None:
            others = self._active > 0 if alone else self._claimed or self._active >= self.most
            return None if others else self.next_time

        await self._until(when)

    async def pause(self, seconds: float) -> None:
        """Waits so many seconds, or until the host is closed."""
        end = now() + seconds
        await self._until(lambda: end)

    async def _until(self, when: Callable[[], float | None]) -> None:
        """Waits for a time; None: the time is unknown until something changes."""
        while not self.closed and ((time := when()) is None or time > now()):
            self._changed.clear()
            await set_or_over(self._changed, None if time is None else time - now())

    def claim(self) -> bool:
        """Reserves the next turn for a request that is made alone; False if another request has reserved it."""
        first, self._claimed = not self._claimed, True
        return first

    def start(self, alone: bool) -> None:
        """A request goes out now."""
        self._active += 1
        self._claimed = self._claimed and not alone
        self.hold(_scattered(self.interval))
        self._changed.set()

    def end(self) -> None:
        self._active -= 1
        self._changed.set()

    def close(self, reason: str, status: str = "failed") -> None:
        """Gives the host up: nothing more is asked."""
        self.closed = (reason, status)
        self._changed.set()

    def hold(self, wait: float) -> None:
        """Asks nothing for so many seconds."""
        self.next_time = max(self.next_time, now() + wait)

    def slow_down(self, wait: float) -> None:
        """The host is busy: asks nothing for so many seconds, then asks at half the pace."""
        self.hold(wait)
        self.interval = max(min(2 * self.interval, SLOWEST), self.least, HALTING)

    def answered(self) -> None:
        """The host answered: returns little by little to the usual pace."""
        self.unreachable = self.put_off = 0
        self.interval = self.least if self.interval < HALTING else max(self.least, EASE * self.interval)


class Hosts:
    """All hosts that a run asks, each by the same options."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._slots = asyncio.Semaphore(options.connections)
        self._known: dict[str, Host] = {}

    @contextmanager
    def of(self, url: URL) -> Iterator[Host]:
        """The host of an address, which is not forgotten meanwhile."""
        name = str(url.origin())
        if name not in self._known:
            if len(self._known) >= HOSTS:
                self._known = {name: host for name, host in self._known.items() if host.users or host.next_time > now()}
            self._known[name] = Host(name, self._options.delay, self._options.per_host)
        host = self._known[name]
        host.users += 1
        try:
            yield host
        finally:
            host.users -= 1

    @asynccontextmanager
    async def turn(self, host: Host, alone: bool = False) -> AsyncIterator[None]:
        """Waits until a host may be asked, in order of arrival; the block is the request.

        Args:
            alone: whether the request was claimed. It then goes before all others, while no other is under way.

        Raises:
            FetchError: the host is closed.
        """
        async with nullcontext() if alone else host.queue:
            await host.ready(alone)
            if host.closed is not None:
                raise FetchError(*host.closed, unreachable=True)
            await self._slots.acquire()
            host.start(alone)
        try:
            yield
        finally:
            self._slots.release()
            host.end()
