"""Ends a run such that it resumes exactly, and keeps checkpoints between the ends of epochs."""

from __future__ import annotations

import random
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities.types import _Stateful
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loops.loop import _Loop

from zoo.data.sampling import EpochSampler
from zoo.data.style_pair import StylePair
from zoo.training.cli import say
from zoo.training.progress import monitor_of
from zoo.training.signals import Signals
from zoo.training.states import State


class Resumable(Checkpoint):
    """Ends an interrupted run after a step, so that it resumes from there exactly, and saves it from time to time.

    If validation or the end of an epoch follows, the run ends after it. Random numbers of a step are seeded by the
    number of the batch; otherwise dropout would resume with different ones.

    Args:
        path: path of the checkpoint that is written in the middle of an epoch.
        seed: seed of the run; None seeds nothing.
        signals: signals that the process receives.
        every: seconds between two checkpoints in the middle of an epoch.
    """

    DEVICES = "devices"  # in checkpoints

    def __init__(self, path: Path, seed: int | None, signals: Signals, every: float = float("inf")) -> None:
        self.path, self.seed, self.signals, self.every = path, seed, signals, every
        self.saved = time.monotonic()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.path = Path(trainer.strategy.broadcast(str(self.path)))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[self.DEVICES] = trainer.world_size
        self._tell(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._tell(trainer, pl_module, complete=True)

    def _tell(self, trainer: Trainer, module: LightningModule, complete: bool = False) -> None:
        """Writes how far the run is."""
        if trainer.is_global_zero:
            figure = (monitor_of(module) or ("",))[0]
            value = float(trainer.callback_metrics[figure]) if figure in trainer.callback_metrics else None
            epochs: Any = trainer.fit_loop.epoch_progress.current
            State(epochs.processed, trainer.global_step, figure, value, complete).write(self.path.parents[1])

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        now = trainer.world_size
        if trainer.state.fn == "fit" and (before := checkpoint.get(self.DEVICES, now)) != now:
            told = "learning rates keep their curve, but the order of the samples differs"
            say(f"The run was on {before} devices and is now on {now}: {told}")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loop = trainer.fit_loop
        if loop.restarted_on_epoch_end:  # with max_steps, Lightning would count that epoch twice
            _Loop.restarting.fset(loop, False)  # type: ignore[attr-defined]  # the loop's own makes it True again
            loop.reset_restart_stage()
            loop.epoch_progress.increment_completed()
        if self._exact(trainer):
            warnings.filterwarnings("ignore", ".*resuming from a checkpoint that ended before the epoch ended")
        self._restart_data(trainer)
        self.saved = time.monotonic()
        self.signals.defer(trainer)

    @staticmethod
    def _restart_data(trainer: Trainer) -> None:
        """Makes the loader anew if it was made before the checkpoint was read.

        A module that asks for ``estimated_stepping_batches`` in ``configure_optimizers`` makes Lightning do that.
        """
        loop, sampler = trainer.fit_loop, getattr(trainer.train_dataloader, "sampler", None)
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        early = isinstance(sampler, EpochSampler) and sampler.first == (0, 0) != data.start()
        if early or (loop.restarting and loop._combined_loader_states_to_load):
            loop._combined_loader = None
            loop.setup_data()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self.seed is not None:
            number = trainer.fit_loop.epoch_loop.total_batch_idx
            state = np.random.SeedSequence((self.seed, number, trainer.global_rank)).generate_state(1)[0]
            torch.manual_seed(state)
            np.random.seed(state)  # noqa: NPY002  modules of others may use it
            random.seed(int(state))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        due = self.signals.agreed(trainer.is_global_zero and time.monotonic() - self.saved >= self.every)
        if not (due or self.signals.ending):
            return
        made, validated = batch_idx + 1, trainer.val_check_batch
        last = made >= trainer.num_training_batches or (validated and made % validated == 0)
        if last or made % trainer.accumulate_grad_batches:
            return
        if self._exact(trainer):
            trainer.save_checkpoint(self.path)
            self.saved = time.monotonic()
        self._end()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the run; the callback that writes the epoch's checkpoint runs before this one."""
        self.saved = time.monotonic()
        self.signals.agreed()
        self._end()

    def _end(self) -> None:
        if self.signals.ending:
            self.signals.deferring = False
            sys.exit(128 + self.signals.ending)

    @staticmethod
    def _exact(trainer: Trainer) -> bool:
        """Whether the data resume exactly in the middle of an epoch."""
        data: Any = trainer.train_dataloader
        own = isinstance(getattr(data, "sampler", None), EpochSampler)
        return own or isinstance(data, _Stateful) or isinstance(trainer.datamodule, StylePair)  # type: ignore[attr-defined]

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.signals.deferring = False
