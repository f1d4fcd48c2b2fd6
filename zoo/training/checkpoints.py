"""Checkpoints from which a run continues exactly, whatever interrupted it."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, OnExceptionCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.base.errors import ZooError
from zoo.base.files import replace


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, without running anything in it.

    Raises:
        ZooError: no such file, or one that is damaged or no checkpoint.
    """
    if not path.is_file():
        raise ZooError(f"{path}: no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        return {**checkpoint, "state_dict": dict(checkpoint["state_dict"])}
    except Exception as error:  # torch has no common error for what it cannot read
        raise ZooError(f"{path}: damaged, or not a Lightning checkpoint") from error


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it.

    Lightning's own writes it to the system's temporary folder, and where that is another file system moving it from
    there is a copy, of which a kill or a full disk leaves a part.
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
    """Finds its checkpoints again where a run is resumed from another folder, or was moved."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return os.path.join(self.dirpath or "", os.path.basename(path)) if path else path  # noqa: PTH118, PTH119

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        best_k = {here(path): score for path, score in state["best_k_models"].items()}
        moved = {"dirpath": self.dirpath, "best_k_models": best_k, **{name: here(state[name]) for name in paths}}
        super().load_state_dict({**state, **moved})


class InterruptCheckpoint(OnExceptionCheckpoint):
    """Keeps a run that was interrupted in its first epoch.

    Later the checkpoint of the last whole epoch stays: from there the run continues exactly as it would have been,
    from the middle of an epoch it would not.
    """

    def on_exception(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step and not Path(self.ckpt_path).exists():
            super().on_exception(trainer, *args, **kwargs)

    def teardown(self, *args: Any, **kwargs: Any) -> None:
        """Lightning's would remove the file."""


class Described(Callback):
    """Writes into every checkpoint what the network is and how it was trained, so that a card can be made of it.

    Args:
        about: plain values, for :func:`zoo.training.trained.read`.
    """

    KEY = "zoo"

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.about = dict(about)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[self.KEY] = {**self.about, "arguments": pl_module.arguments}
