"""Pictures that show how well a segmentation learns."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

from zoo.data.labels import LabelMap
from zoo.pictures.sheets import colorize, contact_sheet
from zoo.pictures.tensors import to_array


def segmentation_sheet(
    pictures: Tensor, masks: Tensor, predictions: Tensor, labels: LabelMap, rows: int = 4
) -> Image.Image:
    """Picture, truth, prediction and error (white where right, red where wrong, grey where void), a row a picture.

    Args:
        pictures: ``(B, 3, H, W)`` in 0..1.
        masks: class ids ``(B, H, W)``.
        predictions: likewise.
    """
    lines = []
    for picture, mask, prediction in zip(pictures[:rows], masks.cpu().numpy(), predictions.cpu().numpy(), strict=False):
        error = np.full((*mask.shape, 3), 255, np.uint8)
        error[mask != prediction] = (200, 30, 30)
        error[mask == labels.ignore_index] = 160
        colored = [colorize(ids.astype(np.uint8), labels.palette) for ids in (mask, prediction)]
        lines.append([to_array(picture), *colored, error])
    return contact_sheet(lines, ("picture", "truth", "prediction", "error"))
