"""Checkpoints from which an interrupted run resumes exactly."""

from __future__ import annotations

import io
import os
import signal
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.data.sampling import EpochSampler
from zoo.data.style_pair import StylePair
from zoo.training import slurm


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, without running anything in it.

    Raises:
        ZooError: the file is missing, damaged or not a checkpoint.
    """
    if not path.is_file():
        raise ZooError(f"{path}: no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        return {**checkpoint, "state_dict": dict(checkpoint["state_dict"])}
    except Exception as error:  # torch has no common error for what it cannot read
        raise ZooError(f"{path}: damaged, or not a Lightning checkpoint") from error


class Done(NamedTuple):
    """Progress of a run: whole epochs, and steps of the optimiser."""

    epochs: int = 0
    steps: int = 0

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any]) -> Done:
        """The progress in a checkpoint; unknown, so 0, without Lightning's loops."""
        try:
            progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]
            return cls(int(progress["processed"]), int(checkpoint["global_step"]))
        except (KeyError, TypeError, ValueError):
            return cls()


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its destination and renames it.

    Lightning writes it to the system's temporary folder. If that is another file system, the move is a copy, of which
    a kill or a full disk leaves a part.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        if "://" in str(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            replace(Path(path), buffer.getvalue())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error


class RunCheckpoint(ModelCheckpoint):
    """Finds its checkpoints again after a run was moved, or when it is resumed from another folder."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return os.path.join(self.dirpath or "", os.path.basename(path)) if path else path  # noqa: PTH118, PTH119

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        best_k = {here(path): score for path, score in state["best_k_models"].items()}
        moved = {"dirpath": self.dirpath, "best_k_models": best_k, **{name: here(state[name]) for name in paths}}
        super().load_state_dict({**state, **moved})


class Resumable(Checkpoint):
    """Ends an interrupted run after a step, so that it resumes from there exactly.

    A signal only sets a flag: in the middle of a step the weights belong to one batch, the averages to another. If
    validation or the end of an epoch follows, the run ends after it. Random numbers of a step are seeded by the number
    of the batch; otherwise dropout would resume with different ones.

    Args:
        path: path of the checkpoint that is written in the middle of an epoch.
        seed: seed of the run; None seeds nothing.
    """

    SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
    SAID = "\nInterrupted: the run ends after this step, or after validation. Ctrl-C ends it at once.\n"

    def __init__(self, path: Path, seed: int | None) -> None:
        self.path, self.seed = path, seed
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.path = Path(trainer.strategy.broadcast(str(self.path)))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loop = trainer.fit_loop
        if loop.restarted_on_epoch_end:  # with max_steps, Lightning would count that epoch twice
            _Loop.restarting.fset(loop, False)  # type: ignore[attr-defined]  # the loop's own makes it True again
            loop.reset_restart_stage()
            loop.epoch_progress.increment_completed()
        if self._exact(trainer):
            warnings.filterwarnings("ignore", ".*resuming from a checkpoint that ended before the epoch ended")
        signals = [*self.SIGNALS, *([slurm.SIGNAL] if slurm.job() else [])]
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]  # as under nohup
            self._before = {number: signal.signal(number, self._mark) for number in heard}

    def _mark(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
        os.write(2, self.SAID.encode())  # print may be in the middle of another line

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self.seed is not None:
            number = trainer.fit_loop.epoch_loop.total_batch_idx
            torch.manual_seed(np.random.SeedSequence((self.seed, number, trainer.global_rank)).generate_state(1)[0])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not self._asked(trainer):
            return
        made, validated = batch_idx + 1, trainer.val_check_batch
        last = made >= trainer.num_training_batches or (validated and made % validated == 0)
        if last or made % trainer.accumulate_grad_batches:
            return
        if self._exact(trainer) or not self.path.exists():
            trainer.save_checkpoint(self.path)
        raise KeyboardInterrupt

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the run; the callback that writes the epoch's checkpoint runs before this one."""
        if self._asked(trainer):
            raise KeyboardInterrupt

    def _asked(self, trainer: Trainer) -> bool:
        """Whether any process received a signal to end."""
        asked = self.received is not None
        return asked if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(asked, all=False)

    @staticmethod
    def _exact(trainer: Trainer) -> bool:
        """Whether the data resume exactly in the middle of an epoch."""
        data = trainer.train_dataloader
        return isinstance(getattr(data, "sampler", None), EpochSampler) or isinstance(trainer.datamodule, StylePair)  # type: ignore[attr-defined]

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class Described(Callback):
    """Describes the network and its training in every checkpoint, so that a card can be made from it.

    Args:
        about: plain values, for :func:`zoo.training.trained.read`.
    """

    KEY = "zoo"

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.about = dict(about)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[self.KEY] = {**self.about, "arguments": pl_module.arguments}
