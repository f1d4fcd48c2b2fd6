"""The training of LinkNet."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from PIL import Image
from torch import Tensor
from torch.optim import Optimizer

from zoo.base.bounds import Enlargement
from zoo.base.errors import ZooError
from zoo.data.labels import LabelMap
from zoo.data.segmentation import SegmentationData
from zoo.models.linknet.net import LinkNet
from zoo.nn.cpu import keep_depthwise_float32
from zoo.nn.learning import Learner, PictureLog
from zoo.nn.losses.segmentation import soft_jaccard_loss
from zoo.nn.metrics.segmentation import confusion_matrix, iou_table, segmentation_scores
from zoo.pictures.sheets import colorize, contact_sheet
from zoo.pictures.tensors import to_array

NO_CLASS = -100  # an id that no mask has


class LinkNetModule(Learner):
    """Trains :class:`LinkNet` by cross entropy over the pixels that are not void.

    Logs ``train/loss``, and after validation and test ``mIoU``, ``mean_accuracy`` (mean class accuracy) and
    ``pixel_accuracy`` of one confusion matrix over the whole split.

    Args:
        labels: the classes; the command takes them from the data.
        encoder: name of a timm model.
        encoder_weights: ``"timm"``, the path of a safetensors file, or None; see :class:`LinkNet`.
        stem_skip: whether the head sees the stride-2 feature.
        input_scale: factor by which the picture is enlarged for the encoder, 1 to 4 in steps of 0.25.
        optimizer: makes the optimiser.
        lr_scheduler: makes the schedule, stepped after every batch.
        encoder_lr: learning rate of the encoder as a fraction of the decoder's.
        class_weighting: p in the class weights 1 / log(c + p): each class's fraction of the labelled training pixels
            ("frequency", the paper), its pixels relative to the largest class ("max", the paper's code), or no
            weights ("none").
        class_weight_c: c in these weights.
        jaccard: weight of the soft Jaccard loss that is added to the cross entropy.
        log_pictures_every: epochs between two sheets of validation pictures, in TensorBoard and in the run folder.
    """

    learns_from = SegmentationData
    net: LinkNet
    monitor = ("val/mIoU", "max")  # selects the best checkpoint

    def __init__(
        self,
        labels: LabelMap | None = None,
        encoder: str = "resnet18",
        encoder_weights: str | None = "timm",
        stem_skip: bool = False,
        input_scale: Enlargement = 1.0,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        encoder_lr: float = 1.0,
        class_weighting: Literal["none", "frequency", "max"] = "frequency",
        class_weight_c: float = 1.02,
        jaccard: float = 0.0,
        log_pictures_every: int = 5,
    ) -> None:
        super().__init__()
        if labels is None:
            raise ZooError("LinkNetModule learns from data with labels, such as zoo.data.SegmentationFolder")
        if class_weight_c <= 1:
            raise ZooError(f"model.class_weight_c must be more than 1, not {class_weight_c}")
        for name, value in {"jaccard": jaccard, "encoder_lr": encoder_lr}.items():
            if value < 0:
                raise ZooError(f"model.{name} must be 0 or more, not {value}")
        self.labels = labels
        self.optimizer, self.lr_scheduler, self.encoder_lr = optimizer, lr_scheduler, encoder_lr
        self.class_weighting, self.class_weight_c, self.jaccard = class_weighting, class_weight_c, jaccard
        self.pictures = PictureLog(log_pictures_every)
        self.arguments = {
            "num_classes": len(labels),
            "encoder": encoder,
            "stem_skip": stem_skip,
            "labels": list(labels.names),
            "palette": [list(color) for color in labels.palette],
            "input_scale": input_scale,
        }
        self.net = LinkNet(**self.arguments, encoder_weights=encoder_weights)  # type: ignore[arg-type]
        keep_depthwise_float32(self.net)
        self.class_weights: Tensor | None = None
        self.confusion = confusion_matrix(len(labels), labels.ignore_index)

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.class_weighting != "none":
            pixels = self.trainer.datamodule.class_pixels()  # type: ignore[attr-defined]
            self.class_weights = class_weights(pixels, self.class_weighting, self.class_weight_c).to(self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, masks = batch
        loss = self.loss(self.net(pictures).float().contiguous(), masks)  # softmax is faster on contiguous logits
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def loss(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Cross entropy and soft Jaccard loss of logits ``(B, C, H, W)``; 0 where every pixel of the masks is void."""
        ignore = self.labels.ignore_index
        if self.class_weights is not None:
            self.class_weights = self.class_weights.to(logits.device)
        loss = F.cross_entropy(logits, masks, self.class_weights, ignore_index=NO_CLASS if ignore is None else ignore)
        if ignore is not None:  # a batch of void only would make the mean NaN, and with it every weight
            loss = torch.where((masks != ignore).any(), loss, 0.0)
        if self.jaccard:
            loss = loss + self.jaccard * soft_jaccard_loss(logits, masks, ignore)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, masks = batch
        prediction = self.net(pictures).argmax(1)
        self.confusion.update(prediction, masks)
        if batch_idx == 0:
            self.pictures(self, lambda: segmentation_sheet(pictures, masks, prediction, self.labels))
        return prediction

    def end_epoch(self) -> str:
        scores = segmentation_scores(self.confusion.compute())
        self.confusion.reset()
        means = {"mIoU": scores.miou, "mean_accuracy": scores.mean_accuracy, "pixel_accuracy": scores.pixel_accuracy}
        self.log_dict({f"{self.split}/{name}": value for name, value in means.items()}, prog_bar=True)
        return iou_table(scores, self.labels.names, f"IoU on {self.split}")

    def make_optimizer(self) -> Optimizer:
        encoder = set(self.net.encoder.parameters())
        decoder = [parameter for parameter in self.net.parameters() if parameter not in encoder]
        optimizer = self.optimizer([{"params": decoder}, {"params": list(self.net.encoder.parameters())}])
        optimizer.param_groups[1]["lr"] *= self.encoder_lr
        return optimizer


def class_weights(pixels: Tensor, weighting: str, c: float) -> Tensor:
    """Weights 1 / log(c + p) ``(C,)`` float32, scaled to a mean of 1 over the labelled pixels.

    The scale keeps the loss, and so the learning rate, comparable whatever c and p are.

    Args:
        pixels: number of pixels of each class in the training annotations ``(C,)``.
        weighting: "frequency" for p = pixels / their sum, "max" for p = pixels / their maximum.
    """
    frequency = pixels / pixels.sum()
    fraction = frequency if weighting == "frequency" else pixels / pixels.max()
    weights = 1 / torch.log(c + fraction)
    return (weights / (weights * frequency).sum()).float()


def segmentation_sheet(
    pictures: Tensor, masks: Tensor, predictions: Tensor, labels: LabelMap, rows: int = 4
) -> Image.Image:
    """Picture, truth, prediction and error (white where right, red where wrong, grey where void), a row a picture.

    Args:
        pictures: ``(B, 3, H, W)`` in 0..1.
        masks: class ids ``(B, H, W)``.
        predictions: predicted class ids ``(B, H, W)``.
    """
    lines = []
    for picture, mask, prediction in zip(pictures[:rows], masks.cpu().numpy(), predictions.cpu().numpy(), strict=False):
        error = np.full((*mask.shape, 3), 255, np.uint8)
        error[mask != prediction] = (200, 30, 30)
        if labels.ignore_index is not None:
            error[mask == labels.ignore_index] = 160
        colored = [colorize(ids.astype(np.uint8), labels.palette) for ids in (mask, prediction)]
        lines.append([to_array(picture), *colored, error])
    return contact_sheet(lines, ("picture", "truth", "prediction", "error"))
