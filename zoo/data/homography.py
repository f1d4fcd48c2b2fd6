"""Random pairs with a known homography, from any folder of pictures or from drawn street scenes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from zoo.base.errors import ZooError
from zoo.base.memory import fits
from zoo.base.splits import Split
from zoo.data.device_pairs import as_pictures, can_make, device_batch
from zoo.data.module import TrainingBatches, as_floats, batches_loader, held_out_loader
from zoo.data.pairs import (
    HELD_OUT_SEEDS,
    Protocol,
    draw_held_out,
    exact_pair,
    net_offsets,
    protocol_of,
    to_net_size,
)
from zoo.data.photometric import differ
from zoo.data.picture_data import PictureData
from zoo.data.pictures import fit, size_of
from zoo.data.training_pairs import PLAIN, Batch, Fractions, as_second_pass, draw_training, warped_pair
from zoo.pictures.geometry import NET_SIZE, corner_points, matrix_from_corners

CELL, FLAT = 16, 4.0  # side of a cell in pixels; deviation in 1/255 from which a cell has texture


class HomographyPairs(PictureData[np.ndarray]):
    """Pairs of patches with a known homography (:mod:`zoo.data.pairs`), made from single pictures.

    Batches are ``(pairs, offsets)``. Pairs are ``(B, 2, 128, 128)``, uint8 until they reach the device and float in
    0..1 there. Offsets of the corners are ``(B, 4, 2)``, in pixels of the 128x128 patches. Training pairs are drawn
    anew every epoch; the pairs of val and test are bit-identical on every machine.

    Args:
        root: folder of pictures. Subfolders train, val and test are the splits; without them a hash of each picture's
            path decides its split. None: street scenes drawn by the program.
        extra: folders of further training pictures, never used for validation or test.
        protocol: "A": patches of 256 pixels, pictures of 640x480, corners that move by up to 64 pixels; "B": patches
            of 128 pixels, pictures of 320x240, corners that move by up to 32 pixels.
        size: width and height of the resized pictures in pixels; None: the protocol's.
        patch: side of the patches in pixels; None: the protocol's.
        perturbation: maximum movement of a corner in x and in y, in pixels; None: the protocol's.
        jitter: maximum shift of the patch from the middle of the picture, in pixels of x and of y; None: any.
        grey: whether pictures are converted to grey; otherwise pairs are ``(B, 6, 128, 128)``.
        second_pass: fraction of the training pairs that look as in a second pass: a first estimate has warped b, little
            is left to correct, and the edge of b is repeated beyond its border.
        photometric: fraction of the training pairs whose patches also differ in light, blur, noise, JPEG and occlusion.
        wide: fraction of the training pairs whose corners move by up to 1.25 perturbations; these pairs are also
            rotated by up to 15 degrees and zoomed by up to 1.25.
        swapped: fraction of the training pairs with a and b exchanged, except pairs whose corners would then move by
            more than 2 perturbations.
        tiles: largest n: each training picture is also cut into n x n tiles of the protocol's size, for each n from 2
            on that its size allows. Tiles without texture are left out; each tile is drawn as often as a picture.
        pairs_per_epoch: number of training pairs per epoch.
        val_pairs: number of validation pairs.
        test_pairs: number of test pairs.
        val_fraction: fraction of the pictures of ``root`` for val, and the same fraction for test.
        batch_size: training pairs per step and device.
        num_workers: number of processes that make pairs; None: one per core, at most 4, and none on two cores.
        seed: random seed of the training pairs.
        make_on: where training pairs are made. "device": on the device of the network, which needs patches of 128,
            256, ... pixels and memory for all training pictures. "auto": there if it is a GPU and meets both
            conditions, otherwise on the CPU.
        splits: a CSV or JSON of pictures and their splits, or a folder with lists train.txt, val.txt and test.txt.
    """

    training_only = PictureData.training_only | {
        "pairs_per_epoch",
        "second_pass",
        "photometric",
        "wide",
        "swapped",
        "tiles",
        "make_on",
    }
    sizes = frozenset({"size", "patch", "perturbation", "jitter"})
    streets: ClassVar = {"train": 400, "val": 50, "test": 50}

    def __init__(
        self,
        root: Path | None = None,
        extra: list[Path] | None = None,
        protocol: Literal["A", "B"] = "B",
        size: tuple[int, int] | None = None,
        patch: int | None = None,
        perturbation: int | None = None,
        jitter: int | None = None,
        grey: bool = True,
        second_pass: float = 0.25,
        photometric: float = 0.0,
        wide: float = 0.0,
        swapped: float = 0.0,
        tiles: int = 1,
        pairs_per_epoch: int = 25_600,
        val_pairs: int = 500,
        test_pairs: int = 1000,
        val_fraction: float = 0.1,
        batch_size: int = 64,
        num_workers: int | None = None,
        seed: int = 0,
        make_on: Literal["auto", "cpu", "device"] = "auto",
        splits: Path | None = None,
    ) -> None:
        counts = {"pairs_per_epoch": pairs_per_epoch, "val_pairs": val_pairs, "test_pairs": test_pairs}
        super().__init__(root, extra, val_fraction, batch_size=batch_size, num_workers=num_workers, seed=seed, **counts)
        self.protocol = protocol_of(protocol, size, patch, perturbation, jitter)
        if make_on == "device" and not can_make(self.protocol):
            raise ZooError(f"data.make_on: patches of {self.protocol.patch} pixels can only be made on the CPU")
        self.epoch, self.counts = pairs_per_epoch, {"val": val_pairs, "test": test_pairs}
        self.smallest = self.protocol.patch
        self.shape = (self.protocol.height, self.protocol.width, *(() if grey else (3,)))
        self.grey, self.make_on, self.splits = grey, make_on, splits
        if tiles < 1:
            raise ZooError(f"data.tiles must be 1 or more, not {tiles}")
        self.tiles = tiles
        self._options = dict[str, Any](
            protocol=self.protocol, count=batch_size, fractions=Fractions(second_pass, photometric, wide, swapped)
        )

    def keep(self, picture: Image.Image, name: str, split: Split) -> np.ndarray:
        """The picture at the protocol's size, ``(H, W)`` or ``(H, W, 3)``; of a training picture, all tiles too."""
        width, height = self.protocol.width, self.protocol.height
        shown = picture.convert("L") if self.grey else picture
        whole = fit(shown, width, height)
        if split != "train":
            return whole
        pieces = [whole[None]]
        for n in self._cuts(*shown.size):
            large = fit(shown, n * width, n * height)
            grid = large.reshape(n, height, n, width, *large.shape[2:]).swapaxes(1, 2).reshape(-1, *whole.shape)
            pieces.append(grid[[has_texture(piece) for piece in grid]])
        return np.concatenate(pieces)

    def most(self, paths: list[Path], split: Split) -> int:
        if split != "train" or self.tiles == 1:
            return len(paths)
        return sum(1 + sum(n**2 for n in self._cuts(*size_of(path))) for path in paths)

    def _cuts(self, width: int, height: int) -> range:
        """The numbers n of tiles into which a side of a picture is cut."""
        return range(2, min(self.tiles, width // self.protocol.width, height // self.protocol.height) + 1)

    def held_out_pairs(self, split: Split) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Patches a and b at the protocol's size, and the offsets of a's corners: their places in b minus those in a.

        Returns:
            Pairs of ``(patch, patch)`` or ``(patch, patch, 3)`` uint8, and offsets ``(N, 4, 2)`` in whole pixels.
        """
        pictures = self.kept(split)
        places, offsets = draw_held_out(HELD_OUT_SEEDS[split], self.counts[split], self.protocol)
        pairs = [
            exact_pair(pictures[i % len(pictures)], place, offset, self.protocol)
            for i, (place, offset) in enumerate(zip(places, offsets, strict=True))
        ]
        return pairs, offsets

    def digest(self, split: Split) -> str:
        """SHA-256 over the held-out pairs: of each pair a, b (uint8, row by row) and offsets (int16, little-endian).

        Training pairs are drawn without end, so the digest of train is that of the pictures.
        """
        if split == "train":
            return super().digest(split)
        digest = hashlib.sha256()
        pairs, offsets = self.held_out_pairs(split)
        for (a, b), offset in zip(pairs, offsets, strict=True):
            for part in (a, np.ascontiguousarray(b), offset.astype("<i2")):
                digest.update(part.tobytes())
        return digest.hexdigest()

    def batch_maker(self) -> Callable[[np.random.Generator], Batch]:
        return partial(training_batch, pictures=self.kept("train"), **self._options)

    def train_dataloader(self) -> DataLoader:
        if not self._makes_on_device():
            return super().train_dataloader()
        self._on_device = as_pictures(self.kept("train"), self._device())
        return batches_loader(TrainingBatches(self.batches(), self.seed, _generator), 0, self.start())

    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def _makes_on_device(self) -> bool:
        if self.make_on != "auto":
            return self.make_on == "device"
        device = self._device()
        if device.type != "cuda" or not can_make(self.protocol):
            return False
        return fits([(self.kept("train").nbytes, device)], 0.5)

    def held_out_dataloader(self, split: Split) -> DataLoader:
        pairs, offsets = self.held_out_pairs(split)
        stacked = np.stack([as_input(to_net_size(a), to_net_size(b)) for a, b in pairs])
        matrices = matrix_from_corners(corner_points(self.protocol.patch) + offsets, self.protocol.patch)
        targets = net_offsets(matrices, self.protocol.patch)
        dataset = TensorDataset(torch.from_numpy(stacked), torch.from_numpy(targets))
        return held_out_loader(dataset, split, self.batch_size)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> tuple[Tensor, Tensor]:
        chance = isinstance(batch, np.random.Generator)
        pairs, offsets = device_batch(batch, self._on_device, **self._options) if chance else batch
        return as_floats(pairs), offsets


def _generator(rng: np.random.Generator) -> np.random.Generator:
    """The random generator of a batch that is made on the device."""
    return rng


def training_batch(
    rng: np.random.Generator,
    pictures: np.ndarray,
    count: int,
    protocol: Protocol,
    fractions: Fractions = PLAIN,
) -> Batch:
    """Random pairs; see :class:`HomographyPairs`.

    Args:
        rng: the only source of random numbers.
        pictures: ``(N, H, W)`` or ``(N, H, W, 3)`` uint8 at the protocol's size.
        count: number of pairs.
        protocol: sizes of pictures and patches.
        fractions: fractions of the kinds of pairs.
    """
    drawn = draw_training(rng, len(pictures), count, protocol, fractions)
    channels = 1 if pictures.ndim == 3 else 3
    pairs = np.empty((count, 2 * channels, NET_SIZE, NET_SIZE), np.uint8)
    for i, (picture, place) in enumerate(zip(drawn.chosen.tolist(), drawn.places.tolist(), strict=True)):
        a, b = warped_pair(pictures[picture], place, drawn.matrices[i], protocol.patch)
        a, b = to_net_size(a), to_net_size(b)
        if drawn.unlike[i]:
            a, b = differ(a, rng), differ(b, rng)
        if drawn.swapped[i]:
            a, b = b, a
        if drawn.second_pass[i]:
            b = as_second_pass(b, drawn.estimates[i])
        pairs[i] = as_input(a, b)
    return pairs, drawn.offsets


def has_texture(piece: np.ndarray) -> bool:
    """Whether at least half of the cells of 16x16 pixels have texture."""
    side = min(CELL, *piece.shape[:2])
    height, width = (length // side * side for length in piece.shape[:2])
    cells = piece[:height, :width].reshape(height // side, side, width // side, side, -1)
    return float(np.median(cells.astype(np.float32).std((1, 3)))) >= FLAT


def as_input(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Two patches ``(128, 128)`` or ``(128, 128, 3)`` as the channels of one array ``(2 or 6, 128, 128)``."""
    return np.concatenate([np.atleast_3d(patch).transpose(2, 0, 1) for patch in (a, b)])
