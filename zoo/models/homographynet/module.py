"""The training of HomographyNet."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from PIL import Image, ImageDraw
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.data.homography import HomographyPairs
from zoo.models.homographynet.field import HALF, moved
from zoo.models.homographynet.net import HomographyNet
from zoo.nn.learning import Learner, PictureLog
from zoo.nn.metrics.homography import corner_error
from zoo.pictures.geometry import NET_SIZE, corner_points
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

TRUTH, ESTIMATE = (40, 90, 255), (255, 40, 40)
MARGIN = 40  # pixels around b on a sheet, since the corners of a may lie outside


class HomographyNetModule(Learner):
    """Trains :class:`HomographyNet` on pairs whose homography is known.

    Logs ``train/loss``, and after validation and test ``MACE``, the mean average corner error of one look (one call
    of the network, a to b) in pixels of its 128x128 patches.

    Args:
        backbone: "squeeze" or "vgg"; see :class:`HomographyNet`.
        head: "regression", "classification" or "field". "classification" learns by cross entropy with the two bins
            beside the truth, weighted such that their mean is the truth. "field" learns the displacement of each cell,
            and the scale of its error, by the likelihood of Laplace's distribution.
        fusion: "stack", "correlation" or None.
        channels: 1 for grey pictures, 3 for RGB.
        optimizer: makes the optimiser.
        lr_scheduler: makes the schedule, stepped after every batch.
        loss: loss of the regression head: "smooth_l1", the mean over offsets in pixels, or "l2", the paper's, in units
            of the largest offset.
        log_pictures_every: epochs between two sheets of validation pairs, in TensorBoard and in the run folder.
    """

    learns_from = HomographyPairs
    net: HomographyNet
    monitor = ("val/MACE", "min")  # selects the best checkpoint

    def __init__(
        self,
        backbone: Literal["squeeze", "vgg"] = "squeeze",
        head: Literal["regression", "classification", "field"] = "regression",
        fusion: Literal["stack", "correlation"] | None = None,
        channels: int = 1,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        loss: Literal["smooth_l1", "l2"] = "smooth_l1",
        log_pictures_every: int = 10,
    ) -> None:
        super().__init__("MACE")
        self.arguments = {"backbone": backbone, "head": head, "fusion": fusion, "channels": channels}
        self.net = HomographyNet(**self.arguments)  # type: ignore[arg-type]
        self.optimizer, self.lr_scheduler, self.regression_loss = optimizer, lr_scheduler, loss
        self.pictures = PictureLog(log_pictures_every)

    def setup(self, stage: str) -> None:
        grey = getattr(self.trainer.datamodule, "grey", True)  # type: ignore[attr-defined]
        if grey is not (self.net.channels == 1):
            raise ZooError(f"model.channels is {self.net.channels}, but data.grey {grey}: they must agree")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        pairs, offsets = batch
        loss = self.loss(self.net.raw(self.as_weights(pairs)).float(), offsets)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def loss(self, raw: Tensor, offsets: Tensor) -> Tensor:
        """Loss of the last layer's output, given the true offsets ``(B, 4, 2)`` in pixels."""
        if self.net.head == "classification":
            return soft_cross_entropy(raw, offsets.flatten(1), self.net.centers)
        if self.net.head == "field":
            return field_loss(raw, offsets, self.net.cells, self.net.corners)
        if self.regression_loss == "l2":
            return F.mse_loss(raw, offsets.flatten(1) / self.net.max_offset)
        return F.smooth_l1_loss(self.net.offsets(raw), offsets)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        pairs, offsets = batch
        estimate = self(pairs)
        error = corner_error(estimate, offsets)
        self.log_means({"MACE": error})
        if batch_idx == 0:
            self.pictures(self, lambda: corner_sheet(pairs, offsets, estimate))
        return error

    def end_epoch(self) -> str:
        return f"MACE on {self.split}: {self.found()['MACE']:.3f} px of 128x128 patches, one look"


def soft_cross_entropy(logits: Tensor, values: Tensor, centers: Tensor) -> Tensor:
    """Cross entropy with the two bins beside each value, weighted such that their mean is the value.

    Args:
        logits: ``(B, N, bins)``.
        values: ``(B, N)``; values beyond the outermost centres are clamped to them.
        centers: evenly spaced centres of the bins, ``(bins,)``.
    """
    place = ((values - centers[0]) / (centers[1] - centers[0])).clamp(0, len(centers) - 1)
    weights = (1 - (place[..., None] - torch.arange(len(centers), device=values.device)).abs()).clamp(min=0)
    return F.cross_entropy(logits.flatten(0, 1), weights.flatten(0, 1))


def field_loss(field: Tensor, offsets: Tensor, cells: Tensor, corners: Tensor) -> Tensor:
    """Negative log-likelihood of the cells' displacements, under Laplace's distribution with the scales of the field.

    Cells that move by more than half a side are left out.

    Args:
        field: ``(B, 3, 16, 16)`` in pixels, see :meth:`HomographyNet.raw`.
        offsets: offsets of the corners, ``(B, 4, 2)`` in pixels.
        cells: centres of the cells, ``(256, 2)``.
        corners: corners of the picture, ``(4, 2)``.
    """
    truth = moved(offsets, cells, corners, torch) - cells
    moves, scale = field[:, :2].flatten(2).transpose(1, 2), field[:, 2].flatten(1)
    error = (moves - truth).abs().sum(2)
    known = truth.abs().amax(2) <= HALF
    return ((error / scale + 2 * scale.log()) * known).sum() / known.sum().clamp(min=1)


def corner_sheet(pairs: Tensor, offsets: Tensor, estimates: Tensor, rows: int = 6) -> Image.Image:
    """Picture a beside b, and over b the corners of a: truth in blue, estimate in red, the error in pixels beside them.

    Args:
        pairs: ``(B, 2, 128, 128)`` or ``(B, 6, 128, 128)`` in 0..1.
        offsets: true offsets ``(B, 4, 2)`` in pixels.
        estimates: estimated offsets ``(B, 4, 2)`` in pixels.
        rows: largest number of pairs that are shown.
    """
    channels = pairs.shape[1] // 2
    errors = corner_error(estimates, offsets)
    corners = corner_points(NET_SIZE)
    lines = []
    for pair, truth, estimate, error in zip(pairs[:rows], offsets, estimates, errors, strict=False):
        a, b = (to_array(p.expand(3, -1, -1)) for p in (pair[:channels], pair[channels:]))
        quads = [(corners + truth.cpu().numpy(), TRUTH), (corners + estimate.cpu().numpy(), ESTIMATE)]
        lines.append([draw_corners(a, []), draw_corners(b, quads, f"{error:.2f} px")])
    return contact_sheet(lines, ("a", "the corners of a in b: truth blue, estimate red"))


def draw_corners(
    picture: np.ndarray, quads: list[tuple[np.ndarray, tuple[int, int, int]]], text: str = "", scale: int = 2
) -> np.ndarray:
    """Draws quadrilaterals over a picture with a margin, enlarged: ``(H, W, 3)`` uint8.

    Args:
        picture: ``(H, W, 3)`` uint8.
        quads: corners ``(4, 2)`` in the picture's pixels, and their colour.
        text: text in the upper left corner.
        scale: factor by which the picture is enlarged.
    """
    padded = Image.fromarray(np.pad(picture, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))))
    image = padded.resize((padded.width * scale, padded.height * scale))
    pen = ImageDraw.Draw(image)
    for corners, color in quads:
        points = [tuple((np.asarray(corner) + MARGIN + 0.5) * scale) for corner in corners]
        pen.line([*points, points[0]], fill=color, width=2)
    pen.text((4, 4), text, fill="white")
    return np.asarray(image)
