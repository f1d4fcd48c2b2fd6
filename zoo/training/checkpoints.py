"""Checkpoints: reading, writing of whole files, and what they say of their run."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.base import __version__
from zoo.base.errors import ZooError
from zoo.base.files import replace


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, without running anything in it.

    Raises:
        ZooError: the file is missing, damaged or not a checkpoint, or a newer zoo wrote it.
    """
    if not path.is_file():
        raise ZooError(f"{path}: no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint = {**checkpoint, "state_dict": dict(checkpoint["state_dict"])}
    except Exception as error:  # torch has no common error for what it cannot read
        raise ZooError(f"{path}: damaged, or not a Lightning checkpoint") from error
    about = checkpoint.get(Described.KEY)
    if isinstance(about, dict) and _numbers(made := str(about.get("zoo_version", ""))) > _numbers(__version__):
        raise ZooError(
            f"{path}: zoo {made} wrote it, which is newer than this zoo {__version__}: pip install -U lightning-zoo"
        )
    return checkpoint


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


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


class Described(Callback):
    """Describes the network and its training in every checkpoint, so that a card can be made from it.

    Args:
        about: plain values, for :func:`zoo.training.trained.read`.
    """

    KEY = "zoo"

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.about = dict(about)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[self.KEY] = {**self.about, "zoo_version": __version__, "arguments": pl_module.arguments}
