from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score
from torchmetrics import ConfusionMatrix

from zoo.nn.metrics.segmentation import iou_table, segmentation_scores

CLASSES, VOID = 5, 5


def annotated_and_predicted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Class ids of some pixels, of which about two thirds are right and some are void."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(CLASSES + 1, 4000, p=[0.5, 0.3, 0.1, 0.05, 0.01, 0.04])
    prediction = np.where(rng.random(4000) < 0.66, truth, rng.integers(0, CLASSES, 4000)) % CLASSES
    return truth, prediction


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(seed: int):
    truth, prediction = annotated_and_predicted(seed)
    confusion = ConfusionMatrix("multiclass", num_classes=CLASSES, ignore_index=VOID)
    for part in np.array_split(np.arange(truth.size), 7):  # one matrix over the whole split, whatever the batches
        confusion.update(torch.from_numpy(prediction[part]), torch.from_numpy(truth[part]))
    scores = segmentation_scores(confusion.compute())
    truth, prediction = truth[truth != VOID], prediction[truth != VOID]
    assert np.array_equal(confusion.compute(), confusion_matrix(truth, prediction))
    per_class = jaccard_score(truth, prediction, average=None)
    assert scores.iou.numpy() == pytest.approx(per_class)
    assert scores.miou == pytest.approx(per_class.mean())
    assert scores.mean_accuracy == pytest.approx(balanced_accuracy_score(truth, prediction))
    assert scores.pixel_accuracy == pytest.approx(accuracy_score(truth, prediction))


def test_a_class_that_does_not_occur_counts_nowhere():
    scores = segmentation_scores(torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    assert math.isnan(scores.iou[2])
    assert scores.miou == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 1) / 2)


def test_a_class_that_is_only_predicted_has_an_iou_of_zero_and_no_accuracy():
    scores = segmentation_scores(torch.tensor([[3, 1], [0, 0]]))
    assert scores.iou.tolist() == [0.75, 0]
    assert scores.miou == 0.375
    assert scores.mean_accuracy == 0.75


def test_counts_beyond_float32_are_exact():
    big = 2**24
    scores = segmentation_scores(torch.tensor([[big + 1, 1], [0, 1]]))
    assert scores.pixel_accuracy == (big + 2) / (big + 3)


def test_table_names_every_class():
    table = iou_table(segmentation_scores(torch.tensor([[3, 1], [0, 4]])), ("road", "sky"), "IoU on val")
    lines = dict(line.rsplit(maxsplit=1) for line in table.splitlines() if line[-1].isdigit())
    assert table.startswith("IoU on val\n")
    assert lines == {
        "road": "0.7500", "sky": "0.8000", "mIoU": "0.7750", "mean accuracy": "0.8750", "pixel accuracy": "0.8750",
    }  # fmt: skip
