"""Signals that end a run: after the running step while it trains, otherwise at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

import torch
import torch.distributed as dist
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Trainer
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector

HEARD = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
SAID = "\nInterrupted: the run ends after this step, or after validation. Ctrl-C ends it at once.\n"
LAST_SECONDS = 10.0  # for processes of a run to end by themselves


class Signals:
    """Receives the signals that end a run, as a context.

    While a training runs, a signal only sets a flag: in the middle of a step the weights belong to one batch, their
    averages to another, and other processes wait in collective operations. Where nothing would be lost, before and
    after, it ends the process at once.

    Attributes:
        received: the signal that this process got.
        ending: the signal after which all processes of the run end, once they agree.
        deferring: whether a signal waits for the end of the step.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.ending: int | None = None
        self.deferring = False
        self._before: dict[int, Any] = {}
        self._group: Any = None

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in HEARD if signal.getsignal(number) != signal.SIG_IGN]  # as under nohup
            self._before = {number: signal.signal(number, self._hear) for number in heard}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        again, self.received = self.received is not None, number
        if self.deferring and not (again and number == signal.SIGINT):
            if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
                os.write(2, SAID.encode())  # print may be in the middle of another line
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            sys.exit(128 + number)  # as a shell reports it

    def defer(self, trainer: Trainer) -> None:
        """Makes signals wait for the end of a step; every process of the run calls this."""
        if trainer.world_size > 1 and dist.is_initialized():
            self._group = dist.new_group(backend="gloo")  # not the network's, whose answer would wait for the GPU
        self.deferring = True

    def agreed(self, due: bool = False) -> bool:
        """Tells all processes of a signal that one of them received; every process calls this at the same step.

        Args:
            due: whether this process wants a checkpoint.

        Returns:
            Whether any process wants one.
        """
        told = torch.tensor([self.received or 0, due])
        if self._group is not None:
            dist.all_reduce(told, dist.ReduceOp.MAX, self._group)
        self.ending = int(told[0]) or None  # a signal that came meanwhile waits for the next step
        return bool(told[1])


class NoSignals(_SignalConnector):
    """Instead of Lightning's handlers, which start collective operations in the middle of others."""

    def register_signal_handlers(self) -> None:
        self.received_sigterm = False

    def teardown(self) -> None:
        """Does nothing: there is nothing to restore."""


def leave_signals(trainer: Trainer) -> None:
    """Keeps Lightning from handling signals, and from asking at every step whether one came."""
    trainer._signal_connector = NoSignals(trainer)
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]


def end_others(trainer: Trainer, at_once: bool) -> None:
    """Waits for the processes that this one started, and kills those that remain.

    Lightning watches them and would kill this process, too, when one ends with an error.

    Args:
        trainer: trainer whose launcher started them.
        at_once: whether not to wait.
    """
    started = getattr(trainer.strategy.launcher, "procs", [])
    for each in started:
        try:
            each.wait(0 if at_once else LAST_SECONDS)
        except Exception:  # it runs still
            each.kill()
    started.clear()
