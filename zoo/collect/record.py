"""The lines of a ledger as they come about."""

from __future__ import annotations

from datetime import datetime, timezone
from hashlib import sha256
from typing import Any

from zoo.base.text import printable
from zoo.collect.fetch import Body
from zoo.collect.frontier import Job
from zoo.collect.picture import Picture


def record_of(job: Job, status: str, reason: str | None, label: str | None) -> dict[str, Any]:
    """What is known of any address that is settled.

    Args:
        label: where the address has none.
    """
    address = job.address
    return {
        "url": address.url,
        "status": status,
        "reason": None if reason is None else printable(reason),
        "final_url": job.url if job.requests else None,
        "requests": job.requests,
        "thumbnail": address.thumbnail,
        "label": address.label or label,
        "license": address.license,
        "page": address.page,
        "creator": address.creator,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def facts_of(body: Body, picture: Picture) -> dict[str, Any]:
    """What is known of a picture but its place in the folder."""
    facts: dict[str, Any] = {
        "bytes": body.size,
        "digest": body.digest,
        "type": picture.format.lower(),
        "size": [picture.width, picture.height],
        "phash": picture.phash,
    }
    if picture.upright is not None:
        facts.update(bytes=len(picture.upright), digest=sha256(picture.upright).hexdigest(), arrived=body.digest)
    return facts
