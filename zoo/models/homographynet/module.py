"""How HomographyNet learns."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.models.homographynet.net import HomographyNet
from zoo.models.homographynet.pictures import corner_sheet
from zoo.nn.learning import PictureLog, optimizers
from zoo.nn.metrics.homography import MeanAverageCornerError, corner_error


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
        self.pictures = PictureLog(log_pictures_every)
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
            self.pictures(self, lambda: corner_sheet(pairs, offsets, estimate))
        return corner_error(estimate, offsets)

    test_step = validation_step

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
        return optimizers(self, self.optimizer, self.lr_scheduler, self.net.parameters())


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
