"""A run that is a trial of a study: it keeps its figures, and ends early where most trials before it were better."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from zoo.base.errors import ZooError
from zoo.base.paths import shown
from zoo.base.text import cell_text
from zoo.nn.learning import RunFolder
from zoo.training.cli import say
from zoo.training.progress import monitor_of
from zoo.training.study import GIVEN, Pruning, Record, before, hopeless


class Reporting(Callback):
    """Reports the monitored figure after each validation.

    Args:
        record: number and values of the trial.
        pruning: when it may end early.
    """

    def __init__(self, record: Record, pruning: Pruning) -> None:
        self.record, self.pruning = record, pruning

    @classmethod
    def given(cls) -> list[Reporting]:
        """The callback of a run that is a trial, by the environment; none of another run."""
        if not (text := os.environ.get(GIVEN)):
            return []
        told = json.loads(text)
        return [cls(Record(told["number"], told["values"]), Pruning(**told["pruning"]))]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        kind = type(pl_module).__name__
        if (monitored := monitor_of(pl_module)) is None:
            raise ZooError(f"--study: {kind} names no figure to compare trials by: it needs monitor = (NAME, 'min')")
        if not trainer.enable_validation:
            raise ZooError("--study compares trials by validation, which is off: see --trainer.limit_val_batches")
        self.record.figure, self.record.direction = monitored
        self.run = Path(RunFolder.of(trainer) or ".")
        if kept := Record.read(self.run):  # of a run that was interrupted
            self.record.reports = kept.reports
        if trainer.is_global_zero:
            self.record.write(self.run)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        ends = False
        if trainer.is_global_zero and self.record.figure in trainer.callback_metrics:
            value = float(trainer.callback_metrics[self.record.figure])
            ends = self._report(_number(trainer), value, last=_is_last(trainer))
        if trainer.strategy.broadcast(ends):
            trainer.should_stop = True

    def _report(self, number: int, value: float, last: bool) -> bool:
        """Keeps a figure; returns whether the trial ends before its time."""
        self.record.reports[number] = value
        self.record.pruned = not last and hopeless(self.record, self.pruning, before(self.run))
        self.record.write(self.run)
        if self.record.pruned:
            told = f"{self.record.figure} {cell_text(value)} at validation {number + 1} is behind most trials"
            say(f"Pruned: {told}. To train on: zoo fit --resume {shown(self.run)}")
        return self.record.pruned


def _number(trainer: Trainer) -> int:
    """Number of a validation, from 0 on: the same for a run that was resumed."""
    between: Any = trainer.val_check_batch
    if math.isinf(between):  # data without a length: at the end of an epoch
        return trainer.current_epoch
    return max(0, (trainer.fit_loop.epoch_loop.total_batch_idx + 1) // int(between) - 1)


def _is_last(trainer: Trainer) -> bool:
    """Whether the training ends after this validation anyway."""
    ended = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
    last = ended and trainer.current_epoch + 1 == trainer.max_epochs
    return last or 0 < trainer.max_steps <= trainer.global_step
