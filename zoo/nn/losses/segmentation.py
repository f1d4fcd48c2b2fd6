"""Losses of segmentation."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_jaccard_loss(logits: Tensor, target: Tensor, ignore_index: int | None) -> Tensor:
    """One minus the mean soft IoU over the classes that the batch shows (Rahman and Wang, 2016), a scalar.

    Args:
        logits: ``(B, C, H, W)``.
        target: class ids ``(B, H, W)``; pixels of ``ignore_index`` are ignored; None: all pixels count.
    """
    classes = logits.shape[1]
    labelled = (torch.ones_like(target) if ignore_index is None else target != ignore_index).to(logits.dtype)
    ids = target.clamp(max=classes - 1)  # void gets any class here and weight 0 below
    probabilities = logits.softmax(1)
    hits = probabilities.gather(1, ids[:, None])[:, 0] * labelled
    zeros = hits.new_zeros(classes)
    intersection = zeros.scatter_add(0, ids.flatten(), hits.flatten())
    annotated = zeros.scatter_add(0, ids.flatten(), labelled.flatten())
    predicted = torch.einsum("bchw,bhw->c", probabilities, labelled)
    present = annotated > 0
    iou = intersection / (predicted + annotated - intersection).clamp_min(1e-6)
    return 1 - (iou * present).sum() / present.sum().clamp_min(1)
