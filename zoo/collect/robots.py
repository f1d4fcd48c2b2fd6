"""Asking a host for its robots.txt."""

from __future__ import annotations

from zoo.collect.fetch import Client, Redirect, parse
from zoo.collect.frontier import PATIENCE, Frontier, Host, backoff
from zoo.collect.rules import Rules
from zoo.collect.trouble import FetchError

LARGEST = 500 << 10  # bytes that are read of one, the least that RFC 9309 demands
HOPS = 5


async def read_rules(client: Client, frontier: Frontier, host: Host, retries: int) -> None:
    """Asks a host once for its rules, which it must tell before anything else is asked of it.

    Sets its ``rules``, or closes it where they cannot be had: a server that fails may have rules, RFC 9309 says, and
    one that has no such file has none. After a failure that may pass neither is set.
    """
    host.rules_attempts += 1
    try:
        text = await _read(client, frontier, host)
        host.rules = Rules(text)
        if host.rules.delay > PATIENCE:
            host.closed = ("forbidden", f"robots.txt asks for {host.rules.delay:g} s between requests")
        host.least = max(host.least, host.rules.delay)
        host.interval = max(host.interval, host.least)
        frontier.hold(host, min(host.rules.delay, PATIENCE))
    except FetchError as error:
        wait = backoff(host.rules_attempts, error.wait)
        if error.status == "blocked":
            host.closed = (error.status, error.reason)
        elif not error.again and not error.unreachable:
            host.rules = Rules()
        elif not error.again or host.rules_attempts > retries or wait > PATIENCE:
            host.closed = ("failed", error.reason if error.unreachable else f"robots.txt: {error.reason}")
        else:
            frontier.hold(host, wait)


async def _read(client: Client, frontier: Frontier, host: Host) -> str:
    url = f"{host.name}/robots.txt"
    for hop in range(HOPS):
        parsed = parse(url)
        if hop:
            await frontier.turn(frontier.host(str(parsed.origin())))
        content = await client.read(parsed, LARGEST, cut=True)
        if not isinstance(content, Redirect):
            return content.decode("utf-8-sig", errors="replace")
        url = content.url
    return ""
