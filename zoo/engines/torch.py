"""Torch as an engine: the network itself computes."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch

from zoo.nn.mode import evaluating


class TorchEngine:
    """Runs a network in eval mode, on its device and in its precision; see :class:`zoo.engines.Engine`.

    Args:
        net: network with ``infer``, a :class:`zoo.models.base.Model`.
        autocast: whether layers that profit from it compute in bfloat16.
    """

    def __init__(self, net: torch.nn.Module, autocast: bool = False) -> None:
        self.net, self.autocast = net, autocast

    @property
    def device(self) -> str:
        return str(self._like().device)

    def _like(self) -> torch.Tensor:
        return next(chain(self.net.parameters(), self.net.buffers()))

    @torch.inference_mode()
    def __call__(self, x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        like = self._like()
        batch = torch.from_numpy(x).to(like.device, like.dtype, memory_format=torch.channels_last)
        further = () if weights is None else (torch.from_numpy(weights).to(like.device, like.dtype),)
        with evaluating(self.net), torch.autocast(like.device.type, torch.bfloat16, enabled=self.autocast):
            outputs: tuple[torch.Tensor, ...] = self.net.infer(batch, *further)  # type: ignore[operator]
        return tuple(output.float().cpu().contiguous().numpy() for output in outputs)
