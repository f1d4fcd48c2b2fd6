"""Any folder of pictures, or drawn street scenes, as endless pairs of a low and a high resolution."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.low_resolution import SCALE, crop_to_multiple, detail, make_low
from zoo.data.pictures import PictureFolders, find_pictures
from zoo.data.sampling import EpochSampler, EverySampleOnce, default_workers, replicas, worker_options
from zoo.data.streets import draw_street
from zoo.pictures.images import open_rgb

Pair: TypeAlias = "tuple[np.ndarray, np.ndarray]"  # low (h, w, 3) and truth (4h, 4w, 3), uint8
STREETS = {"train": (0, 120), "val": (1_000_000, 10), "test": (2_000_000, 20)}  # first scene and how many
STREET_SIZE = 360, 480
SMALLEST = 64  # pixels of a side that is validated or tested: metrics leave a border out and slide a window
SOURCE = "https://github.com/jbhuang0604/SelfExSR has Set5, Set14 and BSD100, their truths are data/*/*SRF_4/*_HR.png"


class SuperResolutionPairs(LightningDataModule):
    """Pairs of a low picture and the truth four times as large (:mod:`zoo.data.low_resolution`).

    Batches are ``(low, truth)``: uint8 ``(B, 3, h, w)`` and ``(B, 3, 4h, 4w)`` on the way to the device, there float in
    0..1. Training pairs are parts of the pictures, drawn afresh every epoch, turned and mirrored; a pair of val or test
    is a whole picture. All pictures stay in memory, decoded.

    Args:
        root: folder of pictures; each goes to a split by the digest of its path. None: drawn street scenes.
        extra: folders of further pictures to train on, never validated or tested on.
        val: folders to validate on as they are, instead of a share of ``root``.
        test: folders to test on as they are, such as Set5 and Set14, likewise; ``zoo test`` gives the mean over all of
            their pictures, ``zoo evaluate`` that of each folder.
        crop: side of the parts of the truth, a multiple of 4.
        blur: deviation in pixels of a Gaussian before the truth is made smaller; 1 in the paper.
        shrink: what the sides of pictures to train on are multiplied with first, which takes traces of JPEG away.
        largest: of their longer side after that, in pixels.
        min_detail: pictures of ``root`` and ``extra`` are skipped as blurred or blank where making them smaller loses
            less than this (:func:`zoo.data.low_resolution.detail`).
        train_pairs: of an epoch.
        held_out: share of the pictures of ``root`` for val, and as many for test.
        held_out_pictures: of val, and of test, at most.
        batch_size: training pairs per step and device.
        num_workers: processes that make pairs; None takes one a core, at most 4, and none on two cores.
        seed: of the training pairs.
    """

    def __init__(
        self,
        root: Path | None = None,
        extra: list[Path] | None = None,
        val: list[Path] | None = None,
        test: list[Path] | None = None,
        crop: int = 288,
        blur: float = 0.0,
        shrink: float = 1.0,
        largest: int = 1200,
        min_detail: float = 1.0,
        train_pairs: int = 16_000,
        held_out: float = 0.05,
        held_out_pictures: int = 50,
        batch_size: int = 16,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if crop < SCALE or crop % SCALE:
            raise ZooError(f"data.crop is a multiple of {SCALE}, not {crop}")
        if min(batch_size, train_pairs, held_out_pictures, largest) < 1 or (num_workers or 0) < 0:
            raise ZooError("data.batch_size, train_pairs, held_out_pictures and largest are 1 or more, num_workers 0")
        if not (0 < shrink <= 1 and blur >= 0 and min_detail >= 0):
            raise ZooError("data.shrink is in 0..1, blur and min_detail are 0 or more")
        if root is None and crop > min(STREET_SIZE):
            raise ZooError(f"data.crop: without data.root streets are drawn, and it is up to {min(STREET_SIZE)}")
        self.folders = PictureFolders(root, extra, held_out)
        self.benchmark_folders = {"val": [Path(f) for f in val or ()], "test": [Path(f) for f in test or ()]}
        self.crop, self.blur, self.shrink, self.largest, self.min_detail = crop, blur, shrink, largest, min_detail
        self.train_pairs, self.held_out_pictures = train_pairs, held_out_pictures
        self.batch_size, self.seed = batch_size, seed
        self.num_workers = default_workers() if num_workers is None else num_workers
        self._train: list[Pair] = []

    def names(self, split: Split) -> list[Path]:
        """The pictures of a split, those of ``root`` before those of ``extra``."""
        names = self.folders.names(split)
        return names if split == "train" else names[: self.held_out_pictures]

    def train_pictures(self) -> list[Pair]:
        """The pairs that are cut from, each at least ``crop`` large, kept in memory."""
        if not self._train:
            found = (
                self._read("train", self.crop)
                if self.folders.root
                else {str(i): p for i, p in enumerate(drawn("train"))}
            )
            self._train = [self._pair(picture) for picture in found.values()]
        return self._train

    def _read(self, split: Split, least: int) -> dict[str, np.ndarray]:
        """The pictures of ``root`` that fall to a split and can be used, by their paths, smaller as asked for."""
        paths = self.folders.some(split)
        if split != "train":
            paths = paths[: self.held_out_pictures]
        with ThreadPoolExecutor() as pool:
            read = dict(zip(map(str, paths), pool.map(partial(self._read_one, least=least), paths), strict=True))
        pictures = {name: one for name, one in read.items() if not isinstance(one, Skipped)}
        skipped = [one for one in read.values() if isinstance(one, Skipped)]
        if not pictures:
            raise ZooError(
                f"{self.folders.root}: none of {len(paths)} pictures of {split} can be used; {skipped[0].why}"
            )
        if skipped and not replicas()["rank"]:
            kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(one.kind for one in skipped).items())
            print(f"{split}: of {len(paths)} pictures skipped {kinds}; {skipped[0].why}", file=sys.stderr)  # noqa: T201
        return pictures

    def _read_one(self, path: Path, least: int) -> np.ndarray | Skipped:
        try:
            picture = self._shrunk(open_rgb(path))
        except ZooError as error:
            return Skipped("broken", str(error))
        if min(picture.shape[:2]) < least:
            size = f"{picture.shape[1]}x{picture.shape[0]}"
            return Skipped("small", f"{path}: {size}, as it is used, is smaller than {least} pixels")
        low, truth = self._pair(picture)
        if (lost := detail(truth, low)) < self.min_detail:
            return Skipped("blurred", f"{path}: blurred or blank, its detail is {lost:.2f} of 255")
        return truth

    def _shrunk(self, picture: Image.Image) -> np.ndarray:
        factor = min(self.shrink, self.largest / max(picture.size))
        if factor < 1:
            size = tuple(max(1, round(side * factor)) for side in picture.size)
            picture = picture.resize(size, Image.Resampling.BICUBIC)  # type: ignore[arg-type]
        return np.array(picture)  # which may be written, as torch wants it

    def _pair(self, picture: np.ndarray) -> Pair:
        truth = np.ascontiguousarray(crop_to_multiple(picture))
        return make_low(truth, self.blur), truth

    def benchmarks(self, split: Split = "test") -> dict[str, list[tuple[str, np.ndarray]]]:
        """Name and truth ``(H, W, 3)`` uint8 of each picture, by the folder it is from, or by the split's name.

        Raises:
            ZooError: a folder is missing or empty, a picture damaged or too small to be measured.
        """
        if folders := self.benchmark_folders[split]:
            return {folder.name: [(p.stem, truth_of(p)) for p in benchmark_files(folder)] for folder in folders}
        if self.folders.root is None:
            return {f"streets {split}": [(str(i), crop_to_multiple(p)) for i, p in enumerate(drawn(split))]}
        pictures = self._read(split, SMALLEST)
        return {f"{self.folders.root.name} {split}": [(Path(name).stem, picture) for name, picture in pictures.items()]}

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.train_pictures()

    def train_dataloader(self) -> DataLoader:
        batches = max(self.train_pairs // self.batch_size, replicas()["num_replicas"])
        dataset = TrainingPairs(self.train_pictures(), batches, self.seed, self.batch_size, self.crop // SCALE)
        sampler = EpochSampler(dataset, **replicas(), shuffle=False, drop_last=True)
        return DataLoader(dataset, batch_size=None, sampler=sampler, **worker_options(self.num_workers))

    def val_dataloader(self) -> DataLoader:
        return self._whole_pictures("val")

    def test_dataloader(self) -> DataLoader:
        return self._whole_pictures("test")

    def _whole_pictures(self, split: Split) -> DataLoader:
        truths = [truth for pictures in self.benchmarks(split).values() for _, truth in pictures]
        if len(truths) < (ranks := replicas()["num_replicas"]):  # a rank without any would leave the others waiting
            raise ZooError(f"{split} has {len(truths)} pictures for {ranks} devices: add some, or train on fewer")
        blur = 0.0 if self.benchmark_folders[split] else self.blur  # benchmarks are taken as they are
        pairs = [(as_tensor(make_low(truth, blur)), as_tensor(truth)) for truth in truths]
        sampler = EverySampleOnce(pairs, **replicas(), shuffle=False)  # type: ignore[arg-type]
        return DataLoader(pairs, 1, sampler=sampler)  # type: ignore[arg-type]

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> tuple[Tensor, Tensor]:
        low, truth = ((part.float() / 255).contiguous(memory_format=torch.channels_last) for part in batch)
        return low, truth


class Skipped(NamedTuple):
    """Why a picture is not used: "small", "blurred" or "broken", and in a line."""

    kind: str
    why: str


@dataclass
class TrainingPairs(Dataset):
    """Batches of training pairs, each a pure function of seed, epoch and index, so that a resumed run is the same run.

    Indices come from :class:`EpochSampler` and carry the epoch. Each pixel of the pictures is as likely as any other.

    Args:
        pairs: whole pictures.
        batches: of an epoch.
        seed: of all of them.
        batch_size: pairs of a batch.
        size: side of the low parts.
    """

    pairs: Sequence[Pair]
    batches: int
    seed: int
    batch_size: int
    size: int

    def __post_init__(self) -> None:
        places = [(low.shape[0] - self.size + 1) * (low.shape[1] - self.size + 1) for low, _ in self.pairs]
        self.until = np.cumsum(places)

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, key))
        size, large = self.size, self.size * SCALE
        lows = np.empty((self.batch_size, size, size, 3), np.uint8)
        truths = np.empty((self.batch_size, large, large, 3), np.uint8)
        places, turns = rng.integers(self.until[-1], size=self.batch_size), rng.integers(8, size=self.batch_size)
        for i, (place, turn) in enumerate(zip(places.tolist(), turns.tolist(), strict=True)):
            chosen = int(np.searchsorted(self.until, place, "right"))
            low, truth = self.pairs[chosen]
            y, x = divmod(place - (int(self.until[chosen - 1]) if chosen else 0), low.shape[1] - size + 1)
            lows[i] = turned(low[y : y + size, x : x + size], turn)
            y, x = y * SCALE, x * SCALE
            truths[i] = turned(truth[y : y + large, x : x + large], turn)
        return as_tensor(lows), as_tensor(truths)


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


def benchmark_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ZooError(f"{folder}: no such folder\n{SOURCE}; --data.test '[FOLDER, ...]' takes others")
    return find_pictures(folder)


def truth_of(path: Path) -> np.ndarray:
    """A picture of a benchmark as it is, but for the crop."""
    truth = np.ascontiguousarray(crop_to_multiple(np.array(open_rgb(path))))
    if min(truth.shape[:2]) < SMALLEST:
        raise ZooError(f"{path}: {truth.shape[1]}x{truth.shape[0]} is too small to be measured: {SMALLEST} at least")
    return truth


def drawn(split: Split) -> list[np.ndarray]:
    """Street scenes ``(360, 480, 3)`` uint8."""
    first, count = STREETS[split]
    return [draw_street(first + i, STREET_SIZE)[0] for i in range(count)]
