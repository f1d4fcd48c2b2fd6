"""What computes a forward pass: arrays in, arrays out. Prediction is written once, against this."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from zoo.base.errors import ZooError


class Engine(Protocol):
    """Computes a network's forward pass, by whatever library.

    Attributes:
        device: where it computes, such as "cpu" or "cuda:0": whose memory limits what it can be given.
    """

    @property
    def device(self) -> str: ...

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """The network's outputs for a batch.

        Args:
            x: ``(B, C, H, W)`` float32 in 0..1.

        Returns:
            What :meth:`zoo.models.base.Model.infer` gives, as contiguous float32 arrays.
        """
        ...


def network_of(engine: Engine, work: str) -> Any:
    """The network itself, for what needs more than its forward pass.

    Args:
        engine: torch's, or another.
        work: what needs it, for the error.

    Raises:
        ZooError: the engine has no network that can be reached into.
    """
    net = getattr(engine, "net", None)
    if net is None:
        raise ZooError(f"{work} needs the network itself, which only torch's engine has")
    return net
