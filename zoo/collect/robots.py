"""Reads a host's robots.txt, and decides what it allows by RFC 9309."""

from __future__ import annotations

from protego import Protego

from zoo.collect.fetch import Client, Redirect, parse
from zoo.collect.hosts import PATIENCE, Host, Hosts, backoff
from zoo.collect.trouble import FetchError

TOKEN = "lightning-zoo"  # noqa: S105  # the product that rules may name
MAX_BYTES = 500 << 10  # bytes read of a robots.txt, the least that RFC 9309 demands
HOPS = 5


class Rules:
    """What a host lets a program fetch, and how often.

    Args:
        text: content of the host's robots.txt; "" if it has none.
    """

    def __init__(self, text: str = "") -> None:
        self._rules = Protego.parse(text)
        self.delay = float(self._rules.crawl_delay(TOKEN) or 0)  # seconds

    def allow(self, url: str) -> bool:
        """Whether an address may be requested, in the form in which it would be sent."""
        return bool(self._rules.can_fetch(str(parse(url)), TOKEN))


async def read_rules(client: Client, hosts: Hosts, host: Host, retries: int) -> None:
    """Reads a host's rules, before anything else is requested from it.

    Sets what the host ``allows``, or closes the host if its rules cannot be read. By RFC 9309, a server that fails may
    have rules, and a server without a robots.txt has none.
    """
    rules, attempt = None, 0
    while rules is None:
        attempt += 1
        try:
            rules = Rules(await _read(client, hosts, host))
        except FetchError as error:
            wait = backoff(attempt, error.wait)
            if error.status == "blocked":
                host.close(error.reason, error.status)
                return
            if not error.again and not error.unreachable:
                rules = Rules()
            elif error.again and attempt <= retries and wait <= PATIENCE:
                host.hold(wait)
            else:
                host.close(error.reason if error.unreachable else f"robots.txt: {error.reason}")
                return
    host.allows = rules.allow
    host.least = max(host.least, rules.delay)
    host.interval = max(host.interval, host.least)
    host.hold(min(rules.delay, PATIENCE))
    if rules.delay > PATIENCE:
        host.close(f"robots.txt asks for {rules.delay:g} s between requests", "forbidden")


async def _read(client: Client, hosts: Hosts, host: Host) -> str:
    url = f"{host.name}/robots.txt"
    for _ in range(HOPS):
        parsed = parse(url)
        with hosts.of(parsed) as asked:
            async with hosts.turn(asked):
                content = await client.read(parsed, MAX_BYTES, cut=True)
        if not isinstance(content, Redirect):
            return content.decode("utf-8-sig", errors="replace")
        url = content.url
    return ""
