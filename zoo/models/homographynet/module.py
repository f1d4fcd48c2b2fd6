"""How HomographyNet learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from zoo.errors import ZooError
from zoo.images import save_png
from zoo.metrics.homography import MeanAverageCornerError, corner_error
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.pictures import corner_sheet
from zoo.nn.schedule import set_total_steps


class HomographyNetModule(LightningModule):
    """Trains :class:`HomographyNet` on pairs whose homography is known.

    Logs ``train/loss``, and after validation and test ``MACE``, the mean average corner error of one pass in pixels of
    the 128x128 patches that the network sees.

    Args:
        backbone: "squeeze" or "vgg"; see :class:`HomographyNet`.
        head: "regression", or "classification", which learns by cross entropy with the two bins beside the truth,
            weighted such that their mean is the truth.
        fusion: "stack", "correlation" or None.
        channels: 1 for grey pictures, 3 for RGB.
        optimizer: makes the optimiser.
        lr_scheduler: makes the schedule, stepped after every batch.
        loss: of the regression: "smooth_l1", the mean over offsets in pixels, or "l2", the paper's, in units of the
            largest offset.
        log_pictures_every: epochs between two sheets of validation pairs, in TensorBoard and in the run folder.
    """

    monitor = ("val/MACE", "min")  # what the best checkpoint is chosen by

    def __init__(
        self,
        backbone: Literal["squeeze", "vgg"] = "squeeze",
        head: Literal["regression", "classification"] = "regression",
        fusion: Literal["stack", "correlation"] | None = None,
        channels: int = 1,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        loss: Literal["smooth_l1", "l2"] = "smooth_l1",
        log_pictures_every: int = 10,
    ) -> None:
        super().__init__()
        self.arguments = {"backbone": backbone, "head": head, "fusion": fusion, "channels": channels}
        self.net = HomographyNet(**self.arguments)  # type: ignore[arg-type]
        self.optimizer, self.lr_scheduler, self.regression_loss = optimizer, lr_scheduler, loss
        self.log_pictures_every, self.next_pictures = log_pictures_every, 0
        self.error = MeanAverageCornerError()

    def setup(self, stage: str) -> None:
        grey = getattr(self.trainer.datamodule, "grey", True)  # type: ignore[attr-defined]
        if grey is not (self.net.channels == 1):
            raise ZooError(f"model.channels is {self.net.channels}, but data.grey {grey}: they must agree")

    def forward(self, pairs: Tensor) -> Tensor:
        return self.net(pairs)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        pairs, offsets = batch
        loss = self.loss(self.net.raw(pairs).float(), offsets)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def loss(self, raw: Tensor, offsets: Tensor) -> Tensor:
        """Loss of what the last layer says about offsets ``(B, 4, 2)`` in pixels."""
        if self.net.head == "classification":
            return soft_cross_entropy(raw, offsets.flatten(1), self.net.centers)
        if self.regression_loss == "l2":
            return F.mse_loss(raw, offsets.flatten(1) / self.net.max_offset)
        return F.smooth_l1_loss(self.net.offsets(raw), offsets)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        pairs, offsets = batch
        estimate = self.net(pairs).float()
        self.error.update(estimate, offsets)
        if batch_idx == 0:
            self._log_pictures(pairs, offsets, estimate)
        return corner_error(estimate, offsets)

    test_step = validation_step

    def _log_pictures(self, pairs: Tensor, offsets: Tensor, estimate: Tensor) -> None:
        """A sheet every few epochs of a fit, and one of what is validated or tested by itself."""
        trainer = self.trainer
        fitting = trainer.state.fn == "fit"
        too_early = fitting and (trainer.sanity_checking or self.current_epoch < self.next_pictures)
        folder = getattr(self.logger, "log_dir", None)  # trainer.log_dir would wait for the other ranks
        if too_early or folder is None or not trainer.is_global_zero:
            return
        self.next_pictures = self.current_epoch + self.log_pictures_every
        sheet = corner_sheet(pairs, offsets, estimate)
        name = f"epoch_{self.current_epoch:03d}" if fitting else "test" if trainer.testing else "val"
        path = Path(folder) / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(sheet, path)
        if isinstance(self.logger, TensorBoardLogger):
            self.logger.experiment.add_image("val", np.array(sheet), self.global_step, dataformats="HWC")

    def on_validation_epoch_end(self) -> None:
        self._score("val")

    def on_test_epoch_end(self) -> None:
        self._score("test")

    def _score(self, split: str) -> None:
        error = self.error.compute()
        self.error.reset()
        self.log(f"{split}/MACE", error.float(), prog_bar=split == "val")
        if self.trainer.state.fn != "fit" and self.trainer.is_global_zero:
            print(f"MACE on {split}: {error:.3f} px of 128x128 patches, one pass")  # noqa: T201

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.net.parameters())
        if self.lr_scheduler is None:
            return optimizer
        scheduler = self.lr_scheduler(optimizer)
        set_total_steps(scheduler, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def soft_cross_entropy(logits: Tensor, values: Tensor, centers: Tensor) -> Tensor:
    """Cross entropy with the two bins beside each value, weighted such that their mean is the value.

    Args:
        logits: ``(B, N, bins)``.
        values: ``(B, N)``; beyond the outermost centres they count as these.
        centers: of the bins, evenly spaced, ``(bins,)``.
    """
    place = ((values - centers[0]) / (centers[1] - centers[0])).clamp(0, len(centers) - 1)
    weights = (1 - (place[..., None] - torch.arange(len(centers), device=values.device)).abs()).clamp(min=0)
    return F.cross_entropy(logits.flatten(0, 1), weights.flatten(0, 1))
