"""The run: addresses in, requests at the pace of each host, pictures admitted in order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.base.files import sha256_of
from zoo.collect.addresses import Source
from zoo.collect.fetch import Client, parse
from zoo.collect.frontier import PATIENCE, Frontier, Host, Job, backoff
from zoo.collect.ledger import key_of
from zoo.collect.picture import Memory, RejectedError, inspect
from zoo.collect.progress import Watch
from zoo.collect.robots import read_rules
from zoo.collect.store import Store
from zoo.collect.trouble import FetchError

WINDOW = 4096  # addresses that may be ahead of the first one that is not settled yet
THREADS = 8  # that decode, and wait for the disk
HOPS = 10
LOWEST_RATE = 0.02  # of addresses that give a picture, for which more are asked at a time where a limit is near
TOO_MUCH = 10  # addresses in a row that a host puts off until they are given up, after which the host is
UNREACHABLE = 8  # connections in a row that do not come about, after which a host is given up
SYNC = 10.0  # seconds from one sync of the ledger to the next


@dataclass
class Collector:
    """Collects what the sources of a store's backlog name; made where an event loop runs."""

    store: Store  # where it goes
    sources: dict[str, Source]  # by their keys
    client: Client
    frontier: Frontier
    watch: Watch
    retry: bool  # only the addresses that failed, and no others

    def __post_init__(self) -> None:
        self._memory = Memory()
        self._threads = ThreadPoolExecutor(THREADS, "zoo-collect")
        self._slots = asyncio.Semaphore(self.store.options.connections)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hungry = asyncio.Event()  # for more pages of a catalogue
        self._room_made = asyncio.Event()
        self._room_made.set()
        self._arrived = self.store.arrived()
        self._failed_before, self._kept_before = len(self.store.failed), self.store.kept
        self._addresses = iter(self.store.backlog)
        self._settled: dict[int, dict[str, Any]] = {}  # that wait for an earlier one
        self._taken = self._admitted = 0  # of the addresses that this run has to do with

    async def run(self) -> None:
        """Returns when every address is accounted for, or the limit is reached.

        Raises:
            ZooError: of a source.
            OSError: of the disk.
        """
        try:
            for key, source in self.sources.items():
                if source.eager:
                    async for page in source.pages(self.store.backlog.start_of(key)):
                        self.store.backlog.add(key, page)
                        await asyncio.sleep(0)
            self._spawn(self._read_catalogues())
            self._spawn(self._take())
            self._spawn(self._dispatch())
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

    async def _read_catalogues(self) -> None:
        """Reads a page of the sources that are asked whenever there is room for more addresses."""
        for key, source in self.sources.items():
            backlog = self.store.backlog
            if source.eager or backlog.ended(key):
                continue
            async for page in source.pages(backlog.start_of(key)):
                backlog.add(key, page)
                self._hungry.clear()
                self._room_made.set()
                await self._hungry.wait()
        self.sources = {}
        self._room_made.set()

    async def _take(self) -> None:
        """Takes addresses on whenever there may be room for more."""
        while True:
            await self._room_made.wait()
            self._room_made.clear()
            self._fill()

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC)
            await asyncio.to_thread(self.store.sync)

    def _fill(self) -> None:
        """Takes on as many addresses as there is room for; it is over where nothing is left to do."""
        while self._room() > 0:
            address = next(self._addresses)
            if address is None:
                break
            key = key_of(address.url)
            wanted = key in self.store.failed if self.retry else key not in self.store.done or key in self._arrived
            if not wanted:
                continue
            index, self._taken = self._taken, self._taken + 1
            if key in self._arrived:
                self._settle(index, self._arrived.pop(key))
            else:
                labelled = replace(address, label=address.label or self.store.options.label)
                self._enqueue(Job(index, labelled, address.url))
        if self._room() > 0:
            self._hungry.set()
        else:
            self._hungry.clear()
        enough = self.store.options.limit is not None and self.store.kept >= self.store.options.limit
        nothing_left = self._taken == self._admitted and not self.sources and self._room() > 0
        if (enough or nothing_left) and not self._over.done():
            self._over.set_result(None)

    def _room(self) -> int:
        """How many more addresses may be under way: of as many as pictures are wanted come, at the rate until now."""
        most = WINDOW
        if self.store.options.limit is not None:
            missing = max(0, self.store.options.limit - self.store.kept)
            rate = (self.store.kept - self._kept_before + 1) / (self._admitted + 1)
            most = min(WINDOW, math.ceil(missing / max(rate, LOWEST_RATE)))
        return most - (self._taken - self._admitted)

    def _enqueue(self, job: Job) -> None:
        try:
            url = parse(job.url)
        except FetchError as error:
            self._give_up(job, error.status, error.reason)
        else:
            self.frontier.add(self.frontier.host(str(url.origin())), job)

    async def _dispatch(self) -> None:
        while True:
            await self._slots.acquire()
            host, job = await self.frontier.next()
            if host.closed is not None:
                self._give_up(job, *host.closed)
            elif host.rules is not None and not host.rules.allow(job.url):
                self._give_up(job, "forbidden", "robots.txt")
            else:
                host.reading_rules = host.rules is None  # until they are known it is asked for nothing else
                self.frontier.start(host)
                self._spawn(self._visit(host, job))
                continue
            self._slots.release()
            await asyncio.sleep(0)

    async def _visit(self, host: Host, job: Job) -> None:
        """One request for a job; the first to a host is for its rules."""
        try:
            if host.rules is None:
                try:
                    await read_rules(self.client, self.frontier, host, self.store.options.retries)
                finally:
                    host.reading_rules = False
                    self.frontier.end(host)
                    self.frontier.add(host, job)
            else:
                await self._ask(host, job)
        finally:
            self._slots.release()

    async def _ask(self, host: Host, job: Job) -> None:
        file = self.store.parts / f"{key_of(job.address.url):016x}.{job.index}"
        job.attempts += 1
        job.requests += 1
        try:
            try:
                with file.open("wb") as sink:
                    limit = self.store.options.max_bytes
                    answer = await self.client.get(parse(job.url), sink, limit=limit, picture=True)
                host.unreachable = host.put_off = 0
                self.frontier.speed_up(host)
            finally:
                self.frontier.end(host)
            if answer is not None:
                self._follow(job, answer.url)
            else:
                loop = asyncio.get_running_loop()
                self._settle(job.index, await loop.run_in_executor(self._threads, self._examine, job, file))
        except RejectedError as error:
            self._give_up(job, "rejected", str(error), error.smaller)
        except FetchError as error:
            self._failed(host, job, error)
        finally:
            file.unlink(missing_ok=True)

    def _examine(self, job: Job, file: Path) -> dict[str, Any]:
        """Decodes what came and keeps it; its line, but for what depends on other pictures. Runs in a thread."""
        with file.open("rb") as opened:
            picture = inspect(opened, self.store.options, self._memory)
        arrived = None
        if picture.upright is not None:
            arrived = sha256_of(file)
            file.write_bytes(picture.upright)
        record = {
            **job.record("thumbnail" if job.thumbnail else "saved", job.reason),
            "bytes": file.stat().st_size,
            "digest": sha256_of(file),
            "arrived": arrived,
            "type": picture.format.lower(),
            "size": [picture.width, picture.height],
            "phash": picture.phash,
        }
        self.store.keep(record, file)
        return record

    def _follow(self, job: Job, url: str) -> None:
        job.visited.append(job.url)
        if url in job.visited:
            self._give_up(job, "failed", "redirect loop")
        elif len(job.visited) > HOPS:
            self._give_up(job, "failed", f"more than {HOPS} redirects")
        else:
            job.url, job.attempts = url, 0
            self._enqueue(job)

    def _failed(self, host: Host, job: Job, error: FetchError) -> None:
        """Tries again later where that may help, and takes to heart what the host says."""
        wait = backoff(job.attempts, error.wait)
        if error.busy:
            self.frontier.slow_down(host, min(wait, PATIENCE))
        host.unreachable = host.unreachable + 1 if error.unreachable else 0
        final = job.attempts > self.store.options.retries
        host.put_off += error.busy and final
        if wait > PATIENCE:
            host.closed = ("failed", f"{error.reason}; the server asks to wait {wait:.0f} s")
        elif host.put_off >= TOO_MUCH:
            host.closed = ("failed", f"{error.reason}; the server refused {host.put_off} addresses in a row")
        elif error.unreachable and (not error.again or host.unreachable >= UNREACHABLE):
            host.closed = (error.status, error.reason)
        if host.closed is not None:
            self.frontier.schedule(host)
            self._give_up(job, *host.closed)
        elif error.again and not final:
            self.frontier.again(host, job, wait, alone=error.busy or error.silent)
        else:
            self._give_up(job, error.status, error.reason)

    def _give_up(self, job: Job, status: str, reason: str, smaller: bool = True) -> None:
        """Goes over to the thumbnail, or to the next address."""
        address = job.address
        if not job.thumbnail and smaller and address.thumbnail and address.thumbnail != address.url:
            job.thumbnail, job.reason, job.status = True, reason, status
            job.url, job.attempts, job.visited = address.thumbnail, 0, []
            self._enqueue(job)
            return
        if job.thumbnail:
            reason = f"{job.reason}; thumbnail: {reason}"
            status = "failed" if "failed" in (status, job.status) else job.status
        self._settle(job.index, job.record(status, reason))

    def _settle(self, index: int, record: dict[str, Any]) -> None:
        """Admits whatever has no unsettled address before it."""
        self._settled[index] = record
        before, store = self._admitted, self.store
        limit = self.store.options.limit
        while self._admitted in self._settled and (limit is None or store.kept < limit):
            line = store.admit(self._settled.pop(self._admitted))
            self._admitted += 1
            done = (self._admitted, self._failed_before) if self.retry else (len(store.done), len(store.backlog))
            self.watch.count(line, *done)
        if self._admitted > before:
            self._room_made.set()
