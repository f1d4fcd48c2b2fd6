"""Scores of a segmentation from one confusion matrix over a whole split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix


@dataclass(frozen=True)
class SegmentationScores:
    """Scores in 0..1, by the protocol of Long et al. (2015, https://arxiv.org/abs/1411.4038).

    Args:
        iou: intersection over union of each class, float64 ``(classes,)``; NaN for a class that is neither
            in the annotation nor in the prediction.
        miou: mean of the IoU over the classes that occur.
        mean_accuracy: mean class accuracy (recall) over the classes that the annotation has.
        pixel_accuracy: fraction of the labelled pixels that are right.
    """

    iou: Tensor
    miou: float
    mean_accuracy: float
    pixel_accuracy: float


def confusion_matrix(classes: int, ignore_index: int | None) -> MulticlassConfusionMatrix:
    """Counts pixels over a split and over ranks, without void, for :func:`segmentation_scores`.

    Arguments of updates are not validated: validation sorts all pixels and takes longer than the network.
    """
    return MulticlassConfusionMatrix(classes, ignore_index=ignore_index, validate_args=False)


def segmentation_scores(confusion: Tensor) -> SegmentationScores:
    """Scores a confusion matrix of pixel counts ``(classes, classes)``, rows the annotation, columns the prediction."""
    counts = confusion.double().cpu()
    right, annotated, predicted = counts.diag(), counts.sum(1), counts.sum(0)
    iou = right / (annotated + predicted - right)  # 0 / 0 is NaN: the class does not occur
    return SegmentationScores(
        iou=iou,
        miou=iou.nanmean().item(),
        mean_accuracy=(right / annotated).nanmean().item(),
        pixel_accuracy=(right.sum() / counts.sum()).item(),
    )


def iou_table(scores: SegmentationScores, names: Sequence[str], title: str) -> str:
    """The scores as aligned text: one line per class, then the means."""
    rows = [*zip(names, scores.iou.tolist(), strict=True)]
    rows += [("mIoU", scores.miou), ("mean accuracy", scores.mean_accuracy), ("pixel accuracy", scores.pixel_accuracy)]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value:.4f}" for name, value in rows]
    lines.insert(len(names), "-" * (width + 8))
    return "\n".join([title, *lines])
