"""The one device on which a verb computes."""

from __future__ import annotations

import sys


def chosen_device(name: str | None, engine: str) -> str:
    """The device that was asked for, else the first GPU, else the CPU; prints it where there is a choice.

    Args:
        name: the device as the engine names it; None: the first GPU if torch computes and finds one.
        engine: what computes.
    """
    if engine != "torch":
        return "cpu" if name is None else name
    import torch  # takes seconds

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = ("cuda:0" if count else "cpu") if name is None else name
    if count:
        others = f", one of {count} GPUs" if count > 1 and device != "cpu" else ""
        print(f"Device: {device}{others} (--device takes another)", file=sys.stderr)  # noqa: T201
    return device
