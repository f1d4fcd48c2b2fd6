"""Output of a run while it trains: a progress bar on a terminal, else one line per epoch."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar

from zoo.base.text import cell_text


def progress() -> ProgressBar:
    """The progress output that suits standard output."""
    return RichProgressBar() if sys.stdout.isatty() else EpochLines()


class EpochLines(ProgressBar):
    """Prints one line per epoch, for logs: number, mean loss, figures that choose checkpoints, and seconds."""

    def disable(self) -> None:
        """Does nothing: processes of another rank than 0 print no lines anyway."""

    KEY = "epoch_so_far"  # no state of a callback, which a run without this one would have to have
    before: Mapping[str, Any] = {}

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        seconds = time.monotonic() - self.began
        checkpoint[self.KEY] = {"losses": float(self.losses), "batches": self.batches, "seconds": seconds}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.before = checkpoint.get(self.KEY, {})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the epoch too, since a run that is resumed in the middle of an epoch does not begin it again."""
        self.on_train_epoch_start(trainer, pl_module)
        if self.before and trainer.fit_loop.restarted_mid_epoch:
            self.losses, self.batches = self.before["losses"], self.before["batches"]
            self.began -= self.before["seconds"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.began, self.validated = time.monotonic(), False
        self.losses, self.batches = 0.0, 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        if isinstance(outputs, Mapping) and "loss" in outputs:  # detached; read once per epoch: it may be on a GPU
            self.losses += outputs["loss"] * trainer.accumulate_grad_batches  # by which Lightning has divided it
            self.batches += 1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        figures = {"train/loss": float(self.losses) / self.batches} if self.batches else {}
        fresh = self.validated or not trainer.enable_validation
        for name in _monitored(trainer, pl_module):
            if name in trainer.callback_metrics and (fresh or name.startswith("train")):
                figures[name] = float(trainer.callback_metrics[name])
        total = _epochs(trainer)
        parts = [f"epoch {trainer.current_epoch + 1}{f'/{total}' if total else ''}"]
        parts += [f"{name} {cell_text(value)}" for name, value in figures.items()]
        print("  ".join([*parts, f"{time.monotonic() - self.began:.0f} s"]), flush=True)  # noqa: T201


def monitor_of(module: LightningModule) -> tuple[str, str] | None:
    """The figure that chooses a module's best checkpoint, with ``"min"`` or ``"max"``; None if it names none."""
    monitor = getattr(module, "monitor", None)
    return monitor if isinstance(monitor, tuple) and len(monitor) == 2 else None


def _monitored(trainer: Trainer, module: LightningModule) -> list[str]:
    names = [(monitor_of(module) or (None,))[0], *(getattr(each, "monitor", None) for each in trainer.callbacks)]  # type: ignore[attr-defined]
    return list(dict.fromkeys(name for name in names if name))


def _epochs(trainer: Trainer) -> int | None:
    """Number of epochs of the run, by its limit of epochs or steps; None if neither is limited."""
    limits = [trainer.max_epochs or -1]
    batches = trainer.num_training_batches
    if trainer.max_steps > 0 and 0 < batches < math.inf:
        limits.append(math.ceil(trainer.max_steps / math.ceil(batches / trainer.accumulate_grad_batches)))
    return min((limit for limit in limits if limit > 0), default=None)
