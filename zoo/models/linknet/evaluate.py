"""The protocol of LinkNet's figures."""

from __future__ import annotations

from functools import partial
from itertools import islice

import numpy as np
import torch

from zoo.base.errors import ZooError
from zoo.data.folder import SegmentationFolder
from zoo.data.segmentation import SegmentationData, Split
from zoo.models.evaluation import Context, Figure, Results, Table, claims_of, picture_by_picture
from zoo.models.linknet.net import LinkNet
from zoo.nn.cost import macs, parameter_count
from zoo.nn.metrics.segmentation import confusion_matrix, segmentation_scores

SPLITS: tuple[Split, ...] = ("test", "val")
TOLERANCE = 0.002  # other kernels round differently


@picture_by_picture
def evaluate(net: LinkNet, data: SegmentationData, context: Context) -> Results:
    """Measures whole splits at the pictures' own size and at a single scale, in float32, without void pixels."""
    if tuple(net.labels) != data.labels.names:
        raise ZooError(f"the network has the classes {net.labels}, but the data have {data.labels.names}")
    name, protocol = type(data).__name__, type(data).__name__
    if isinstance(data, SegmentationFolder):
        name, protocol = context.name_of(data.pictures), ""
    places = [(split, number) for split in SPLITS for number in range(len(data.kept(split)))]
    counts = iter(context.each(partial(confusion, net, data), places))
    sums = {split: sum(islice(counts, len(data.kept(split)))) for split in SPLITS}
    scores = {split: segmentation_scores(torch.from_numpy(pixels)) for split, pixels in sums.items()}
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
def confusion(net: LinkNet, data: SegmentationData, place: tuple[Split, int]) -> np.ndarray:
    """The confusion matrix of one picture, by its split and number: pixels ``(classes, classes)``."""
    split, number = place
    picture, mask = data.kept(split)[number]
    found, prediction = confusion_matrix(len(data.labels), data.labels.ignore_index), net.predict(picture).mask
    found.update(torch.from_numpy(prediction).long()[None], torch.from_numpy(mask).long()[None])
    return found.compute().numpy()
