"""CamVid in the layout of the SegNet tutorial: 367 / 101 / 233 street scenes, 480x360, 11 classes and void."""

from __future__ import annotations

from pathlib import Path

from zoo.data import camvid_files
from zoo.data.labels import CAMVID
from zoo.data.segmentation import Sample, SegmentationData, Split, read_samples
from zoo.data.transforms import Augment


class CamVid(SegmentationData):
    """CamVid (Brostow et al., 2009), official split. See :class:`SegmentationData` for the batches.

    Args:
        root: folder with ``train``, ``trainannot``, ``train.txt`` and so on, or its parent. If CamVid is not there,
            ``prepare_data`` downloads it (about 190 MB).
        batch_size: training samples per step and device.
        num_workers: number of processes that augment; None: chosen by the number of cores.
        augment: augmentation of the training samples.
        seed: random seed of augmentation and order.
    """

    def __init__(
        self,
        root: Path = Path("data/CamVid"),
        batch_size: int = 8,
        num_workers: int | None = None,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(CAMVID, batch_size, num_workers, augment, seed)
        self.root = Path(root)

    def prepare_data(self) -> None:
        camvid_files.prepare(self.root)
        super().prepare_data()

    def listed(self, split: Split) -> dict[Path, Path | None]:
        files = camvid_files.listed(self.root, split)
        return {picture: mask if mask.is_file() else None for picture, mask in files}

    def load(self, split: Split) -> list[Sample]:
        return read_samples(camvid_files.pairs(self.root, split), self.labels)
