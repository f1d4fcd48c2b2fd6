"""The training of super resolution: by pixels, by the features of a loss network, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from PIL import Image
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.data.low_resolution import enlarge
from zoo.data.super_resolution import SuperResolutionPairs
from zoo.models.perceptual_sr.net import PerceptualSR
from zoo.nn.learning import Learner, PictureLog
from zoo.nn.losses.grid import grid_loss
from zoo.nn.losses.perceptual import FeatureLoss, total_variation
from zoo.nn.metrics.lpips import LPIPS
from zoo.nn.metrics.super_resolution import psnr, ssim
from zoo.nn.resize import BicubicUpsample
from zoo.nn.vgg import VGGFeatures
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

Tensors: TypeAlias = "tuple[Tensor, Tensor, Tensor]"  # low (3, H, W), prediction and truth (3, sH, sW)
BEST_PSNR = 100.0  # dB
MIN_CROP = 16  # least side in pixels that VGG-16 takes
ROWS = 4  # rows on a sheet of validation pictures
CELL_SIZE = 320, 240  # width and height in pixels of the truth in a cell, not resized
PIXEL_LOSSES = {"l1": F.l1_loss, "l2": F.mse_loss}


@dataclass(frozen=True)
class Weights:
    """Weights of the losses, 0 or more.

    Raises:
        ZooError: a weight is below 0, or pixel, features and lpips are all 0.
    """

    pixel: float
    features: float
    lpips: float
    grid: float
    tv: float

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0:
            raise ZooError("model: weights of losses must be 0 or more")
        if self.pixel + self.features + self.lpips <= 0:
            raise ZooError("model: pixel_weight, feature_weight or lpips_weight must be more than 0")

    def perceived(self) -> list[str]:
        """Names of the losses by a loss network that have a weight."""
        return [name for name in ("features", "lpips") if getattr(self, name)]


class PerceptualSRModule(Learner):
    """Trains :class:`PerceptualSR` by the sum of losses, each with its weight.

    Logs ``train/loss``, and after validation and test ``PSNR`` in dB and ``SSIM``, both of the luma, and ``bicubic``,
    the PSNR of bicubic interpolation; with a feature loss also ``features``, that loss, and with LPIPS ``lpips``. The
    smallest ``features``, or without it the smallest ``lpips``, or without both the largest PSNR selects the best
    checkpoint.

    Args:
        network: "compact" or "paper"; see :class:`PerceptualSR`.
        scale: factor by which pictures are enlarged, 2 to 4; ``data.scale`` must be the same.
        channels: number of channels of the trunk; None: the network's default.
        blocks: number of blocks of the trunk; None: the network's default.
        pixel_loss: "l1" or "l2", mean over values in 0..1.
        pixel_weight: weight of the pixel loss.
        feature_weight: weight of the feature reconstruction loss (Johnson et al., equation 2).
        feature_layers: layers of VGG-16, by the paper's names, with their weights in the feature loss.
        feature_pooling: "average", or "max" as in VGG-16; gradients of "max" favour one pixel of four, and so grids.
        feature_crop: side in pixels of the random crop of predictions from which features and LPIPS are computed in
            training; None: all but up to three pixels at two borders, so that poolings meet every alignment.
        vgg: "timm", or the path of a safetensors file with VGG-16; not needed without features and LPIPS.
        lpips_weight: weight of LPIPS (:class:`zoo.nn.metrics.lpips.LPIPS`), as a loss.
        lpips_layers: layers of VGG-16 that LPIPS compares; the deeper layers cost most, and add little.
        grid_weight: weight of :func:`zoo.nn.losses.grid.grid_loss`, without which the feature loss draws grids.
        tv_weight: weight of the total variation.
        optimizer: makes the optimiser.
        lr_scheduler: makes the schedule, stepped after every batch.
        log_pictures_every: epochs between two sheets of validation pictures, in TensorBoard and in the run folder.
    """

    learns_from = SuperResolutionPairs
    arguments: dict[str, Any]
    feature_loss: FeatureLoss | None
    lpips: LPIPS | None

    def __init__(
        self,
        network: Literal["compact", "paper"] = "compact",
        scale: int = 4,
        channels: int | None = None,
        blocks: int | None = None,
        pixel_loss: Literal["l1", "l2"] = "l1",
        pixel_weight: float = 1.0,
        feature_weight: float = 0.0,
        feature_layers: dict[str, float] | None = None,
        feature_pooling: Literal["average", "max"] = "average",
        feature_crop: int | None = None,
        vgg: str = "timm",
        lpips_weight: float = 0.0,
        lpips_layers: Sequence[str] = ("relu1_2", "relu2_2", "relu3_3"),
        grid_weight: float = 0.0,
        tv_weight: float = 0.0,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        log_pictures_every: int = 5,
    ) -> None:
        weights = Weights(pixel_weight, feature_weight, lpips_weight, grid_weight, tv_weight)
        super().__init__("PSNR", "SSIM", "bicubic", *weights.perceived())
        if feature_crop is not None and feature_crop < MIN_CROP:
            raise ZooError(f"model.feature_crop must be {MIN_CROP} or more, not {feature_crop}")
        self.arguments = {"network": network, "scale": scale, "channels": channels, "blocks": blocks}
        self.net = PerceptualSR(**self.arguments)
        self.weights, self.pixel_loss, self.feature_crop = weights, PIXEL_LOSSES[pixel_loss], feature_crop
        layers = feature_layers or {"relu2_2": 1.0}
        features = weights.features and FeatureLoss(VGGFeatures(list(layers), 16, vgg, feature_pooling), layers)
        lpips = weights.lpips and LPIPS(vgg, lpips_layers, "average")
        self.hold(feature_loss=features or None, lpips=lpips or None)
        self.monitor = (f"val/{weights.perceived()[0]}", "min") if weights.perceived() else ("val/PSNR", "max")
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.pictures = PictureLog(log_pictures_every)
        self.bicubic = BicubicUpsample(scale)
        self.shown: list[Tensors] = []

    def setup(self, stage: str) -> None:
        given = getattr(self.trainer.datamodule, "scale", self.arguments["scale"])  # type: ignore[attr-defined]
        if given != self.arguments["scale"]:
            raise ZooError(f"model.scale is {self.arguments['scale']} and data.scale {given}; they must be the same")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        low, truth = batch
        loss = self.loss(self(low), truth)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """The weighted sum for pictures ``(B, 3, H, W)`` in 0..1."""
        loss = self.weights.pixel * self.pixel_loss(prediction, truth)
        if self.feature_loss is not None:
            loss = loss + self.weights.features * self.feature_loss(*self.part(prediction, truth))
        if self.lpips is not None:
            loss = loss + self.weights.lpips * self.lpips(*self.part(prediction, truth)).mean()
        if self.weights.grid:
            loss = loss + self.weights.grid * grid_loss(prediction, truth, self.arguments["scale"])
        if self.weights.tv:
            loss = loss + self.weights.tv * total_variation(prediction)
        return loss

    def part(self, *pictures: Tensor) -> list[Tensor]:
        """The same random crop of pictures ``(B, 3, H, W)`` in training; else the whole pictures."""
        if not self.training:
            return list(pictures)
        sides = pictures[0].shape[-2:]
        sizes = [side - 3 if self.feature_crop is None else min(self.feature_crop, side) for side in sides]
        top, left = (int(torch.randint(side - size + 1, ())) for side, size in zip(sides, sizes, strict=True))
        return [picture[..., top : top + sizes[0], left : left + sizes[1]] for picture in pictures]

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        low, truth = batch
        prediction = self(low)
        self.log_means({"PSNR": self.psnr(prediction, truth), "SSIM": ssim(prediction, truth)})
        self.log_means({"bicubic": self.psnr(self.bicubic(self.as_weights(low)).float(), truth)})
        if self.feature_loss is not None:
            self.log_means({"features": self.feature_loss(prediction, truth)})
        if self.lpips is not None:
            self.log_means({"lpips": self.lpips(prediction, truth)})
        if batch_idx < ROWS:
            self.shown.append((low[0], prediction[0], truth[0]))
        return prediction

    @staticmethod
    def psnr(prediction: Tensor, truth: Tensor) -> Tensor:
        """PSNR of each picture, at most 100 dB: a blank one, reproduced exactly, would make every mean infinite."""
        return psnr(prediction, truth).clamp(max=BEST_PSNR)

    def end_epoch(self) -> str:
        self.pictures(self, lambda: upscaling_sheet(self.shown))
        self.shown = []
        return "PSNR on {}: {PSNR:.2f} dB, bicubic {bicubic:.2f} dB; SSIM {SSIM:.4f}".format(self.split, **self.found())


def upscaling_sheet(rows: Sequence[Tensors]) -> Image.Image:
    """Bicubic, network and truth, the middle of each.

    Args:
        rows: low ``(3, H, W)``, prediction and truth ``(3, sH, sW)``, in 0..1.
    """
    lines = []
    for low, *large in rows:
        bicubic = enlarge(to_array(low), large[0].shape[-1] // low.shape[-1])
        lines.append([middle(cell, *CELL_SIZE) for cell in (bicubic, *map(to_array, large))])
    return contact_sheet(lines, ("bicubic", "network", "truth"), width=CELL_SIZE[0])


def middle(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The middle of a picture ``(H, W, 3)``, at most this wide and high."""
    top, left = max(0, (picture.shape[0] - height) // 2), max(0, (picture.shape[1] - width) // 2)
    return picture[top : top + height, left : left + width]
