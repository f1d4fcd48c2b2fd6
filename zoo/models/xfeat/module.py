"""The training of XFeat on views of single pictures, between which every correspondence is known."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from PIL import Image
from torch import Tensor

from zoo.data.views import NONE, Batch, Views
from zoo.models.xfeat.features import CELL
from zoo.models.xfeat.net import XFeat
from zoo.nn.learning import Learner, PictureLog
from zoo.pictures.sheets import contact_sheet
from zoo.pictures.tensors import to_array

TEMPERATURE = 20.0  # factor of the similarities before softmax
CLOSE = 10.0  # pixels: a point nearer than this to the right one does not count as wrong
ROWS, LINES = 4, 40  # pairs on a sheet of validation pairs, and matches drawn for each
RIGHT, WRONG = (60, 200, 90), (255, 40, 40)


class XFeatModule(Learner):
    """Trains :class:`XFeat` by the sum of three losses: of descriptors, keypoints and reliability.

    Descriptors learn by dual softmax over the correspondences of a pair, keypoints by cross entropy with corners that
    OpenCV finds in the undisturbed view, and reliability by binary cross entropy with the probability that the softmax
    gives to the right correspondence.

    Logs ``train/loss``, and after validation and test ``matched``, the fraction of correspondences whose descriptors
    are each other's nearest, and ``corners``, the fraction of keypoints at the right pixel of their cell.

    Args:
        width: factor of the network's channels; see :class:`XFeat`.
        keypoint_weight: weight of the keypoint loss.
        reliability_weight: weight of the reliability loss.
        optimizer: makes the optimiser.
        lr_scheduler: makes the schedule, stepped after every batch.
        log_pictures_every: epochs between two sheets of validation pairs, in TensorBoard and in the run folder.
    """

    learns_from = Views
    net: XFeat
    monitor = ("val/matched", "max")

    def __init__(
        self,
        width: float = 1.0,
        keypoint_weight: float = 0.5,
        reliability_weight: float = 0.5,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        log_pictures_every: int = 5,
    ) -> None:
        super().__init__("matched", "corners")
        self.arguments = {"width": width}
        self.net = XFeat(width)
        self.keypoint_weight, self.reliability_weight = keypoint_weight, reliability_weight
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.pictures = PictureLog(log_pictures_every)
        self.shown: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        """Descriptors, keypoints and reliability as float32."""
        descriptors, keypoints, reliability = self.net(self.as_weights(x))
        return descriptors.float(), keypoints.float(), reliability.float()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        descriptors, keypoints, reliability = self(batch.views)
        with torch.autocast(self.device.type, enabled=False):  # bfloat16 resolves cosines near 1 only to 1/256
            agreement = similarities(descriptors, batch.points)
        matching, sure = dual_softmax(agreement, batch.counts)
        corners = F.cross_entropy(keypoints, batch.keypoints)
        self.log("train/matching", matching, prog_bar=True)
        loss = matching + self.keypoint_weight * corners
        if self.reliability_weight:
            told = at_points(reliability, batch.points)[:, counted(agreement, batch.counts), 0]
            loss = loss + self.reliability_weight * F.binary_cross_entropy_with_logits(told, sure.expand(2, -1))
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        descriptors, keypoints, _ = self(batch.views)
        found = mutual(similarities(descriptors, batch.points))
        self.log_means({"matched": found[counted(found, batch.counts)].float()})
        there = batch.keypoints != NONE
        self.log_means({"corners": (keypoints[:, :NONE].argmax(1) == batch.keypoints)[there].float()})
        if batch_idx < ROWS:
            half = len(batch.views) // 2
            self.shown.append((batch.views[[0, half]], batch.points[0], found[0]))

    def end_epoch(self) -> str:
        self.pictures(self, lambda: matches_sheet(self.shown))
        self.shown = []
        return "{}: {matched:.1%} of the correspondences matched".format(self.split, **self.found())


def similarities(descriptors: Tensor, points: Tensor) -> Tensor:
    """Cosines between the descriptors of each pair's points in a and in b, ``(B, N, N)``.

    A wrong pair whose point lies within 10 pixels of the right one, in a or in b, gets -1: it does not count as wrong.
    """
    a, b = F.normalize(at_points(descriptors, points), dim=-1)
    cosines = torch.bmm(a, b.transpose(1, 2))
    close = (torch.cdist(points[..., :2], points[..., :2]) < CLOSE) | (
        torch.cdist(points[..., 2:], points[..., 2:]) < CLOSE
    )
    return cosines.masked_fill(close & ~torch.eye(points.shape[1], dtype=torch.bool, device=points.device), -1.0)


def at_points(maps: Tensor, points: Tensor) -> Tensor:
    """Values of maps ``(2B, C, h, w)`` of cells at points in a and b, interpolated bilinearly: ``(2, B, N, C)``."""
    size = torch.tensor(maps.shape[:1:-1], device=maps.device) * CELL  # width and height in pixels
    places = (2 * torch.cat((points[..., :2], points[..., 2:])) + 1) / size - 1
    found = F.grid_sample(maps, places[:, None], padding_mode="border", align_corners=False)[:, :, 0]
    return found.transpose(1, 2).reshape(2, -1, found.shape[2], found.shape[1])


def dual_softmax(agreement: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of similarities ``(B, N, N)`` whose diagonal is right, and the probability of each right answer that counts.

    The softmax goes over the points of b for each point of a, and the reverse. Only the first ``counts`` points of a
    pair count; the other points do not count as wrong answers either.
    """
    counting = counted(agreement, counts)
    logits = agreement.masked_fill(~(counting[:, None] & counting[:, :, None]), -1.0) * TEMPERATURE
    logs = (logits.log_softmax(2).diagonal(0, 1, 2) + logits.log_softmax(1).diagonal(0, 1, 2))[counting] / 2
    return -logs.mean(), logs.detach().exp()


def counted(points: Tensor, counts: Tensor) -> Tensor:
    """Which of the N points of each pair, ``(B, N, ...)``, are not repetitions: ``(B, N)`` bool."""
    return torch.arange(points.shape[1], device=points.device) < counts[:, None]


def mutual(agreement: Tensor) -> Tensor:
    """Whether the points of each pair are each other's nearest, ``(B, N)`` bool."""
    own = torch.arange(agreement.shape[1], device=agreement.device)
    return (agreement.argmax(2) == own) & (agreement.argmax(1) == own)


def matches_sheet(rows: list[tuple[Tensor, Tensor, Tensor]]) -> Image.Image:
    """Views side by side, with some of their correspondences: green where they match, red where not.

    Args:
        rows: views ``(2, 1, S, S)`` in 0..1, points ``(N, 4)``, and whether they match ``(N,)``.
    """
    drawn = []
    for views, points, found in rows:
        side = views.shape[-1]
        both = np.ascontiguousarray(np.concatenate([to_array(view.expand(3, -1, -1)) for view in views], 1))
        for (x, y, u, v), right in zip(points[:LINES].tolist(), found[:LINES].tolist(), strict=True):
            ends = (round(x), round(y)), (round(u) + side, round(v))
            cv2.line(both, *ends, RIGHT if right else WRONG, 1, cv2.LINE_AA)
        drawn.append([both])
    return contact_sheet(drawn, ["a and b"])
