"""From pictures to masks: batches, large pictures by tiles, and the result people get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.data.labels import LabelMap
from zoo.pictures.images import Picture, colorize, contact_sheet, save_pngs, to_array, to_tensor

STRIDE = 32  # of the deepest feature: tiles that start at its multiples see the same grid as the whole picture


@dataclass(frozen=True)
class Segmentation:
    """What a picture shows, pixel by pixel.

    Args:
        mask: class ids ``(H, W)`` uint8, at the picture's own size.
        labels: names of the classes.
        palette: one RGB colour a class.
        picture: what was segmented, ``(H, W, 3)`` uint8.
        probabilities: ``(classes, H, W)`` float16 tensor where they were asked for, else None.
    """

    mask: np.ndarray
    labels: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    picture: np.ndarray = field(repr=False)
    probabilities: Tensor | None = field(default=None, repr=False)

    def colored(self) -> Image.Image:
        """The mask as a palette picture: its values are the class ids, its colours those of the palette."""
        image = Image.fromarray(self.mask, mode="P")
        image.putpalette(np.asarray(self.palette, np.uint8).tobytes())
        return image

    def overlay(self, opacity: float = 0.5) -> Image.Image:
        """The colours of the classes laid over the picture."""
        return Image.blend(Image.fromarray(self.picture), Image.fromarray(colorize(self.mask, self.palette)), opacity)

    def save(self, destination: str | Path) -> list[Path]:
        """Writes ``DESTINATION_mask.png`` (palette, values are class ids) and ``DESTINATION_overlay.png``."""
        return save_pngs({"mask": self.colored(), "overlay": self.overlay()}, destination)

    def shares(self) -> dict[str, float]:
        """Share of the picture that each class covers, largest first; classes that don't occur are left out."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.labels))
        order = np.argsort(-counts, kind="stable")
        return {self.labels[i]: float(counts[i] / self.mask.size) for i in order if counts[i]}


def segment(
    net: nn.Module,
    pictures: Sequence[Picture] | Tensor,
    labels: tuple[str, ...],
    palette: tuple[tuple[int, int, int], ...],
    *,
    probabilities: bool = False,
    tile: int = 1024,
    overlap: int = 256,
    batch_size: int = 8,
) -> list[Segmentation]:
    """Segments pictures in order; runs of equally large ones share a batch. See :meth:`LinkNet.predict`."""
    if overlap + STRIDE > tile:
        raise ZooError(f"an overlap of {overlap} leaves too little of a tile of {tile}: take at most {tile - STRIDE}")
    results = []
    for batch in _batches((to_tensor(picture) for picture in pictures), batch_size):
        masks, maps = _forward(net, torch.stack(batch), tile, overlap, probabilities)
        for i, picture in enumerate(batch):
            scores = maps[i] if maps is not None else None
            results.append(Segmentation(masks[i].numpy(), labels, palette, to_array(picture), scores))
    return results


def _batches(tensors: Iterator[Tensor], size: int) -> Iterator[list[Tensor]]:
    for _, run in groupby(tensors, key=lambda tensor: tensor.shape):
        batch: list[Tensor] = []
        for tensor in run:
            batch.append(tensor)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch


@torch.inference_mode()
def _forward(net: nn.Module, x: Tensor, tile: int, overlap: int, probabilities: bool) -> tuple[Tensor, Tensor | None]:
    """``(B, 3, H, W)`` -> masks ``(B, H, W)`` uint8 and, if asked for, probabilities ``(B, classes, H, W)``, on CPU.

    Memory is bounded by one tile of one batch and the masks themselves.
    """
    like = next(net.parameters())
    masks = torch.empty(len(x), *x.shape[-2:], dtype=torch.uint8)
    maps: Tensor | None = None
    for rows, keep_rows in _windows(x.shape[-2], tile, overlap):
        for columns, keep_columns in _windows(x.shape[-1], tile, overlap):
            logits = net(x[..., rows, columns].to(like.device, like.dtype)).float()
            inner = (..., _relative(keep_rows, rows), _relative(keep_columns, columns))
            outer = (..., keep_rows, keep_columns)
            masks[outer] = logits[inner].argmax(1).byte().cpu()
            if probabilities:
                if maps is None:
                    maps = torch.empty(len(x), logits.shape[1], *x.shape[-2:], dtype=torch.float16)
                maps[outer] = logits[inner].softmax(1).half().cpu()
    return masks, maps


def _windows(size: int, tile: int, overlap: int) -> Iterator[tuple[slice, slice]]:
    """Windows of at most ``tile`` pixels that overlap, each with the part of it that is kept: up to mid-overlap."""
    if size <= tile:
        yield slice(0, size), slice(0, size)
        return
    half = overlap // 2
    step = max((tile - overlap) // STRIDE * STRIDE, STRIDE)
    starts = range(0, size - overlap, step)
    for start in starts:
        stop = min(start + tile, size)
        first, last = start == 0, start == starts[-1]
        yield slice(start, stop), slice(0 if first else start + half, size if last else start + step + half)


def _relative(part: slice, window: slice) -> slice:
    return slice(part.start - window.start, part.stop - window.start)


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
