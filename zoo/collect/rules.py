"""What a robots.txt allows, by RFC 9309."""

from __future__ import annotations

from protego import Protego

from zoo.collect.fetch import parse

TOKEN = "lightning-zoo"  # noqa: S105  # the product that rules may name


class Rules:
    """What a host lets a program fetch, and how often.

    Args:
        text: of its robots.txt; "" where it has none.
    """

    def __init__(self, text: str = "") -> None:
        self._rules = Protego.parse(text)
        self.delay = float(self._rules.crawl_delay(TOKEN) or 0)  # seconds

    def allow(self, url: str) -> bool:
        """Tells whether an address may be asked, in the form in which it would be."""
        return bool(self._rules.can_fetch(str(parse(url)), TOKEN))
