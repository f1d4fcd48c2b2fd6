"""How super resolution learns: by pixels, by the features of a loss network, or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from PIL import Image
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.data.low_resolution import SCALE, resize
from zoo.data.super_resolution import SuperResolutionPairs
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.learning import Learner, PictureLog
from zoo.nn.losses.perceptual import FeatureLoss, total_variation
from zoo.nn.metrics.super_resolution import psnr, ssim
from zoo.nn.resize import BicubicUpsample
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

Tensors: TypeAlias = "tuple[Tensor, Tensor, Tensor]"  # low (3, H, W), prediction and truth (3, 4H, 4W)
BEST_PSNR = 100.0  # dB
ROWS = 4  # of a sheet of validation pictures
SHOWN = 320, 240  # pixels of the truth that a cell shows, at natural size
PIXEL_LOSSES = {"l1": F.l1_loss, "l2": F.mse_loss}


class PerceptualSRModule(Learner):
    """Trains :class:`PerceptualSR` by the sum of three losses, each with its weight.

    Logs ``train/loss``, and after validation and test ``PSNR`` in dB and ``SSIM``, both of the luma, with ``bicubic``,
    the PSNR of bicubic interpolation, beside them, and where there is a feature loss ``features``, that loss. Its
    smallest, or else the largest PSNR, makes the best checkpoint.

    Args:
        upsampling: "pixel_shuffle" or "paper"; see :class:`PerceptualSR`.
        channels: of the trunk.
        blocks: residual blocks of the trunk; None is the default of the upsampling.
        pixel_loss: "l1" or "l2", mean over values in 0..1.
        pixel_weight: of the pixel loss.
        feature_weight: of the feature reconstruction loss (Johnson et al., equation 2).
        feature_layers: of VGG-16, by the paper's names, with their weights in the feature loss.
        vgg: "timm", or the path of a safetensors file with VGG-16; not needed without a feature loss.
        tv_weight: of the total variation.
        optimizer: makes the optimiser.
        lr_scheduler: makes the schedule, stepped after every batch.
        log_pictures_every: epochs between two sheets of validation pictures, in TensorBoard and in the run folder.
    """

    learns_from = SuperResolutionPairs

    def __init__(
        self,
        upsampling: Literal["pixel_shuffle", "paper"] = "pixel_shuffle",
        channels: int = 64,
        blocks: int | None = None,
        pixel_loss: Literal["l1", "l2"] = "l1",
        pixel_weight: float = 1.0,
        feature_weight: float = 0.0,
        feature_layers: dict[str, float] | None = None,
        vgg: str = "timm",
        tv_weight: float = 0.0,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        log_pictures_every: int = 5,
    ) -> None:
        super().__init__("PSNR", "SSIM", "bicubic", *(["features"] if feature_weight else []))
        if min(pixel_weight, feature_weight, tv_weight) < 0 or pixel_weight + feature_weight <= 0:
            raise ZooError("model.pixel_weight, feature_weight and tv_weight are 0 or more, one of the first two more")
        self.arguments = {"upsampling": upsampling, "channels": channels, "blocks": blocks}
        self.net = PerceptualSR(**self.arguments)  # type: ignore[arg-type]
        self.pixel_loss, self.pixel_weight = PIXEL_LOSSES[pixel_loss], pixel_weight
        self.feature_weight, self.tv_weight = feature_weight, tv_weight
        self.feature_loss: FeatureLoss | None = None
        if feature_weight:
            layers = feature_layers or {"relu2_2": 1.0}
            self.feature_loss = FeatureLoss(VGGFeatures(list(layers), weights=vgg), layers)
        self.monitor = ("val/features", "min") if feature_weight else ("val/PSNR", "max")
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.pictures = PictureLog(log_pictures_every)
        self.bicubic = BicubicUpsample(SCALE)
        self.shown: list[Tensors] = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        low, truth = batch
        loss = self.loss(self(low), truth)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """The weighted sum for pictures ``(B, 3, H, W)`` in 0..1."""
        loss = self.pixel_weight * self.pixel_loss(prediction, truth)
        if self.feature_loss is not None:
            loss = loss + self.feature_weight * self.feature_loss(prediction, truth)
        if self.tv_weight:
            loss = loss + self.tv_weight * total_variation(prediction)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        low, truth = batch
        prediction = self(low)
        self.log_means({"PSNR": self.psnr(prediction, truth), "SSIM": ssim(prediction, truth)})
        self.log_means({"bicubic": self.psnr(self.bicubic(self.as_weights(low)).float(), truth)})
        if self.feature_loss is not None:
            self.log_means({"features": self.feature_loss(prediction, truth)})
        if batch_idx < ROWS:
            self.shown.append((low[0], prediction[0], truth[0]))
        return prediction

    @staticmethod
    def psnr(prediction: Tensor, truth: Tensor) -> Tensor:
        """That of each picture, 100 dB at most: a blank one is reproduced exactly, and infinite would be every mean."""
        return psnr(prediction, truth).clamp(max=BEST_PSNR)

    def end_epoch(self) -> str:
        self.pictures(self, lambda: upscaling_sheet(self.shown))
        self.shown = []
        return "PSNR on {}: {PSNR:.2f} dB, of bicubic {bicubic:.2f}; SSIM {SSIM:.4f}".format(self.split, **self.found())


def upscaling_sheet(rows: Sequence[Tensors]) -> Image.Image:
    """Bicubic, network and truth, the middle of each.

    Args:
        rows: low ``(3, H, W)``, prediction and truth ``(3, 4H, 4W)``, in 0..1.
    """
    lines = []
    for low, *large in rows:
        picture = to_array(low)
        bicubic = resize(picture, picture.shape[1] * SCALE, picture.shape[0] * SCALE)
        lines.append([middle(cell, *SHOWN) for cell in (bicubic, *map(to_array, large))])
    return contact_sheet(lines, ("bicubic", "network", "truth"), width=SHOWN[0])


def middle(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The middle of a picture ``(H, W, 3)``, at most this large."""
    top, left = max(0, (picture.shape[0] - height) // 2), max(0, (picture.shape[1] - width) // 2)
    return picture[top : top + height, left : left + width]
