"""The run: addresses in, requests at the pace of each host, pictures admitted in order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from hashlib import sha256
from io import BytesIO
from typing import IO, Any

from zoo.base.text import printable
from zoo.collect.addresses import Address, Page, without_secrets
from zoo.collect.fetch import Client, Redirect, parse
from zoo.collect.hosts import PATIENCE, Host, Hosts, backoff
from zoo.collect.ledger import key_of
from zoo.collect.picture import Memory, inspect
from zoo.collect.progress import Watch
from zoo.collect.robots import read_rules
from zoo.collect.sources.catalogue import Catalogue
from zoo.collect.store import Store
from zoo.collect.trouble import FetchError, RejectedError
from zoo.hub.errors import redact

WINDOW = 4096  # addresses that may be ahead of the first unsettled one
THREADS = 8  # threads that decode and wait for the disk
HOPS = 10
LOWEST_RATE = 0.02  # lowest success rate that is assumed when a limit on pictures is near
TOO_MUCH = 10  # addresses in a row given up because the host is busy, after which the host is given up
UNREACHABLE = 8  # failed connections in a row, after which a host is given up
SYNC = 10.0  # seconds from one sync of the ledger to the next


@dataclass(eq=False)
class Visit:
    """What has become of an address so far."""

    address: Address
    url: str = ""  # address of the last request, or of one that was not allowed
    requests: int = 0
    given_up: str | None = None  # why the picture itself was given up for its thumbnail

    def record(self, status: str, reason: str | None) -> dict[str, Any]:
        """The fields that the ledger has for any address."""
        return {
            **asdict(self.address.changed(without_secrets)),
            "status": status,
            "reason": None if reason is None else printable(redact(reason)),
            "final_url": without_secrets(self.url) if self.requests else None,
            "requests": self.requests,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }


@dataclass
class Collector:
    """Collects the addresses of a store's backlog and of catalogues; made inside a running event loop."""

    store: Store  # takes the pictures
    catalogues: dict[str, Catalogue]  # by their keys
    client: Client
    hosts: Hosts
    watch: Watch
    retry: bool  # whether to request only the addresses that failed

    def __post_init__(self) -> None:
        self._memory = Memory()
        self._threads = ThreadPoolExecutor(THREADS, "zoo-collect")
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._progress = asyncio.Event()
        self._arrived = self.store.arrived()
        self._failed_before, self._kept_before = len(self.store.failed), self.store.kept
        self._settled: dict[int, dict[str, Any]] = {}  # records that wait for an earlier one
        self._taken = self._admitted = 0  # counts of this run's addresses

    async def run(self) -> None:
        """Returns when every address is accounted for, or the limit is reached.

        Raises:
            ZooError: a catalogue fails.
            OSError: the disk fails.
        """
        try:
            if self._missing != 0:
                self._spawn(self._take())
                self._spawn(self._sync())
                await self._over
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.to_thread(self._threads.shutdown)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._over.done():
            self._over.set_exception(error)

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC)
            await asyncio.to_thread(self.store.sync)

    async def _take(self) -> None:
        """Takes on as many addresses at a time as there is room for; ends the run when no address is left."""
        async for address in self._addresses():
            index, key = self._taken, key_of(address.url)
            self._taken += 1
            if key in self._arrived:
                self._settle(index, self._arrived.pop(key))
            else:
                self._spawn(self._visit(index, replace(address, label=address.label or self.store.options.label)))
            await self._until(lambda: self._room() > 0)
        await self._until(lambda: self._taken == self._admitted)
        self._finish()

    async def _until(self, true: Callable[[], bool]) -> None:
        """Waits for a condition on the number of admitted addresses."""
        while not true():
            self._progress.clear()
            await self._progress.wait()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def _addresses(self) -> AsyncIterator[Address]:
        """The addresses of this run; a catalogue is asked for more when all others are used up."""
        pages = self._pages()
        for address in self.store.backlog:
            if address is None:
                if not await anext(pages, None):
                    return
                continue
            key = key_of(address.url)
            if key in self.store.failed if self.retry else key not in self.store.done or key in self._arrived:
                yield address

    async def _pages(self) -> AsyncIterator[Page]:
        for key, catalogue in self.catalogues.items():
            async for page in catalogue.pages(self.store.backlog.start_of(key)):
                self.store.backlog.add(key, page)
                yield page

    @property
    def _missing(self) -> int | None:
        """How many pictures are still wanted; None: all."""
        limit = self.store.options.limit
        return None if limit is None else max(0, limit - self.store.kept)

    def _room(self) -> int:
        """How many more addresses may be under way: enough for the missing pictures at the success rate until now."""
        most = WINDOW
        if self._missing is not None:
            rate = (self.store.kept - self._kept_before + 1) / (self._admitted + 1)
            most = min(WINDOW, math.ceil(min(WINDOW, self._missing) / max(rate, LOWEST_RATE)))
        return most - (self._taken - self._admitted)

    async def _visit(self, index: int, address: Address) -> None:
        """Fetches the picture of an address and settles its record."""
        self._settle(index, await self._picture_or_thumbnail(Visit(address)))

    async def _picture_or_thumbnail(self, visit: Visit) -> dict[str, Any]:
        """Returns the record of an address without the fields that depend on other pictures."""
        url, thumbnail = visit.address.url, visit.address.thumbnail
        try:
            return await self._picture(visit, url)
        except FetchError as error:
            full = error
        if not full.smaller or not thumbnail or thumbnail == url:
            return visit.record(full.status, full.reason)
        visit.given_up = full.reason
        try:
            return await self._picture(visit, thumbnail)
        except FetchError as error:
            status = "failed" if "failed" in (full.status, error.status) else full.status
            return visit.record(status, f"{full.reason}; thumbnail: {error.reason}")

    async def _picture(self, visit: Visit, url: str) -> dict[str, Any]:
        """Follows the redirects of an address to a picture and keeps it; returns its record.

        Raises:
            FetchError: no picture came, or an unwanted one.
        """
        visited: list[str] = []
        while isinstance(answer := await self._answer(visit, url), Redirect):
            visited.append(url)
            url = answer.url
            if url in visited:
                raise FetchError("redirect loop")
            if len(visited) > HOPS:
                raise FetchError(f"more than {HOPS} redirects")
        return answer

    async def _answer(self, visit: Visit, url: str) -> Redirect | dict[str, Any]:
        """Requests an address when its host may be asked; retries where that may help."""
        visit.url, parsed = url, parse(url)
        loop, attempt, alone = asyncio.get_running_loop(), 0, False
        with self.hosts.of(parsed) as host:
            async with host.reading:
                if not host.allows and not host.closed:
                    await read_rules(self.client, self.hosts, host, self.store.options.retries)
            if host.allows and not host.closed and not host.allows(url):
                raise FetchError("robots.txt", "forbidden")
            while True:
                attempt += 1
                async with self.hosts.turn(host, alone):
                    visit.requests += 1
                    try:
                        with self.store.sink(visit.address.url) as sink:
                            limit = self.store.options.max_bytes
                            redirect = await self.client.get(parsed, sink, limit=limit, picture=True)
                            host.answered()
                            if redirect is None:
                                return await loop.run_in_executor(self._threads, self._examine, visit, sink)
                            return redirect
                    except RejectedError:
                        raise
                    except FetchError as error:
                        wait = self._heed(host, error, attempt)
                        alone = (error.busy or error.silent) and host.claim()
                await host.pause(wait)

    def _heed(self, host: Host, error: FetchError, attempt: int) -> float:
        """Adapts to the error of a host; returns the seconds to wait before a retry.

        Raises:
            FetchError: no retry would help.
        """
        wait, final = backoff(attempt, error.wait), attempt > self.store.options.retries
        if error.busy:
            host.slow_down(min(wait, PATIENCE))
        host.unreachable = host.unreachable + 1 if error.unreachable else 0
        host.put_off += error.busy and final
        if wait > PATIENCE:
            host.close(f"{error.reason}; the server asks to wait {wait:.0f} s")
        elif host.put_off >= TOO_MUCH:
            host.close(f"{error.reason}; the server refused {host.put_off} addresses in a row")
        elif error.unreachable and (not error.again or host.unreachable >= UNREACHABLE):
            host.close(error.reason, error.status)
        if host.closed is not None:
            raise FetchError(*host.closed)
        if final or not error.again:
            raise error
        return wait

    def _examine(self, visit: Visit, content: IO[bytes]) -> dict[str, Any]:
        """Decodes and keeps a picture; its record without the fields that depend on others. Runs in a thread."""
        content.seek(0)
        picture = inspect(content, self.store.options, self._memory)
        content.seek(0)
        arrived = None
        if picture.upright is not None:
            arrived, content = sha256(content.read()).hexdigest(), BytesIO(picture.upright)
        record = {
            **visit.record("saved" if visit.given_up is None else "thumbnail", visit.given_up),
            "arrived": arrived,
            "type": picture.format.lower(),
            "size": [picture.width, picture.height],
            "phash": picture.phash,
        }
        return self.store.keep(record, content)

    def _settle(self, index: int, record: dict[str, Any]) -> None:
        """Admits every record that has no unsettled address before it."""
        self._settled[index] = record
        store = self.store
        while self._missing != 0 and self._admitted in self._settled:
            line = store.admit(self._settled.pop(self._admitted))
            self._admitted += 1
            done = (self._admitted, self._failed_before) if self.retry else (len(store.done), len(store.backlog))
            self.watch.count(line, *done)
        self._progress.set()
        if self._missing == 0:
            self._finish()
