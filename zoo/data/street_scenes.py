"""Drawn street scenes as a data set that needs no download."""

from __future__ import annotations

from zoo.base.errors import ZooError
from zoo.data.labels import CAMVID
from zoo.data.segmentation import Sample, SegmentationData, Split
from zoo.data.streets import MIN_SIDE, draw_streets
from zoo.data.transforms import Augment


class StreetScenes(SegmentationData):
    """Street scenes drawn by the program (:func:`zoo.data.streets.draw_street`), with CamVid's classes.

    Args:
        size: height and width of a scene, in pixels.
        train: number of training scenes.
        val: number of validation scenes; as many other scenes are for test.
        batch_size: training samples per step and device.
        num_workers: number of processes that augment; None: chosen by the number of cores.
        augment: augmentation of the training samples.
        seed: random seed of augmentation and order; the scenes are always the same.
    """

    training_only = SegmentationData.training_only | {"train"}
    sizes = frozenset({"size"})

    def __init__(
        self,
        size: tuple[int, int] = (240, 320),
        train: int = 400,
        val: int = 60,
        batch_size: int = 8,
        num_workers: int | None = None,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(CAMVID, batch_size, num_workers, augment, seed, train=train, val=val)
        if min(size) < MIN_SIDE:
            raise ZooError(f"data.size: height and width must be {MIN_SIDE} pixels or more, not {list(size)}")
        self.size = size
        self.counts = {"train": train, "val": val, "test": val}

    def load(self, split: Split) -> list[Sample]:
        return draw_streets(split, self.counts[split], self.size)
