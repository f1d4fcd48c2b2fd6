"""The run: addresses in, requests at the pace of each host, pictures admitted in order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from zoo.collect.addresses import Source
from zoo.collect.fetch import Body, Client, Redirect, parse
from zoo.collect.frontier import PATIENCE, Frontier, Host, Job, backoff
from zoo.collect.ledger import key_of
from zoo.collect.options import Options
from zoo.collect.picture import Memory, RejectedError, inspect
from zoo.collect.progress import Watch
from zoo.collect.record import facts_of, record_of
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


class Collector:
    """Collects what the sources of a store's backlog name.

    Args:
        store: where it goes.
        sources: by their keys.
        options: of this run.
        client: asks.
        frontier: whose turn it is.
        watch: counts.
        retry: only the addresses that failed, and no others.
    """

    def __init__(
        self,
        store: Store,
        sources: dict[str, Source],
        options: Options,
        client: Client,
        frontier: Frontier,
        watch: Watch,
        retry: bool,
    ) -> None:
        self._store, self._sources, self._options = store, sources, options
        self._client, self._watch, self._retry = client, watch, retry
        self._frontier = frontier
        self._memory = Memory()
        self._threads = ThreadPoolExecutor(THREADS, "zoo-collect")
        self._slots = asyncio.Semaphore(options.connections)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hungry = asyncio.Event()  # for more pages of a catalogue
        self._room_made = asyncio.Event()
        self._room_made.set()
        self._arrived = store.arrived()
        self._failed_before, self._kept_before = len(store.failed), store.kept
        self._addresses = iter(store.backlog)
        self._settled: dict[int, dict[str, Any]] = {}  # that wait for an earlier one
        self._taken = self._admitted = 0  # of the addresses that this run has to do with

    async def run(self) -> None:
        """Returns when every address is accounted for, or the limit is reached.

        Raises:
            ZooError: of a source.
            OSError: of the disk.
        """
        try:
            for key, source in self._sources.items():
                if source.eager:
                    async for page in source.pages(self._store.backlog.start_of(key)):
                        self._store.backlog.add(key, page)
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
        for key, source in self._sources.items():
            backlog = self._store.backlog
            if source.eager or backlog.ended(key):
                continue
            async for page in source.pages(backlog.start_of(key)):
                backlog.add(key, page)
                self._hungry.clear()
                self._room_made.set()
                await self._hungry.wait()
        self._sources = {}
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
            await asyncio.to_thread(self._store.sync)

    def _fill(self) -> None:
        """Takes on as many addresses as there is room for; it is over where nothing is left to do."""
        while self._room() > 0:
            address = next(self._addresses)
            if address is None:
                break
            key = key_of(address.url)
            if not self._wanted(key):
                continue
            index, self._taken = self._taken, self._taken + 1
            if key in self._arrived:
                self._settle(index, self._arrived.pop(key))
            else:
                self._enqueue(Job(index, address, address.url))
        if self._room() > 0:
            self._hungry.set()
        else:
            self._hungry.clear()
        enough = self._options.limit is not None and self._store.kept >= self._options.limit
        nothing_left = self._taken == self._admitted and not self._sources and self._room() > 0
        if (enough or nothing_left) and not self._over.done():
            self._over.set_result(None)

    def _wanted(self, key: int) -> bool:
        """Whether an address is for this run."""
        if self._retry:
            return key in self._store.failed
        return key not in self._store.done or key in self._arrived

    def _room(self) -> int:
        """How many more addresses may be under way: of as many as pictures are wanted come, at the rate until now."""
        most = WINDOW
        if self._options.limit is not None:
            missing = max(0, self._options.limit - self._store.kept)
            rate = (self._store.kept - self._kept_before + 1) / (self._admitted + 1)
            most = min(WINDOW, math.ceil(missing / max(rate, LOWEST_RATE)))
        return most - (self._taken - self._admitted)

    def _enqueue(self, job: Job) -> None:
        try:
            url = parse(job.url)
        except FetchError as error:
            self._give_up(job, error.status, error.reason)
        else:
            self._frontier.add(self._frontier.host(str(url.origin())), job)

    async def _dispatch(self) -> None:
        while True:
            await self._slots.acquire()
            host, job = await self._frontier.next()
            if host.closed is not None:
                self._give_up(job, *host.closed)
            elif host.rules is not None and not host.rules.allow(job.url):
                self._give_up(job, "forbidden", "robots.txt")
            else:
                host.reading_rules = host.rules is None  # until they are known it is asked for nothing else
                self._frontier.start(host)
                self._spawn(self._visit(host, job))
                continue
            self._slots.release()
            await asyncio.sleep(0)

    async def _visit(self, host: Host, job: Job) -> None:
        """One request for a job; the first to a host is for its rules."""
        try:
            if host.rules is None:
                try:
                    await read_rules(self._client, self._frontier, host, self._options.retries)
                finally:
                    host.reading_rules = False
                    self._frontier.end(host)
                    self._frontier.add(host, job)
            else:
                await self._ask(host, job)
        finally:
            self._slots.release()

    async def _ask(self, host: Host, job: Job) -> None:
        body = Body(self._store.parts / f"{key_of(job.address.url):016x}.{job.index}")
        job.attempts += 1
        job.requests += 1
        try:
            try:
                answer = await self._client.get(parse(job.url), body, limit=self._options.max_bytes, picture=True)
                host.unreachable = host.put_off = 0
                self._frontier.speed_up(host)
            finally:
                self._frontier.end(host)
            if isinstance(answer, Redirect):
                self._follow(job, answer.url)
            else:
                self._settle(job.index, await self._in_thread(self._examine, job, body))
        except RejectedError as error:
            self._give_up(job, "rejected", str(error), error.smaller)
        except FetchError as error:
            self._failed(host, job, error)
        finally:
            body.discard()

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _examine(self, job: Job, body: Body) -> dict[str, Any]:
        """Decodes what came and keeps it; its line, but for what depends on other pictures. Runs in a thread."""
        content = body.content
        picture = inspect(content, self._options, self._memory)
        status = "thumbnail" if job.thumbnail else "saved"
        record = {**record_of(job, status, job.reason, self._options.label), **facts_of(body, picture)}
        self._store.keep(record, content if picture.upright is None else picture.upright)
        return record

    def _follow(self, job: Job, url: str) -> None:
        job.visited.append(job.url)
        if url in job.visited:
            self._give_up(job, "failed", "redirected in a circle")
        elif len(job.visited) > HOPS:
            self._give_up(job, "failed", f"redirected more than {HOPS} times")
        else:
            job.url, job.attempts = url, 0
            self._enqueue(job)

    def _failed(self, host: Host, job: Job, error: FetchError) -> None:
        """Tries again later where that may help, and takes to heart what the host says."""
        wait = backoff(job.attempts) if error.wait is None else error.wait
        if error.busy:
            self._frontier.slow_down(host, min(wait, PATIENCE))
        host.unreachable = host.unreachable + 1 if error.unreachable else 0
        final = job.attempts > self._options.retries
        host.put_off += error.busy and final
        if wait > PATIENCE:
            host.closed = ("failed", f"{error.reason}; it asks to come back in {wait:.0f} s")
        elif host.put_off >= TOO_MUCH:
            host.closed = ("failed", f"{error.reason}; it put off {host.put_off} addresses in a row")
        elif error.unreachable and (not error.again or host.unreachable >= UNREACHABLE):
            host.closed = (error.status, error.reason)
        if host.closed is not None:
            self._frontier.schedule(host)
            self._give_up(job, *host.closed)
        elif error.again and not final:
            self._frontier.again(host, job, wait, alone=error.busy or error.silent)
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
        self._settle(job.index, record_of(job, status, reason, self._options.label))

    def _settle(self, index: int, record: dict[str, Any]) -> None:
        """Admits whatever has no unsettled address before it."""
        self._settled[index] = record
        before = self._admitted
        limit = self._options.limit
        while self._admitted in self._settled and (limit is None or self._store.kept < limit):
            line = self._store.admit(self._settled.pop(self._admitted))
            self._admitted += 1
            self._watch.count(line, *self._progress())
        if self._admitted > before:
            self._room_made.set()

    def _progress(self) -> tuple[int, int]:
        """Addresses that are settled, of so many."""
        if self._retry:
            return self._admitted, self._failed_before
        return len(self._store.done), len(self._store.backlog)
