"""Base of the LightningModules: run folder, sheets of pictures, means, optimisers and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric

from zoo.base.errors import ZooError
from zoo.base.text import first_line
from zoo.nn.schedule import WarmupPolyLR
from zoo.pictures.results import save_png


class RunFolder(Callback):
    """Tells modules the folder of a run.

    Args:
        path: the folder, which exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def of(trainer: Trainer) -> Path | None:
        """The folder of a run: from this callback, otherwise from its logger; None: nothing is kept."""
        folders = (each.path for each in trainer.callbacks if isinstance(each, RunFolder))  # type: ignore[attr-defined]
        # trainer.log_dir would wait for the other ranks
        return next(folders, None) or getattr(trainer.logger, "log_dir", None)


class PictureLog:
    """Sheets of validation pictures, in TensorBoard and in the run folder.

    Args:
        every_n_epochs: epochs between two sheets of a fit; a separate validation or test gets one sheet.
    """

    def __init__(self, every_n_epochs: int) -> None:
        self.every_n_epochs, self.next = every_n_epochs, 0

    def __call__(self, module: LightningModule, draw: Callable[[], Image.Image]) -> None:
        """Calls ``draw`` and saves its sheet if one is due."""
        trainer, logger, epoch = module.trainer, module.logger, module.current_epoch
        fitting = trainer.state.fn == "fit"
        too_early = fitting and (trainer.sanity_checking or epoch < self.next)
        folder = RunFolder.of(trainer)
        if too_early or folder is None or not trainer.is_global_zero:
            return
        self.next = epoch + self.every_n_epochs
        sheet = draw()
        name = f"epoch_{epoch:03d}" if fitting else "test" if trainer.testing else "val"
        path = Path(folder) / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(sheet, path)
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image("val", np.array(sheet), module.global_step, dataformats="HWC")


class Learner(LightningModule):
    """Base of LightningModules that train a network; a subclass sets ``net``, ``optimizer`` and ``lr_scheduler``.

    Attributes:
        learns_from: the zoo's DataModule for this module, or a base class of several; your own DataModule may be any.
        one_device: whether several devices would only do the same work.

    A test is a validation on other data. A validation or test outside of a fit prints its figures.

    Args:
        figures: names of the figures that :meth:`log_means` gets.
    """

    learns_from: ClassVar[type[LightningDataModule]] = LightningDataModule
    one_device: ClassVar[bool] = False
    net: nn.Module
    optimizer: OptimizerCallable
    lr_scheduler: LRSchedulerCallable | None

    def __init__(self, *figures: str) -> None:
        super().__init__()
        self.held: list[nn.Module] = []
        self.means = nn.ModuleDict({name: MeanMetric("disable") for name in figures})  # NaN makes the mean NaN

    def hold(self, **parts: nn.Module | None) -> None:
        """Sets frozen parts of the loss as attributes that move with the module but are no submodules.

        DDP would send the buffers of submodules to all processes before every step, and weight averaging would average
        them.
        """
        self.__dict__ |= parts
        self.held += filter(None, parts.values())

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        for part in self.held:
            part._apply(fn)  # type: ignore[no-untyped-call]
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    @property
    def split(self) -> str:
        """The measured split: "val" or "test"."""
        return "test" if self.trainer.testing else "val"

    def forward(self, x: Tensor) -> Tensor:
        """The network's output as float32, whatever its precision."""
        return self.net(self.as_weights(x)).float()

    def as_weights(self, x: Tensor) -> Tensor:
        """Converts x to the precision of the network's weights."""
        return x.to(next(self.net.parameters()).dtype)

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        return self.validation_step(batch, batch_idx)

    def log_means(self, figures: Mapping[str, Tensor]) -> None:
        """Adds figures of a validation or test batch, each ``(B,)`` or a scalar; logs their means over all batches."""
        for name, values in figures.items():
            mean: Any = self.means[name]
            mean.update(values)
            self.log(f"{self.split}/{name}", mean, on_epoch=True, prog_bar=True)

    def found(self) -> dict[str, float]:
        """The means so far."""
        return {name: float(mean.compute()) for name, mean in self.means.items()}  # type: ignore[operator]

    def end_epoch(self) -> str:
        """Logs the remaining figures of a validation or test; returns the text to print."""
        raise NotImplementedError

    def on_validation_epoch_end(self) -> None:
        told = self.end_epoch()
        if self.trainer.state.fn != "fit" and self.trainer.is_global_zero:
            print(told)  # noqa: T201

    def on_test_epoch_end(self) -> None:
        self.on_validation_epoch_end()

    def make_optimizer(self) -> Optimizer:
        return self.optimizer(self.net.parameters())

    def configure_optimizers(self) -> Any:
        """A schedule steps after every batch; a schedule that waits for a figure steps after every validation."""
        with _blaming("optimizer"):
            optimizer = self.make_optimizer()
        if self.lr_scheduler is None:
            return optimizer
        with _blaming("lr_scheduler"):
            scheduler = self.lr_scheduler(optimizer)
            if isinstance(scheduler, ReduceLROnPlateau):
                return {"optimizer": optimizer, "lr_scheduler": self._watching(scheduler)}
        endless = isinstance(scheduler, WarmupPolyLR) and not scheduler.told and self.trainer.max_epochs == -1
        if endless and self.trainer.max_steps == -1:
            raise ZooError(
                "model.lr_scheduler: WarmupPolyLR decays over the length of the run, but this run has no length\n"
                "set --trainer.max_epochs N or --trainer.max_steps N, or take another schedule (null: no schedule)"
            )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _watching(self, scheduler: ReduceLROnPlateau) -> dict[str, Any]:
        """How Lightning steps a schedule that waits for a figure: its own figure, or the one that selects checkpoints.

        For the latter the better direction is known and replaces the schedule's default.
        """
        best, direction = getattr(self, "monitor", ("val/loss", "min"))
        monitor = getattr(scheduler, "monitor", best)
        if monitor == best and scheduler.mode != direction:
            scheduler = self.lr_scheduler(scheduler.optimizer, mode=direction)  # type: ignore[misc,call-arg,assignment]
        every = 1 if monitor.startswith("train") else self.trainer.check_val_every_n_epoch or 1
        return {"scheduler": scheduler, "monitor": monitor, "interval": "epoch", "frequency": every}

    def on_train_start(self) -> None:
        """Tells the schedules the length of the run, and the current step of a resumed run.

        Not earlier: asking in ``configure_optimizers`` makes Lightning load the data before it knows of the resume.
        """
        trainer = self.trainer
        total, batches = trainer.estimated_stepping_batches, trainer.num_training_batches
        epoch = math.ceil(batches / trainer.accumulate_grad_batches) if math.isfinite(batches) else 0
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready if trainer.fit_loop.restarted_mid_epoch else 0
        by_epochs = epoch and total == epoch * (trainer.max_epochs or 0)
        step = trainer.current_epoch * epoch + done // trainer.accumulate_grad_batches
        for each in trainer.lr_scheduler_configs:
            if isinstance(each.scheduler, WarmupPolyLR):
                each.scheduler.set_length(int(total), step if by_epochs else trainer.global_step)


@contextmanager
def _blaming(key: str) -> Iterator[None]:
    """Names a key of the model in the error that torch raises for it."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:  # torch has no common error
        raise ZooError(f"--model.{key}: {first_line(error)}") from error
