"""What all DataModules have in common."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from lightning.pytorch import LightningDataModule
from PIL import Image
from torch.utils.data import DataLoader

from zoo.base.errors import ZooError
from zoo.data import (
    Augment,
    CamVid,
    HomographyPairs,
    PictureCrops,
    SegmentationFolder,
    StreetScenes,
    StylePair,
    SuperResolutionPairs,
)
from zoo.data.digest import digest
from zoo.data.sampling import worker_options

CLASSES = (
    CamVid, HomographyPairs, PictureCrops, SegmentationFolder, StreetScenes, StylePair, SuperResolutionPairs,
)  # fmt: skip
PICTURES = (HomographyPairs, PictureCrops, SuperResolutionPairs)
OTHER_TRAINING = {
    "swapped": 0.5,
    "tiles": 2,
    "wide": 0.5,
    "augment": Augment(crop=(32, 32), photometric=False),
    "batch_size": 3,
    "crop": 48,
    "second_pass": 1.0,
    "grey_fraction": 0.5,
    "levels": 2,
    "make_on": "cpu",
    "num_workers": 1,
    "photometric": 1.0,
    "seed": 7,
    "train": 3,
    "crops_per_epoch": 5,
    "pairs_per_epoch": 5,
}  # arguments and what they are not by default
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of noise, 100x90, in a folder, and five in another."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in [*(f"root/{i}.png" for i in range(30)), *(f"extra/{i}.png" for i in range(5))]:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (90, 100, 3), dtype=np.uint8)).save(folder / name)
    return folder / "root"


def small(kind: type, root: Path, **changed: object) -> LightningDataModule:
    options = {
        HomographyPairs: {"size": (64, 48), "patch": 24, "perturbation": 6, "val_pairs": 4, "test_pairs": 4},
        PictureCrops: {"size": 64, "crop": 32},
        SuperResolutionPairs: {"crop": 64},
    }[kind]
    return kind(**{"root": root, "num_workers": 0, "val_fraction": 0.2, **options, **changed})


def held_out_pictures_of(data: LightningDataModule) -> str:
    """A digest of the pictures that are tested on, in any batches."""
    parts = [batch[0] if isinstance(batch, (tuple, list)) else batch for batch in data.test_dataloader()]
    return digest(one for part in parts for one in part.numpy())


@pytest.mark.parametrize("kind", CLASSES)
def test_declared_arguments_exist(kind: type):
    arguments = set(inspect.signature(kind).parameters)
    assert kind.training_only <= arguments
    assert kind.sizes <= arguments
    assert {
        name for name in ("batch_size", "num_workers", "seed", "augment") if name in arguments
    } <= kind.training_only


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in PICTURES for name in sorted(kind.training_only - {"extra"})]
)
def test_what_is_of_training_only_changes_no_test(kind: type, name: str, photographs: Path):
    assert held_out_pictures_of(small(kind, photographs, **{name: OTHER_TRAINING[name]})) == held_out_pictures_of(
        small(kind, photographs)
    )


@pytest.mark.parametrize("kind", PICTURES)
def test_further_pictures_change_no_test(kind: type, photographs: Path):
    more = small(kind, photographs, extra=[photographs.with_name("extra")])
    assert held_out_pictures_of(more) == held_out_pictures_of(small(kind, photographs))
    assert len(more.kept("train")) == len(small(kind, photographs).kept("train")) + 5


@pytest.mark.parametrize("name", sorted(StreetScenes.training_only))
def test_what_is_of_training_only_changes_no_test_of_segmentation(name: str):
    options = {"size": (64, 64), "train": 2, "val": 2, "num_workers": 0}
    changed = StreetScenes(**{**options, name: OTHER_TRAINING[name]})
    assert changed.digest("test") == StreetScenes(**options).digest("test")


@pytest.mark.parametrize("kind", [*PICTURES, StreetScenes])
def test_fewer_samples_than_devices_are_refused(kind: type, photographs: Path, monkeypatch: pytest.MonkeyPatch):
    """Rather than leave a device without any, for which the others would wait."""
    data = StreetScenes((64, 64), val=2) if kind is StreetScenes else small(kind, photographs)
    monkeypatch.setattr("zoo.data.module.replicas", lambda: {"num_replicas": 50, "rank": 1})
    with pytest.raises(ZooError, match=r"^val has \d+ samples for 50 devices: add samples, or use fewer devices$"):
        data.val_dataloader()


def test_fewer_pictures_of_a_benchmark_than_devices_are_refused(photographs: Path, monkeypatch: pytest.MonkeyPatch):
    data = small(SuperResolutionPairs, photographs, val=[photographs.with_name("extra")])
    monkeypatch.setattr("zoo.data.module.replicas", lambda: {"num_replicas": 6, "rank": 1})
    with pytest.raises(ZooError, match=r"^val has 5 samples for 6 devices: add samples, or use fewer devices$"):
        data.val_dataloader()


@pytest.mark.parametrize("kind", PICTURES)
def test_one_rank_says_what_is_skipped(kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (90, 100, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "torn.png").write_bytes(b"torn")
    for rank, said in ((0, 1), (1, 0)):
        monkeypatch.setattr("zoo.base.processes.rank", lambda rank=rank: rank)
        data = small(kind, tmp_path, val_fraction=1e-9)
        for _ in range(2):
            data.kept("train")
        assert capsys.readouterr().err.count("train: 1 of 5 pictures skipped (1 broken); ") == said


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind not in (StylePair, SegmentationFolder)])
@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("num_workers", -1)])
def test_numbers_that_cannot_be(kind: type, name: str, value: int):
    with pytest.raises(ZooError, match=rf"^data\.{name} must be \d or more, not {value}$"):
        kind(**{name: value})


def test_opencv_leaves_the_cores_to_the_workers():
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        (seen,) = DataLoader(Threads(), 1, **worker_options(1))
        assert seen.item() == 1
        assert cv2.getNumThreads() == 3  # in this process
    finally:
        cv2.setNumThreads(threads)


class Threads:
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        return cv2.getNumThreads()


@pytest.mark.parametrize("before", [None, "true"])
def test_importing_changes_nothing_of_the_process(before: str | None):
    program = """
import os, cv2
cv2.setNumThreads(3)
before = os.environ.get("NO_ALBUMENTATIONS_UPDATE")
import zoo.data.transforms
assert os.environ.get("NO_ALBUMENTATIONS_UPDATE") == before
assert cv2.getNumThreads() == 3
"""
    environment = {"PATH": "", "NO_ALBUMENTATIONS_UPDATE": before} if before else {"PATH": ""}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
