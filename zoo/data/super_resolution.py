"""Random pairs of low and high resolution, from any folder of pictures or from drawn street scenes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from zoo.base.errors import ZooError
from zoo.base.paths import ends_apart
from zoo.base.splits import Split
from zoo.data.degradation import Degradation, Range
from zoo.data.digest import digest
from zoo.data.low_resolution import crop_to_multiple, detail, make_low, resize
from zoo.data.module import as_floats, held_out_loader
from zoo.data.picture_data import PictureData, UnusableError
from zoo.data.pictures import find_pictures
from zoo.pictures.images import open_rgb

MIN_EVAL_SIDE = 64  # minimum side in pixels for val and test: metrics leave a border out and slide a window
ALIGNMENTS = 8  # pixels of a JPEG block: low-resolution crops begin anywhere in a block
SCALES = (2, 3, 4)
SOURCE = "https://github.com/jbhuang0604/SelfExSR has Set5, Set14 and BSD100, their truths are data/*/*SRF_4/*_HR.png"


class Pair(NamedTuple):
    """A low-resolution picture ``(h, w, 3)``, the truth ``(sh, sw, 3)``, both uint8, and the name of the picture."""

    low: np.ndarray
    truth: np.ndarray
    name: str = ""


class SuperResolutionPairs(PictureData[list[Pair]]):
    """Pairs of a low-resolution picture and the truth, s times as large (:mod:`zoo.data.low_resolution`).

    Batches are ``(low, truth)``: ``(B, 3, h, w)`` and ``(B, 3, sh, sw)``, uint8 until they reach the device, float in
    0..1 there. Training pairs are crops of the pictures, drawn anew every epoch, rotated and mirrored; a pair of val or
    test is a whole picture. All pictures stay in memory, decoded.

    Low-resolution pictures are made by bicubic interpolation, as in benchmarks, or like people's photographs by blur,
    noise, resizing and JPEG, see :class:`zoo.data.degradation.Degradation`. The random degradation of a val or test
    picture depends on its pixels only, so it is the same on every machine.

    Args:
        root: folder of pictures. Subfolders train, val and test are the splits; without them a hash of each picture's
            path decides its split. None: street scenes drawn by the program.
        extra: folders of further training pictures, never used for validation or test.
        val: folders of validation pictures, used as they are, instead of a fraction of ``root``.
        test: folders of test pictures, such as Set5 and Set14, used as they are, instead of a fraction of ``root``.
            ``zoo test`` reports the mean over all of their pictures, ``zoo evaluate`` the mean of each folder.
        scale: factor s of width and height, 2 to 4.
        crop: side of the crops of the truth in pixels, a multiple of ``scale``.
        degradation: how low-resolution pictures are made: "bicubic", or "photo" with the arguments ``photo_...``.
        photo_passes: number of passes of blur, noise, resizing and JPEG.
        photo_blur: range of the standard deviation of the Gaussian blur, in pixels of the low-resolution picture.
        photo_resize: range of the factor of the truth's sides in passes before the last.
        photo_noise: range of the standard deviation of the noise, in 1/255.
        photo_jpeg: range of the JPEG quality, 1 to 100.
        blur: deviation in pixels of a Gaussian blur before the truth is downscaled; 1 in the paper.
        shrink: factor of the sides of pictures of ``root`` and ``extra``, applied first; below 1 removes JPEG traces.
        largest: maximum longer side of these pictures after that, in pixels.
        levels: number of sizes of each training picture, each 1 / sqrt(2) of the previous one, none below ``crop``.
        grey_fraction: fraction of the training pairs that are converted to grey.
        min_detail: minimum detail that downscaling must lose (:func:`zoo.data.low_resolution.detail`), in 8-bit levels;
            pictures of ``root`` and ``extra`` below it are skipped as blurred or blank.
        pairs_per_epoch: number of training pairs per epoch.
        val_fraction: fraction of the pictures of ``root`` for val, and the same fraction for test.
        held_out_pictures: maximum number of pictures of val, and of test.
        batch_size: training pairs per step and device.
        num_workers: number of processes that make pairs; None: one per core, at most 4, and none on two cores.
        seed: random seed of the training pairs.
        splits: a CSV or JSON of pictures and their splits, or a folder with lists train.txt, val.txt and test.txt.
    """

    training_only = PictureData.training_only | {"pairs_per_epoch", "crop", "levels", "grey_fraction"}
    sizes = frozenset({"crop", "largest"})
    streets: ClassVar = {"train": 120, "val": 10, "test": 20}
    street_size = (360, 480)
    sample = staticmethod(Pair._make)  # type: ignore[assignment]

    def __init__(
        self,
        root: Path | None = None,
        extra: list[Path] | None = None,
        val: list[Path] | None = None,
        test: list[Path] | None = None,
        scale: int = 4,
        crop: int = 288,
        degradation: Literal["bicubic", "photo"] = "bicubic",
        photo_passes: int = 2,
        photo_blur: Range = (0.1, 0.8),
        photo_resize: Range = (0.2, 1.0),
        photo_noise: Range = (0.0, 10.0),
        photo_jpeg: Range = (30.0, 95.0),
        blur: float = 0.0,
        shrink: float = 1.0,
        largest: int = 1200,
        levels: int = 1,
        grey_fraction: float = 0.0,
        min_detail: float = 1.0,
        pairs_per_epoch: int = 16_000,
        val_fraction: float = 0.05,
        held_out_pictures: int = 50,
        batch_size: int = 16,
        num_workers: int | None = None,
        seed: int = 0,
        splits: Path | None = None,
    ) -> None:
        counts = {"pairs_per_epoch": pairs_per_epoch, "held_out_pictures": held_out_pictures}
        counts |= {"largest": largest, "levels": levels}
        super().__init__(root, extra, val_fraction, batch_size=batch_size, num_workers=num_workers, seed=seed, **counts)
        photo = Degradation(photo_passes, photo_blur, photo_resize, photo_noise, photo_jpeg)
        self.scale, self.photo = scale, photo if degradation == "photo" else None
        self.epoch, self.held_out_pictures = pairs_per_epoch, held_out_pictures
        self.benchmark_folders = {"val": [Path(f) for f in val or ()], "test": [Path(f) for f in test or ()]}
        self.crop, self.blur, self.shrink, self.largest, self.min_detail = crop, blur, shrink, largest, min_detail
        self.levels, self.grey_fraction, self.splits = levels, grey_fraction, splits
        self._check()

    def _check(self) -> None:
        """Refuses invalid arguments."""
        if self.scale not in SCALES:
            raise ZooError(f"data.scale must be 2, 3 or 4, not {self.scale}")
        if self.crop < self.scale or self.crop % self.scale:
            raise ZooError(f"data.crop must be a multiple of {self.scale}, not {self.crop}")
        if not (0 < self.shrink <= 1 and self.blur >= 0 and self.min_detail >= 0):
            raise ZooError("data.shrink must be in 0..1, blur and min_detail 0 or more")
        if not 0 <= self.grey_fraction <= 1:
            raise ZooError(f"data.grey_fraction must be in 0..1, not {self.grey_fraction}")
        if self.root is None and self.crop > (most := min(self.street_size)):
            raise ZooError(f"data.crop must be at most {most} without data.root, where street scenes are drawn")

    def load(self, split: Split) -> list[Pair]:
        pairs = super().load(split)
        return [*pairs, *self._smaller(pairs)] if split == "train" else pairs

    def _smaller(self, pairs: Sequence[Pair]) -> Iterator[Pair]:
        """The pairs at smaller sizes: large photographs have softer details than pictures that people enlarge."""
        for level, pair in product(range(1, self.levels), pairs):
            height, width = (round(side / math.sqrt(2) ** level) for side in pair.truth.shape[:2])
            if min(height, width) >= self.crop:
                yield self.pair_of(resize(pair.truth, width, height), pair.name, "train")

    def keep(self, picture: Image.Image, name: str, split: Split) -> Pair:
        """A pair of the whole picture; a picture of a folder is first downscaled by ``shrink`` and ``largest``."""
        if self.root is None:
            return self.pair_of(np.array(picture), name, split)
        smaller, least = self._shrunk(picture), self.crop if split == "train" else MIN_EVAL_SIDE
        if min(smaller.shape[:2]) < least:
            size = f"{smaller.shape[1]}x{smaller.shape[0]}"
            raise UnusableError("small", f"{name}: used at {size}, which is smaller than {least} pixels")
        pair = self.pair_of(smaller, name, split)
        plain = pair.low if self.photo is None else make_low(pair.truth, self.scale)
        if (lost := detail(pair.truth, plain)) < self.min_detail:
            raise UnusableError("blurred", f"{name}: blurred or blank, its detail is {lost:.2f} of 255")
        return pair

    def pair_of(self, picture: np.ndarray, name: str = "", split: Split = "test", blur: float | None = None) -> Pair:
        """The pair of a picture ``(H, W, 3)``; the truth is the picture cropped to multiples of the scale."""
        truth = np.ascontiguousarray(crop_to_multiple(picture, self.scale))
        if self.photo is None or split == "train":  # training crops are degraded when they are drawn
            return Pair(make_low(truth, self.scale, self.blur if blur is None else blur), truth, name)
        size = truth.shape[1] // self.scale, truth.shape[0] // self.scale
        return Pair(self.photo(truth, size, np.random.default_rng(int(digest([truth]), 16))), truth, name)

    def _shrunk(self, picture: Image.Image) -> np.ndarray:
        factor = min(self.shrink, self.largest / max(picture.size))
        if factor < 1:
            size = tuple(max(1, round(side * factor)) for side in picture.size)
            picture = picture.resize(size, Image.Resampling.BICUBIC)  # type: ignore[arg-type]
        return np.array(picture)  # writable, as torch requires

    def benchmarks(self, split: Split = "test") -> dict[str, list[tuple[str, np.ndarray]]]:
        """Name and truth ``(H, W, 3)`` uint8 of each picture, by its folder, or by the split's name.

        Folders of the same name, such as Set5/HR and Set14/HR, are named by as much of their paths as distinguishes
        them.

        Raises:
            ZooError: a folder is missing or empty, a picture damaged or too small to be measured.
        """
        if folders := self.benchmark_folders[split]:
            names = ends_apart(folders)
            return {
                name: [(p.stem, truth_of(p, self.scale)) for p in benchmark_files(folder, split)]
                for name, folder in zip(names, folders, strict=True)
            }
        source = ends_apart([self.root])[0] if self.root else "streets"
        return {f"{source} {split}": [(Path(pair.name).stem, pair.truth) for pair in self.kept(split)]}

    def needed(self, stage: str | None) -> list[Split]:
        """Training pictures; others may be benchmarks, which are read when needed."""
        return [split for split in super().needed(stage) if split == "train"]

    def batch_maker(self) -> Callable[[np.random.Generator], tuple[Tensor, Tensor]]:
        size = self.crop // self.scale
        return RandomParts(self.kept("train"), self.batch_size, size, self.scale, self.photo, self.grey_fraction)

    def held_out_dataloader(self, split: Split) -> DataLoader:
        if self.benchmark_folders[split]:  # benchmarks are not blurred
            truths = [truth for pictures in self.benchmarks(split).values() for _, truth in pictures]
            pairs = [self.pair_of(truth, blur=0.0) for truth in truths]
        else:
            pairs = self.kept(split)
        return held_out_loader([(as_tensor(pair.low), as_tensor(pair.truth)) for pair in pairs], split)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> tuple[Tensor, Tensor]:
        return as_floats(batch[0]), as_floats(batch[1])


@dataclass
class RandomParts:
    """Makes batches of crops, uniformly over the pairs and over the places in each.

    Args:
        pairs: whole pictures.
        batch_size: number of pairs in a batch.
        size: side of the low-resolution crops.
        scale: factor of the truth's sides.
        photo: degrades crops of the truth, instead of cropping the low-resolution pictures.
        grey: fraction of the pairs converted to grey.
    """

    pairs: Sequence[Pair]
    batch_size: int
    size: int
    scale: int
    photo: Degradation | None = None
    grey: float = 0.0

    def __call__(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        size, large = self.size, self.size * self.scale
        lows = np.empty((self.batch_size, size, size, 3), np.uint8)
        truths = np.empty((self.batch_size, large, large, 3), np.uint8)
        chosen, turns = rng.integers(len(self.pairs), size=self.batch_size), rng.integers(8, size=self.batch_size)
        for i, (number, turn) in enumerate(zip(chosen.tolist(), turns.tolist(), strict=True)):
            pair = self.pairs[number]
            y, x = (int(rng.integers(side - size + 1)) for side in pair.low.shape[:2])
            low = pair.low[y : y + size, x : x + size] if self.photo is None else self._degraded(pair, y, x, rng)
            y, x = y * self.scale, x * self.scale
            parts = low, pair.truth[y : y + large, x : x + large]
            if self.grey and rng.random() < self.grey:
                parts = grey(parts[0]), grey(parts[1])
            lows[i], truths[i] = turned(parts[0], turn), turned(parts[1], turn)
        return as_tensor(lows), as_tensor(truths)

    def _degraded(self, pair: Pair, y: int, x: int, rng: np.random.Generator) -> np.ndarray:
        """A degraded crop, cut from a crop that begins up to one JPEG block further up and left."""
        assert self.photo is not None
        dy, dx = (min(int(place), least) for place, least in zip(rng.integers(ALIGNMENTS, size=2), (y, x), strict=True))
        height, width = dy + self.size, dx + self.size
        rows = slice((y - dy) * self.scale, (y + self.size) * self.scale)
        columns = slice((x - dx) * self.scale, (x + self.size) * self.scale)
        return self.photo(pair.truth[rows, columns], (width, height), rng)[dy:, dx:]


def grey(picture: np.ndarray) -> np.ndarray:
    """A picture ``(H, W, 3)``, uint8, without its colours: its luma in all three channels."""
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)


def turned(square: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight symmetries of a square ``(N, N, 3)``."""
    if turn & 1:
        square = square[::-1]
    if turn & 2:
        square = square[:, ::-1]
    return square.transpose(1, 0, 2) if turn & 4 else square


def as_tensor(pictures: np.ndarray) -> Tensor:
    """``(..., H, W, 3)`` -> ``(..., 3, H, W)``, channels last in memory."""
    return torch.from_numpy(pictures).movedim(-1, -3)


def benchmark_files(folder: Path, split: Split) -> list[Path]:
    if not folder.is_dir():
        raise ZooError(f"{folder}: no such folder\n{SOURCE}\npass yours: --data.{split} '[FOLDER, ...]'")
    return find_pictures(folder)


def truth_of(path: Path, scale: int) -> np.ndarray:
    """A picture of a benchmark, unchanged but for the crop to multiples of the scale."""
    truth = np.ascontiguousarray(crop_to_multiple(np.array(open_rgb(path)), scale))
    if min(truth.shape[:2]) < MIN_EVAL_SIDE:
        raise ZooError(
            f"{path}: {truth.shape[1]}x{truth.shape[0]} is too small to measure: a side needs {MIN_EVAL_SIDE}"
        )
    return truth
