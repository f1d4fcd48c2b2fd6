"""The devices that networks can compute on."""

from __future__ import annotations

from contextlib import suppress

import torch

from zoo.base.errors import ZooError


def devices() -> list[str]:
    """Names of the available devices, such as cpu and cuda:0."""
    if not torch.accelerator.is_available():
        return ["cpu"]
    kind = torch.accelerator.current_accelerator()
    return ["cpu", *(f"{kind}:{number}" for number in range(torch.accelerator.device_count()))]


def usable_device(name: str | torch.device) -> torch.device:
    """The device of a name, such as "cpu", "cuda" or "cuda:1".

    Raises:
        ZooError: the device is not available; the message lists the available ones.
    """
    there = devices()
    with suppress(RuntimeError, TypeError, ValueError):  # torch has no common error for invalid names
        device = torch.device(name)
        if f"{device.type}:{device.index or 0}" in {*there, "cpu:0"}:
            return device
    raise ZooError(f"device {str(name)!r:.60} is not here; there are: {', '.join(there)}")
