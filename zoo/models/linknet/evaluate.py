"""The protocol of LinkNet's figures."""

from __future__ import annotations

import torch

from zoo.base.errors import ZooError
from zoo.data.folder import SegmentationFolder
from zoo.data.segmentation import SegmentationData, Split
from zoo.models.evaluation import Context, Figure, Results, Table, claims_of
from zoo.models.linknet.net import LinkNet
from zoo.nn.cost import macs, parameter_count
from zoo.nn.metrics.segmentation import SegmentationScores, confusion_matrix, segmentation_scores

SPLITS: tuple[Split, ...] = ("test", "val")
TOLERANCE = 0.002  # other kernels round differently


def evaluate(net: LinkNet, data: SegmentationData, context: Context) -> Results:
    """Measures whole splits at the pictures' own size and at a single scale, in float32, without void pixels."""
    if tuple(net.labels) != data.labels.names:
        raise ZooError(f"the network has the classes {net.labels}, but the data have {data.labels.names}")
    name, protocol = type(data).__name__, type(data).__name__
    if isinstance(data, SegmentationFolder):
        name, protocol = context.name_of(data.pictures), ""
    scores = {split: score(net, data, split) for split in SPLITS}
    figures: list[Figure] = []
    for split, own in scores.items():
        found = {"mIoU": own.miou, "mean class accuracy": own.mean_accuracy, "pixel accuracy": own.pixel_accuracy}
        figures += claims_of([(metric, value, TOLERANCE) for metric, value in found.items()], name, split, protocol)
    ious = [[round(value, 4) for value in own.iou.tolist()] for own in scores.values()]
    per_class = [list(row) for row in zip(net.labels, *ious, strict=True)]
    height, width = data.kept("test")[0][1].shape
    return Results(
        figures=figures,
        tables=[Table(title="IoU of each class", columns=["class", *SPLITS], rows=per_class)],
        parameters=parameter_count(net),
        macs={f"{width}x{height}": macs(net, 3, height, width)},
        data_digest={split: data.digest(split) for split in SPLITS},
    )


@torch.inference_mode()
def score(net: LinkNet, data: SegmentationData, split: Split) -> SegmentationScores:
    """One confusion matrix over a split."""
    labels = data.labels
    confusion = confusion_matrix(len(labels), labels.ignore_index)
    for picture, mask in data.kept(split):
        prediction = net.predict(picture).mask
        confusion.update(torch.from_numpy(prediction).long()[None], torch.from_numpy(mask).long()[None])
    return segmentation_scores(confusion.compute())
