"""What the user may add to a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Options:
    """Every source takes some of these.

    Args:
        columns: the names that a list gives to the fields of an address, ``{"url": "IMAGE_LINK"}``.
        base: what the relative addresses of a saved page are relative to.
        endpoint: where a catalogue's API is, other than where it usually is.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    base: str | None = None
    endpoint: str | None = None
