"""Random pairs of views with known correspondences, from any folder of pictures or from drawn street scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from zoo.base.errors import ZooError
from zoo.base.splits import Split
from zoo.data.module import as_floats, held_out_loader
from zoo.data.pairs import HELD_OUT_SEEDS
from zoo.data.photometric import OCCLUSION, PROBABILITIES, differ, occlude
from zoo.data.picture_data import PictureData, UnusableError
from zoo.pictures.classical import magnification
from zoo.pictures.geometry import corner_points, is_convex, matrix_from_corners, transform_points

CELL = 8  # side in pixels of the cells in which keypoints are labelled
NONE = CELL**2  # label of a cell without a keypoint
EDGE = 4  # minimum distance of a correspondence from the edge, in pixels
MIN_POINTS = 24  # minimum number of correspondences of a pair
CORNER = 0.02  # minimum response of a keypoint, relative to the strongest corner
NEAR = 5  # side in pixels of the window in which a keypoint must be the strongest
SEEN = {kind: p for kind, p in PROBABILITIES.items() if kind != "occlude"}  # changes that keep a view's corners
Picture = list[np.ndarray]  # grey, each half the size of the one before


class Batch(NamedTuple):
    """B pairs of views a and b.

    Args:
        views: grey views, ``(2B, 1, S, S)``, all of a before all of b.
        points: corresponding points, ``(B, N, 4)`` as x and y in a, x and y in b, in pixels.
        counts: number of distinct points of each pair, ``(B,)``; the remaining points repeat them.
        keypoints: index, row by row, of the corner in each cell of 8x8 pixels, 64 in a cell without a corner:
            ``(2B, S / 8, S / 8)``.
    """

    views: Tensor
    points: Tensor
    counts: Tensor
    keypoints: Tensor


@dataclass(frozen=True)
class Range:
    """Ranges of the differences between views.

    Args:
        side: side of a view, in pixels.
        points: number of correspondences of a pair.
        zoom: maximum ratio of a thing's length in one view to its length in the other.
        turn: maximum rotation of one view against the other, in degrees.
        tilt: maximum additional movement of each corner, as a fraction of the side.
        shift: maximum distance between the middles of the views, as a fraction of the side.
        photometric: fraction of the views that also differ in light, blur, noise, JPEG and occlusion.
    """

    side: int = 256
    points: int = 220
    zoom: float = 3.0
    turn: float = 60.0
    tilt: float = 0.2
    shift: float = 0.3
    photometric: float = 0.5


class Views(PictureData[list[Picture]]):
    """Pairs of views of single pictures, under homographies, with the points that they share (:class:`Batch`).

    Training pairs are drawn anew every epoch; the pairs of val and test are fixed.

    Args:
        root: folder of pictures. Subfolders train, val and test are the splits; without them a hash of each picture's
            path decides its split. None: street scenes drawn by the program.
        extra: folders of further training pictures, never used for validation or test.
        side: side of a view in pixels, a multiple of 32.
        points: number of correspondences of a pair.
        zoom: maximum factor by which things are larger in one view than in the other.
        turn: maximum rotation of one view against the other, in degrees.
        tilt: maximum additional movement of each corner, as a fraction of the side.
        shift: maximum distance between the middles of the views, as a fraction of the side.
        photometric: fraction of the views that also differ in light, blur, noise, JPEG and occlusion.
        largest: maximum longer side in pixels; larger pictures are downscaled.
        pairs_per_epoch: number of training pairs per epoch.
        val_pairs: number of validation pairs.
        test_pairs: number of test pairs.
        val_fraction: fraction of the pictures of ``root`` for val, and the same fraction for test.
        batch_size: training pairs per step and device.
        num_workers: number of processes that make pairs; None: one per core, at most 4, and none on two cores.
        seed: random seed of the training pairs.
        splits: a CSV or JSON of pictures and their splits, or a folder with lists train.txt, val.txt and test.txt.
    """

    training_only = PictureData.training_only | {"pairs_per_epoch"}
    sizes = frozenset({"side", "largest"})
    streets: ClassVar = {"train": 200, "val": 25, "test": 25}
    street_size = (480, 640)
    smallest = 64
    sample = list

    def __init__(
        self,
        root: Path | None = None,
        extra: list[Path] | None = None,
        side: int = 256,
        points: int = 220,
        zoom: float = 3.0,
        turn: float = 60.0,
        tilt: float = 0.2,
        shift: float = 0.3,
        photometric: float = 0.5,
        largest: int = 1600,
        pairs_per_epoch: int = 24_000,
        val_pairs: int = 200,
        test_pairs: int = 400,
        val_fraction: float = 0.1,
        batch_size: int = 12,
        num_workers: int | None = None,
        seed: int = 0,
        splits: Path | None = None,
    ) -> None:
        counts = {"pairs_per_epoch": pairs_per_epoch, "val_pairs": val_pairs, "test_pairs": test_pairs}
        super().__init__(root, extra, val_fraction, batch_size=batch_size, num_workers=num_workers, seed=seed, **counts)
        if side < 64 or side % 32:
            raise ZooError(f"data.side must be a multiple of 32, 64 or more, not {side}")
        if largest < side:
            raise ZooError(f"data.largest must be data.side ({side}) or more, not {largest}")
        if points < MIN_POINTS:
            raise ZooError(f"data.points must be {MIN_POINTS} or more, not {points}")
        if not (0 <= photometric <= 1 and 0 <= tilt < 0.5 and 0 <= shift < 1 and 0 <= turn <= 180 and 1 <= zoom <= 8):
            bounds = "photometric 0 to 1, tilt below 0.5, shift below 1, turn 0 to 180, zoom 1 to 8"
            raise ZooError(f"data: an argument is out of its bounds: {bounds}")
        self.epoch, self.counts = pairs_per_epoch, {"val": val_pairs, "test": test_pairs}
        self.largest, self.splits = largest, splits
        self.range = Range(side, points, zoom, turn, tilt, shift, photometric)

    def keep(self, picture: Image.Image, name: str, split: Split) -> Picture:
        """The grey picture, downscaled to ``largest`` if necessary, and at half that size, a quarter, and so on."""
        grey = picture.convert("L")
        grey.thumbnail((self.largest, self.largest), Image.Resampling.BOX)
        if min(grey.size) < self.smallest:
            sizes = f"{picture.width}x{picture.height} pixels are {grey.width}x{grey.height} with data.largest"
            raise UnusableError("narrow", f"{name}: {sizes} {self.largest}; a side needs {self.smallest}")
        levels = [np.asarray(grey)]
        while min(levels[-1].shape) >= 2 * self.smallest:
            levels.append(cv2.pyrDown(levels[-1]))
        return levels

    def batch_maker(self) -> Callable[[np.random.Generator], tuple[np.ndarray, ...]]:
        return partial(views_batch, pictures=self.kept("train"), count=self.batch_size, how=self.range)

    def held_out_dataloader(self, split: Split) -> DataLoader:
        pictures, samples = self.kept(split), []
        for i in range(self.counts[split]):
            rng = np.random.default_rng((HELD_OUT_SEEDS[split], i))
            samples.append(views_batch(rng, [pictures[i % len(pictures)]], 1, self.range))
        return held_out_loader(_Batches(samples), split, batch_size=None)  # type: ignore[arg-type]

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        views, *rest = batch
        return Batch(as_floats(views), *rest)


class _Batches(list[tuple[np.ndarray, ...]]):
    """Finished batches, as a data set."""


def views_batch(
    rng: np.random.Generator, pictures: Sequence[Picture], count: int, how: Range
) -> tuple[np.ndarray, ...]:
    """Random pairs, as the fields of :class:`Batch`.

    Args:
        rng: the only source of random numbers.
        pictures: pictures that the views show.
        count: number of pairs.
        how: ranges of the differences between views.
    """
    side = how.side
    views = np.empty((2, count, 1, side, side), np.uint8)
    points = np.empty((count, how.points, 4), np.float32)
    counts = np.empty(count, np.int64)
    keypoints = np.empty((2, count, side // CELL, side // CELL), np.int64)
    for i in range(count):
        picture, maps, found = draw_pair(rng, pictures, how)
        counts[i] = min(len(found), how.points)
        points[i] = found[np.arange(how.points) % counts[i]]
        for which, to_picture in enumerate(maps):
            view = seen(picture, to_picture, side)
            views[which, i, 0], keypoints[which, i] = labelled(rng, view, rng.random() < how.photometric)
    return views.reshape(-1, 1, side, side), points, counts, keypoints.reshape(-1, *keypoints.shape[2:])


def draw_pair(
    rng: np.random.Generator, pictures: Sequence[Picture], how: Range
) -> tuple[Picture, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """A picture, the maps from pixels of two views to its pixels, and points ``(N, 4)`` that both views show."""
    while True:
        picture = pictures[int(rng.integers(len(pictures)))]
        maps = draw_maps(rng, picture[0].shape[:2], how)
        if maps is None:
            continue
        found = shared_points(rng, np.linalg.inv(maps[1]) @ maps[0], how.side)
        if len(found) >= MIN_POINTS:
            return picture, maps, found


def draw_maps(rng: np.random.Generator, shape: tuple[int, ...], how: Range) -> tuple[np.ndarray, np.ndarray] | None:
    """Maps from pixels of views a and b to pixels of a picture; None if one of the maps would fold its view.

    The ratio of lengths in the two views is at most ``zoom``, drawn uniformly on a logarithmic scale.
    """
    short = float(min(shape))
    zoom = how.zoom ** rng.uniform(-1, 1)
    largest = short / max(1.0, zoom)  # maximum side of a in the picture
    length = np.exp(rng.uniform(np.log(min(0.5 * how.side, largest)), np.log(largest)))
    lengths = length, length * zoom
    middle = np.array([rng.uniform(length / 2, max(side - length / 2, length / 2)) for side in shape[::-1]])
    middles = middle, middle + rng.uniform(-how.shift, how.shift, 2) * max(lengths)
    first = rng.uniform(-180, 180) if rng.random() < 0.25 else rng.uniform(-15, 15)
    turns = first, first + rng.uniform(-how.turn, how.turn)
    maps = []
    for length, middle, turn in zip(lengths, middles, turns, strict=True):
        corners = quadrilateral(rng, length, middle, turn, how.tilt * rng.random())
        if not is_convex(corners, length**2 / 16):
            return None
        maps.append(matrix_from_corners(corners, how.side))
    return maps[0], maps[1]


def quadrilateral(rng: np.random.Generator, length: float, middle: np.ndarray, turn: float, tilt: float) -> np.ndarray:
    """Corners ``(4, 2)`` of a rotated square with randomly moved corners."""
    unit = corner_points(2) - 0.5 + rng.uniform(-tilt, tilt, (4, 2))
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    return unit @ np.array([[cosine, sine], [-sine, cosine]]) * length + middle


def shared_points(rng: np.random.Generator, matrix: np.ndarray, side: int) -> np.ndarray:
    """Points of a, one per cell, and their places in b, ``(N, 4)``: only points that b shows, in random order."""
    cells = np.stack(np.meshgrid(np.arange(0, side, CELL), np.arange(0, side, CELL)), -1).reshape(-1, 2)
    a = cells + rng.uniform(0, CELL - 1, cells.shape)
    b = transform_points(matrix, a)
    inside = ((a >= EDGE) & (a <= side - 1 - EDGE) & (b >= EDGE) & (b <= side - 1 - EDGE)).all(1)
    return rng.permutation(np.concatenate((a, b), 1)[inside])


def seen(picture: Picture, matrix: np.ndarray, side: int) -> np.ndarray:
    """A view ``(side, side)`` of a picture, mirrored at its edges; ``matrix`` maps to pixels of its full size."""
    pixels = max(magnification(matrix, (side, side)), 1.0)  # pixels of the picture per pixel of the view
    level = int(np.clip(np.floor(np.log2(pixels) + 0.5), 0, len(picture) - 1))
    to_level = np.diag([0.5**level, 0.5**level, 1.0])  # pyrDown keeps every other pixel, also if a side is odd
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(
        picture[level], to_level @ matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )


def labelled(rng: np.random.Generator, view: np.ndarray, unlike: bool) -> tuple[np.ndarray, np.ndarray]:
    """A view, photometrically changed if ``unlike``, and labels of its original corners that are still visible."""
    shown = view
    if unlike and rng.random() < PROBABILITIES["occlude"]:
        shown = occlude(view, rng.uniform(*OCCLUSION), rng)
    hidden = cv2.dilate((shown != view).astype(np.uint8), np.ones((NEAR, NEAR), np.uint8)) > 0
    return differ(shown, rng, SEEN) if unlike else shown, corner_labels(view, hidden)


def corner_labels(view: np.ndarray, hidden: np.ndarray | None = None) -> np.ndarray:
    """The strongest corner of each cell (Shi and Tomasi, 1994), in the form of :class:`Batch`'s keypoints: ``(h, w)``.

    A corner must also be the strongest of the 5x5 pixels around it, and not much weaker than the view's strongest.

    Args:
        view: ``(H, W)`` uint8, whose sides are multiples of 8.
        hidden: pixels that never are corners, ``(H, W)`` bool; None: no such pixels.
    """
    response = cv2.cornerMinEigenVal(cv2.GaussianBlur(view, (0, 0), 1.0).astype(np.float32), 5)
    peak = response >= cv2.dilate(response, np.ones((NEAR, NEAR), np.uint8))
    peak &= response > max(CORNER * float(np.quantile(response, 0.995)), 1.0)
    response = np.where(peak if hidden is None else peak & ~hidden, response, 0)
    height, width = (side // CELL for side in view.shape)
    cells = response.reshape(height, CELL, width, CELL).swapaxes(1, 2).reshape(height, width, CELL**2)
    return np.where(cells.max(-1) > 0, cells.argmax(-1), NONE)
