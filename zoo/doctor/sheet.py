"""A sheet of six augmented training samples, as the network will see them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from PIL import Image, ImageDraw
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.base.files import replacing
from zoo.data.homography import HomographyPairs
from zoo.data.labels import LabelMap
from zoo.data.low_resolution import enlarge
from zoo.data.segmentation import AugmentedSamples, Sample, SegmentationData, read_sample
from zoo.data.style import read_style
from zoo.data.style_pair import StylePair
from zoo.data.super_resolution import SuperResolutionPairs
from zoo.data.views import Views
from zoo.doctor.listing import Files
from zoo.doctor.masks import known
from zoo.models.homographynet.module import corner_sheet
from zoo.models.xfeat.module import matches_sheet
from zoo.pictures.images import to_picture
from zoo.pictures.sheets import colorize, contact_sheet
from zoo.pictures.tensors import to_array

SAMPLES = 6
COLUMNS = 3  # samples in a row
ENTRY = 18  # height in pixels of an entry of the legend
IGNORED = (255, 255, 255)  # colour of ignored pixels


def draw(data: LightningDataModule, files: Files) -> Image.Image | None:
    """The sheet; None for data of another program, or where no sample is whole.

    Raises:
        ZooError: a sample cannot be read or made.
    """
    if isinstance(data, SegmentationData):
        samples = sound_samples(data, files)
        return segmentation(samples, data) if samples else None
    if isinstance(data, StylePair):
        pictures = [np.asarray(to_picture(data.content)[0].convert("RGB"))]
        styles = [to_array(read_style(path, 320)[0]) for path in data.styles]
        return contact_sheet([[*pictures, *styles]], ["content", *["style"] * len(styles)])
    data.prepare_data()
    data.setup("fit")
    if hasattr(data, "num_workers"):
        data.num_workers = 0
    return of_batches(data)


def sound_samples(data: SegmentationData, files: Files) -> list[Sample]:
    """Training pictures with masks, none of which has a fault, spread evenly; drawn ones where there are no files."""
    if not files.seen:
        kept = data.kept("train")
        return kept[:: max(1, len(kept) // SAMPLES)][:SAMPLES]
    unknown = ~known(data.labels)
    sound = [
        (each.path, each.mask.path)
        for each in files.of("train")
        if each.mask and each.mask.counts is not None and each.mask.path and not each.mask.turned_alone
        and each.mask.size == each.size and not each.mask.counts[unknown].any()
    ]  # fmt: skip
    chosen = sound[:: max(1, len(sound) // SAMPLES)][:SAMPLES]
    return [read_sample(picture, mask, data.labels, data.reader()) for picture, mask in chosen]


def segmentation(samples: Sequence[Sample], data: SegmentationData) -> Image.Image:
    """Augmented pictures with their masks laid over them, and a legend."""
    augmented = AugmentedSamples(samples, data.augment.transform(data.labels), data.seed)
    cells = list[np.ndarray]()
    for number in range(len(samples)):
        picture, mask = augmented[number]
        colors = colored(mask, data.labels)
        over = (0.45 * picture + 0.55 * colors).astype(np.uint8)
        cells += [picture, over]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % (2 * COLUMNS))
    rows = [cells[start : start + 2 * COLUMNS] for start in range(0, len(cells), 2 * COLUMNS)]
    sheet = contact_sheet(rows, ["augmented picture", "with its mask"] * COLUMNS, width=256)
    return with_legend(sheet, data.labels)


def colored(mask: np.ndarray, labels: LabelMap) -> np.ndarray:
    """Ids ``(H, W)`` as colours ``(H, W, 3)`` uint8; ignored pixels are white."""
    colors = colorize(mask, labels.palette)
    if labels.ignore_index is not None:
        colors[mask == labels.ignore_index] = IGNORED
    return colors


def with_legend(sheet: Image.Image, labels: LabelMap) -> Image.Image:
    """The sheet with the colours of the classes below it."""
    entries = [*zip(labels.names, labels.palette, strict=True)]
    entries += [("ignored", IGNORED)] if labels.ignore_index is not None else []
    pen, places, x, y = ImageDraw.Draw(sheet), [], 4, sheet.height
    for name, color in entries:
        width = ENTRY + int(pen.textlength(name)) + 16
        if x + width > sheet.width and x > 4:
            x, y = 4, y + ENTRY
        places.append((x, y, name, color))
        x += width
    whole = Image.new("RGB", (sheet.width, y + ENTRY + 4), "white")
    whole.paste(sheet)
    pen = ImageDraw.Draw(whole)
    for x, y, name, color in places:
        pen.rectangle((x, y + 3, x + 11, y + 14), fill=color, outline="black")
        pen.text((x + ENTRY, y + 3), name, fill="black")
    return whole


def of_batches(data: LightningDataModule) -> Image.Image | None:
    """The first samples of the first batches, as the network gets them."""
    taken = list[Any]()
    for batch in data.train_dataloader():
        taken.append(data.on_after_batch_transfer(batch, 0))
        if sum(map(_count, taken)) >= SAMPLES:
            break
    first: Any = taken[0]
    if isinstance(data, HomographyPairs):
        pairs, offsets = (torch.cat([each[i] for each in taken])[:SAMPLES] for i in (0, 1))
        return corner_sheet(pairs, offsets, offsets, SAMPLES)
    if isinstance(data, Views):
        half = len(first.views) // 2
        rows = [(first.views[[i, half + i]], first.points[i], first.counts[i]) for i in range(min(SAMPLES, half))]
        return matches_sheet([(v, p, torch.arange(len(p)) < c) for v, p, c in rows])
    if isinstance(data, SuperResolutionPairs):
        samples = [(low, truth) for each in taken for low, truth in zip(*each, strict=True)][:SAMPLES]
        cells = [[enlarge(to_array(low), data.scale), to_array(truth)] for low, truth in samples]
        return contact_sheet(
            [[*a, *b] for a, b in zip(cells[::2], cells[1::2], strict=False)] or cells, ("low", "truth") * 2
        )
    if isinstance(first, Tensor) and first.ndim == 4 and first.shape[1] == 3:
        pictures = [to_array(each) for batch in taken for each in batch][:SAMPLES]
        return contact_sheet([pictures[i : i + COLUMNS] for i in range(0, len(pictures), COLUMNS)])
    return None


def _count(batch: Any) -> int:
    return len(batch) if isinstance(batch, Tensor) else len(batch[0])


def save(sheet: Image.Image, path: Path) -> None:
    """Writes the sheet whole or not at all.

    Raises:
        ZooError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            sheet.save(temporary, "PNG")
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror or error}\nanother place: --sheet FILE.png") from None
