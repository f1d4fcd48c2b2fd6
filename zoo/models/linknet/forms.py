"""Forms of a segmentation for other programs: a PNG of each class, CSV, and COCO JSON. Needs no torch."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from zoo.base.files import replace
from zoo.pictures.outlines import regions, run_lengths
from zoo.pictures.results import save_png

Annotation = dict[str, Any]


class Segmented(Protocol):
    """A segmentation: class ids ``(H, W)`` uint8, names of the classes, and the name of the picture's file."""

    @property
    def mask(self) -> np.ndarray: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def name(self) -> str: ...


def written_forms(found: Segmented, destination: Path, wanted: Collection[str]) -> list[Path]:
    """Writes the wanted ones of ``DESTINATION_class_00_NAME.png``..., ``DESTINATION.csv`` and COCO JSON.

    Args:
        found: the segmentation.
        destination: beginning of the files' names, in a folder that exists or can be made.
        wanted: of "classes", "csv", "rle" and "polygons"; others are left out.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    written = []
    if "classes" in wanted:
        for number, label in enumerate(found.labels):
            name = re.sub(r"[^\w-]+", "_", label)[:60]
            written.append(destination.with_name(f"{destination.name}_class_{number:02}_{name}.png"))
            save_png(Image.fromarray(np.where(found.mask == number, np.uint8(255), np.uint8(0))), written[-1])
    if "csv" in wanted:
        written.append(destination.with_name(f"{destination.name}.csv"))
        replace(written[-1], as_csv(found))
    for form, shapes in (("rle", by_class), ("polygons", by_region)):
        if form in wanted:
            written.append(destination.with_name(f"{destination.name}_{form}.json"))
            replace(written[-1], json.dumps(as_coco(found, list(shapes(found)))))
    return written


def as_csv(found: Segmented) -> str:
    """A line for each class: its id, name, pixels, and fraction of the picture."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "class", "pixels", "fraction"))
    counts = np.bincount(found.mask.ravel(), minlength=len(found.labels)).tolist()
    for number, label in enumerate(found.labels):
        writer.writerow((number, label, counts[number], f"{counts[number] / found.mask.size:.6f}"))
    return text.getvalue()


def as_coco(found: Segmented, annotations: list[Annotation]) -> dict[str, Any]:
    """The picture, the classes and their shapes; class 0 is category 1, as COCO's ids begin with 1."""
    height, width = found.mask.shape
    return {
        "images": [{"id": 1, "file_name": found.name, "width": width, "height": height}],
        "categories": [{"id": number, "name": label} for number, label in enumerate(found.labels, 1)],
        "annotations": [{"id": number, "image_id": 1, **each} for number, each in enumerate(annotations, 1)],
    }


def by_class(found: Segmented) -> Iterator[Annotation]:
    """A run-length encoding of each class that occurs: exact."""
    height, width = found.mask.shape
    for number in np.unique(found.mask).tolist():
        shape = found.mask == number
        (y, x), area = np.nonzero(shape), int(shape.sum())
        box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
        segmentation = {"size": [height, width], "counts": run_lengths(shape)}
        yield {"category_id": number + 1, "segmentation": segmentation, "area": area, "bbox": box, "iscrowd": 1}


def by_region(found: Segmented) -> Iterator[Annotation]:
    """A polygon of each connected region, larger ones first.

    COCO's polygons have no holes. Where programs draw annotations over each other in their order, the regions inside a
    hole are drawn after the region around it, and the mask is exact.
    """
    all_regions = [
        (area, number, corners)
        for number in np.unique(found.mask).tolist()
        for corners, area in regions(found.mask == number)
    ]
    for area, number, corners in sorted(all_regions, key=lambda each: -each[0]):
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        box = [left, top, right - left, bottom - top]
        polygon = [corners.ravel().tolist()]
        yield {"category_id": number + 1, "segmentation": polygon, "area": area, "bbox": box, "iscrowd": 0}
