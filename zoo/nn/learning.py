"""What LightningModules share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch.nn import Parameter
from torch.optim import Optimizer

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


def optimizers(
    module: LightningModule,
    optimizer: OptimizerCallable | Optimizer,
    lr_scheduler: LRSchedulerCallable | None,
    parameters: Iterable[Parameter] = (),
) -> Any:
    """What ``configure_optimizers`` returns: a schedule is stepped after every batch and told how many there are.

    Args:
        module: that has a trainer.
        optimizer: or what makes it of the parameters.
        lr_scheduler: what makes the schedule, if there is one.
        parameters: that the optimiser is made for.
    """
    made = optimizer if isinstance(optimizer, Optimizer) else optimizer(parameters)
    if lr_scheduler is None:
        return made
    scheduler = lr_scheduler(made)
    set_total_steps(scheduler, int(module.trainer.estimated_stepping_batches))
    return {"optimizer": made, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
