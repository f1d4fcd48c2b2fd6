"""What LightningModules share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from zoo.nn.schedule import set_total_steps
from zoo.pictures.results import save_png


class PictureLog:
    """Sheets of validation pictures, in TensorBoard and in the run folder.

    Args:
        every: epochs between two sheets of a fit; what is validated or tested by itself gets one.
    """

    def __init__(self, every: int) -> None:
        self.every, self.next = every, 0

    def __call__(self, module: LightningModule, draw: Callable[[], Image.Image]) -> None:
        """Calls ``draw`` and keeps its sheet where one is due."""
        trainer, logger, epoch = module.trainer, module.logger, module.current_epoch
        fitting = trainer.state.fn == "fit"
        too_early = fitting and (trainer.sanity_checking or epoch < self.next)
        folder = getattr(logger, "log_dir", None)  # trainer.log_dir would wait for the other ranks
        if too_early or folder is None or not trainer.is_global_zero:
            return
        self.next = epoch + self.every
        sheet = draw()
        name = f"epoch_{epoch:03d}" if fitting else "test" if trainer.testing else "val"
        path = Path(folder) / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(sheet, path)
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image("val", np.array(sheet), module.global_step, dataformats="HWC")


class Learner(LightningModule):
    """What LightningModules that train a network share; a subclass sets ``net``, ``optimizer`` and ``lr_scheduler``.

    A test is a validation of other data. What is validated or tested by itself, not in a fit, prints how it went.

    Args:
        figures: names of what :meth:`log_means` is given.
    """

    net: nn.Module
    optimizer: OptimizerCallable
    lr_scheduler: LRSchedulerCallable | None

    def __init__(self, *figures: str) -> None:
        super().__init__()
        self.means = nn.ModuleDict({name: MeanMetric("disable") for name in figures})  # NaN makes the mean NaN

    @property
    def split(self) -> str:
        """What is measured: "val" or "test"."""
        return "test" if self.trainer.testing else "val"

    def forward(self, x: Tensor) -> Tensor:
        """The network's answer as float32, whatever its precision."""
        return self.net(x.to(next(self.net.parameters()).dtype)).float()

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        return self.validation_step(batch, batch_idx)

    def log_means(self, figures: Mapping[str, Tensor]) -> None:
        """Logs figures of a batch in validation or test, ``(B,)`` or a scalar each: their means over all batches."""
        for name, values in figures.items():
            mean: Any = self.means[name]
            mean.update(values)
            self.log(f"{self.split}/{name}", mean, on_epoch=True, prog_bar=True)

    def found(self) -> dict[str, float]:
        """The means so far."""
        return {name: float(mean.compute()) for name, mean in self.means.items()}  # type: ignore[operator]

    def end_epoch(self) -> str:
        """Logs what is not logged yet of a validation or test; returns what is printed of it."""
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
        """A schedule is stepped after every batch and told how many there are."""
        optimizer = self.make_optimizer()
        if self.lr_scheduler is None:
            return optimizer
        scheduler = self.lr_scheduler(optimizer)
        set_total_steps(scheduler, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
