"""Optimises a picture: a loss is minimised by L-BFGS or Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from zoo.base.errors import ZooError

FIRST_STEP = 0.01  # mean absolute change of the values, in 0..1, by the first step of L-BFGS
LARGEST_STEP = 0.05  # its maximum for other steps: without a line search a long step can leave the valley for good
WORSE = 2.0  # times the smallest loss: above it L-BFGS goes back to the best picture
HISTORY = 20  # pairs in the history of L-BFGS; torch's 100 would take five times the memory
LEARNING_RATES = {"lbfgs": 1.0, "adam": 0.02}


@dataclass(frozen=True, eq=False)
class Step:
    """One iteration.

    Args:
        number: number of the iteration, from 1.
        picture: picture after the iteration, ``(1, 3, H, W)`` in 0..1.
        loss: loss that the iteration evaluated, of the picture before it.
    """

    number: int
    picture: Tensor = field(repr=False)
    loss: float


class PictureLBFGS(torch.optim.LBFGS):
    """L-BFGS for one picture, without a line search: a step is one evaluation of loss and gradient.

    It is made for losses that are means over the picture: the larger the picture, the smaller the gradient of one
    value, so that torch's tolerances would stop and its guard would keep curvature out of the history. Therefore the
    gradient is scaled by its first mean absolute value, and the first step changes values by 1 % of the range. If the
    loss is not finite or far above the smallest one so far, the optimiser goes back to the picture with the smallest
    loss, clears the history, and starts again with half the first step.

    Args:
        params: the picture, ``(1, 3, H, W)``, contiguous with channels first.
        lr: factor of all steps except the first.
    """

    def __init__(self, params: Any, lr: float = 1.0) -> None:
        super().__init__(params, lr, max_iter=1, tolerance_grad=0, tolerance_change=0, history_size=HISTORY)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        group = self.param_groups[0]
        picture, lr = group["params"][0], group["lr"]
        state, before, failed = self.state[picture], picture.clone(), False

        def scaled() -> Any:
            nonlocal failed
            loss = closure()
            value = float(loss)
            size, smallest = float(picture.grad.abs().mean()), state.get("smallest", math.inf)
            failed = not (math.isfinite(value) and math.isfinite(size) and value <= WORSE * smallest)
            if failed:
                picture.grad.zero_()  # with a zero gradient L-BFGS does nothing
            elif value < smallest:
                state["smallest"], state["best"] = value, before
            if size > 0 and not failed:
                picture.grad.div_(state.setdefault("unit", size))
            return loss

        if not state.get("n_iter"):  # torch's first step is lr / sum(abs(gradient)) * gradient
            group["lr"] = state.get("first_step", FIRST_STEP) * picture.numel()
        try:
            loss = super().step(scaled)  # type: ignore[no-untyped-call]
        finally:
            group["lr"] = lr
        change = picture - before
        if failed or not change.isfinite().all():
            self._go_back(picture, before)
        elif (factor := LARGEST_STEP / max(float(change.abs().mean()), 1e-12)) < 1:
            picture.copy_(before + factor * change)
            state["t"] = state["t"] * factor  # the step that torch remembers
        return loss

    def _go_back(self, picture: Tensor, before: Tensor) -> None:
        """Goes back to the picture with the smallest loss, and clears the history."""
        old = self.state[picture]
        picture.copy_(old.get("best", before))
        kept = {key: old[key] for key in ("smallest", "best") if key in old}
        self.state[picture] = {**kept, "first_step": old.get("first_step", FIRST_STEP) / 2}


def make_optimizer(picture: nn.Parameter, name: str, lr: float | None = None) -> Optimizer:
    """The optimiser "lbfgs" or "adam" of a picture ``(1, 3, H, W)``; ``lr`` None: 1 for L-BFGS, 0.02 for Adam.

    Raises:
        ZooError: another name, or a learning rate that is not above 0.
    """
    if name not in LEARNING_RATES or not (lr is None or 0 < lr < math.inf):
        raise ZooError(f'the optimiser must be "lbfgs" or "adam" with a rate above 0, not {name!r} with {lr}')
    rate = LEARNING_RATES[name] if lr is None else lr
    return PictureLBFGS([picture], rate) if name == "lbfgs" else Adam([picture], rate)


def keep_finite(picture: Tensor) -> None:
    """Zeroes non-finite values of a gradient: no later step could repair a picture after a step along them."""
    if picture.grad is not None:
        picture.grad.nan_to_num_(0, 0, 0)


def descend(
    start: Tensor,
    loss: Callable[[Tensor], Tensor],
    iterations: int,
    *,
    optimizer: Literal["lbfgs", "adam"] = "lbfgs",
    lr: float | None = None,
) -> Iterator[Step]:
    """Changes a picture so that a loss gets smaller; every iteration evaluates loss and gradient once.

    Args:
        start: initial picture, ``(1, 3, H, W)`` in 0..1; not changed.
        loss: function from a picture, whose values may slightly leave 0..1, to a scalar.
        iterations: number of iterations.
        optimizer: "lbfgs" is :class:`PictureLBFGS`.
        lr: learning rate; None: 1 for L-BFGS, 0.02 for Adam.
    """
    picture = nn.Parameter(start.detach().float().clone(memory_format=torch.contiguous_format))
    chosen = make_optimizer(picture, optimizer, lr)

    def closure() -> float:
        with torch.enable_grad():
            chosen.zero_grad()
            value = loss(picture)
            value.backward()  # type: ignore[no-untyped-call]
            keep_finite(picture)
        return float(value.detach())

    for number in range(1, iterations + 1):
        value = chosen.step(closure)
        yield Step(number, picture.detach().clamp(0, 1), value)
