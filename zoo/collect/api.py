"""Asks a catalogue as politely as any other server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.text import printable
from zoo.collect.addresses import Api
from zoo.collect.fetch import Client, Redirect, parse
from zoo.collect.guard import PRIVATE
from zoo.collect.hosts import PATIENCE, Hosts, backoff
from zoo.collect.options import Options
from zoo.collect.trouble import FetchError

MAX_ANSWER = 1 << 20  # bytes of an answer
PACE = 1.0  # seconds between requests, as Openverse asks of anonymous users
BUSY = {"maxlag", "ratelimited"}  # codes of a busy MediaWiki, sent under status 200
LAG = 5.0  # seconds to wait then, by MediaWiki's documentation


def polite(client: Client, options: Options) -> Api:
    """Returns the function that asks the catalogues of a run.

    A documented API is meant for programs. So robots.txt, which tells crawlers what to leave, is not read.
    """
    hosts = Hosts(replace(options, delay=max(options.delay, PACE)))

    async def ask(url: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await _ask(client, hosts, url, parameters, headers)
            except FetchError as error:
                wait = backoff(attempt, error.wait)
                if not error.again or attempt > options.retries or wait > PATIENCE:
                    way_out = "\nallow it with --allow-private" if PRIVATE in error.reason else ""
                    raise ZooError(f"{url}: {printable(error.reason)}{way_out}") from None
            await asyncio.sleep(wait)

    return ask


async def _ask(
    client: Client, hosts: Hosts, url: str, parameters: Mapping[str, str], headers: Mapping[str, str]
) -> Any:
    parsed = parse(url).update_query(dict(parameters))
    with hosts.of(parsed) as host:
        async with hosts.turn(host):
            content = await client.read(parsed, MAX_ANSWER, headers=headers)
    if isinstance(content, Redirect):
        raise FetchError("moved; give the new address by --endpoint")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise FetchError("the answer is not JSON") from None
    match answer:
        case {"error": {"code": str(code)}} if code in BUSY:
            raise FetchError(f"the server says {code}", again=True, wait=LAG)
    return answer
