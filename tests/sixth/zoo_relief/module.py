"""How it learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from PIL import Image
from torch import Tensor

from zoo.nn.learning import PictureLog
from zoo.pictures.tensors import to_array
from zoo_relief.net import Relief


def relief_of(pictures: Tensor) -> Tensor:
    """How much brighter each pixel of ``(B, 3, H, W)`` is than the one on its right, ``(B, 1, H, W)``."""
    grey = F.pad(pictures.mean(1, keepdim=True), (0, 1, 0, 0), "replicate")
    return 0.5 + grey[..., :-1] - grey[..., 1:]


class ReliefModule(LightningModule):
    """Trains :class:`Relief` by the mean absolute error."""

    monitor = ("val/error", "min")

    def __init__(self, channels: int = 4, optimizer: OptimizerCallable = torch.optim.Adam) -> None:
        super().__init__()
        self.arguments = {"channels": channels}
        self.net, self.optimizer, self.pictures = Relief(channels), optimizer, PictureLog(1)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.net(pictures)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return F.l1_loss(self.net(batch), relief_of(batch))

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        made = self.net(batch)
        self.log("val/error", F.l1_loss(made, relief_of(batch)))
        self.pictures(self, lambda: Image.fromarray(to_array(made[0].expand(3, -1, -1))))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(self.net.parameters())
