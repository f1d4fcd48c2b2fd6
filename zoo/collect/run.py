"""One call of ``zoo collect``: settings, process, sources, the run itself and its summary."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shlex
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.base.errors import ZooError
from zoo.collect.addresses import Page
from zoo.collect.api import polite
from zoo.collect.collector import Collector
from zoo.collect.fetch import Client
from zoo.collect.hosts import Hosts
from zoo.collect.ledger import FAILURES, is_private
from zoo.collect.options import SETTINGS, Options, SourceOptions, read_settings, write_settings
from zoo.collect.progress import Watch
from zoo.collect.sources import open_source
from zoo.collect.sources.catalogue import Catalogue
from zoo.collect.store import Store
from zoo.hub.errors import redact

FILES = 256  # open files besides connections
REASONS = 1000  # different reasons that are counted


def collect(
    folder: Path, given: dict[str, Any], source: SourceOptions | None, retry: bool, say: Callable[[str], None]
) -> str:
    """Collects into a folder.

    Args:
        given: options, which override the folder's saved options.
        source: source to add to the folder's saved sources.
        retry: whether to retry only the addresses that failed.
        say: prints a line at once.

    Returns:
        A summary of the collection, in lines.

    Raises:
        ZooError: an option, a source or the folder is wrong, or there is no picture.
    """
    stored, named = read_settings(folder / SETTINGS)
    if source is not None and source not in named:
        named.append(source)
    private = {"allow_private": bool(given.get("allow_private"))}  # not for the maker of the folder to decide
    given = {name: value for name, value in {**stored, **given}.items() if name not in private}
    options = Options(**{"contact": os.environ.get("ZOO_CONTACT"), **given, **private})
    if options.contact is None:
        say("no contact: give --contact with your e-mail address or page, or set ZOO_CONTACT")
    _prepare(options)
    client = Client(options)
    api = polite(client, options)
    opened = {} if source is None else {source.key: open_source(source, api)}
    with Store(folder, options) as store, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is in the ledger
        for one in named:
            if not retry and one != source and not store.backlog.ended(one.key):
                say(redact(f"resuming {one.text}" + (f" at {one.endpoint}" if one.endpoint else "")))
                opened[one.key] = open_source(one, api)
        write_settings(folder / SETTINGS, given, named)
        watch = Watch(options.limit, store.kept)
        with watch.progress:
            catalogues = {key: found for key, found in opened.items() if isinstance(found, Catalogue)}
            for key, found in opened.items():
                if not isinstance(found, Catalogue):
                    store.backlog.add(key, Page(found))
            asyncio.run(_run(store, catalogues, client, watch, retry))
        store.finish()
        return _summary(store, watch)


def _prepare(options: Options) -> None:
    """Readies the process for many connections and large pictures."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows, or not allowed
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * options.connections + FILES  # each fills a file
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(hard, wanted), hard))
    with contextlib.suppress(AttributeError, OSError, TypeError):  # only glibc has it
        # M_MMAP_THRESHOLD: else each thread keeps the memory of its decoded pictures, 1.7 GB in all instead of 0.3.
        ctypes.CDLL(None).mallopt(-3, 1 << 20)
    Image.init()  # while files can be opened


async def _run(store: Store, catalogues: dict[str, Catalogue], client: Client, watch: Watch, retry: bool) -> None:
    async with client:
        await Collector(store, catalogues, client, Hosts(store.options), watch, retry).run()


def _summary(store: Store, watch: Watch) -> str:
    folder, flag = shlex.quote(str(store.folder)), " --allow-private" if store.options.allow_private else ""
    again = f"zoo collect --resume {folder} --retry-failed{flag}"
    if not len(store.backlog):
        raise ZooError("SOURCE names no pictures")
    reasons, private = _reasons(store)
    allowing = f"zoo collect --resume {folder} --allow-private" if private and not flag else ""
    if not store.kept:
        told = f"no picture from {len(store.backlog):,} addresses"
        if not reasons:
            raise ZooError(f"{told}: none was requested yet\nleave out --retry-failed, which retries only failures")
        way_out = allowing or (again if store.failed else f"see {folder}/ledger.jsonl")
        raise ZooError(f"{told}; most often: {_most_often(reasons)}\n{way_out}")
    missing = f", {store.missing} missing" if store.missing else ""
    lines = [
        str(watch) or "nothing new",
        f"Pictures: {folder}  ({store.kept:,}{missing})",
        f"Ledger:   {folder}/ledger.jsonl",
    ]
    if store.backlog.repeated:
        lines.append(f"Repeated: {store.backlog.repeated:,} addresses were listed before")
    if store.failed:
        lines.append(f"Failed:   {len(store.failed):,}; most often: {_most_often(reasons, 'failed')}  ({again})")
    if allowing:
        lines.append(f"Private:  {private:,} left out  ({allowing})")
    return "\n".join(lines)


def _reasons(store: Store) -> tuple[Counter[tuple[str, str]], int]:
    """Counts of failures by status and reason; and the number of addresses left out because they are private."""
    found, private = Counter[tuple[str, str]](), 0
    for record in store.ledger:
        key = (record["status"], str(record.get("reason") or "unknown"))
        if record["status"] in FAILURES and (key in found or len(found) < REASONS):
            found[key] += 1
        private += is_private(record)
    return found, private


def _most_often(reasons: Counter[tuple[str, str]], status: str | None = None) -> str:
    """The most frequent reason, without passwords, which a ledger of an earlier zoo may contain."""
    counts = {reason: count for (kind, reason), count in reasons.items() if status in (None, kind)}
    return redact(max(counts, key=counts.__getitem__, default="see the ledger"))
