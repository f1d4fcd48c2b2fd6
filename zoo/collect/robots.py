"""Asking a host for its robots.txt."""

from __future__ import annotations

from zoo.collect.fetch import Client, Redirect, parse
from zoo.collect.hosts import PATIENCE, Host, Hosts, backoff
from zoo.collect.rules import Rules
from zoo.collect.trouble import FetchError

LARGEST = 500 << 10  # bytes that are read of one, the least that RFC 9309 demands
HOPS = 5


async def read_rules(client: Client, hosts: Hosts, host: Host, retries: int) -> None:
    """Asks a host for its rules, which it must tell before anything else is asked of it.

    Sets its ``rules``, or closes it where they cannot be had: a server that fails may have rules, RFC 9309 says, and
    one that has no such file has none.
    """
    attempt = 0
    while host.rules is None and host.closed is None:
        attempt += 1
        try:
            host.rules = Rules(await _read(client, hosts, host))
        except FetchError as error:
            wait = backoff(attempt, error.wait)
            if error.status == "blocked":
                host.close(error.reason, error.status)
            elif not error.again and not error.unreachable:
                host.rules = Rules()
            elif not error.again or attempt > retries or wait > PATIENCE:
                host.close(error.reason if error.unreachable else f"robots.txt: {error.reason}")
            else:
                host.hold(wait)
    delay = host.rules.delay if host.rules else 0
    if delay > PATIENCE:
        host.close(f"robots.txt asks for {delay:g} s between requests", "forbidden")
    host.least = max(host.least, delay)
    host.interval = max(host.interval, host.least)
    host.hold(min(delay, PATIENCE))


async def _read(client: Client, hosts: Hosts, host: Host) -> str:
    url = f"{host.name}/robots.txt"
    for _ in range(HOPS):
        parsed = parse(url)
        with hosts.of(parsed) as asked:
            async with hosts.turn(asked):
                content = await client.read(parsed, LARGEST, cut=True)
        if not isinstance(content, Redirect):
            return content.decode("utf-8-sig", errors="replace")
        url = content.url
    return ""
