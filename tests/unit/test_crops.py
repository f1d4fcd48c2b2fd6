from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.data import PictureCrops
from zoo.data.crops import random_crops


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Forty photographs of 100x80 pixels."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    astronaut = data.astronaut()
    for i in range(40):
        y, x = 10 * (i // 4), 100 * (i % 4)
        Image.fromarray(astronaut[y : y + 80, x : x + 100]).save(folder / f"{i:02}.png")
    return folder


def crops(root: Path | None, **changed: object) -> PictureCrops:
    options: dict = {"size": 64, "crop": 48, "crops_per_epoch": 12, "val_fraction": 0.2, "num_workers": 0}
    return PictureCrops(root, **{**options, **changed})


def batches(made: PictureCrops, epoch: int = 0) -> list[torch.Tensor]:
    loader = made.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def test_batches_are_squares(photographs: Path):
    made = crops(photographs)
    found = batches(made)
    assert [batch.shape for batch in found] == [(4, 3, 48, 48)] * 3
    assert found[0].dtype == torch.uint8
    moved = made.on_after_batch_transfer(found[0], 0)
    assert moved.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(moved * 255, found[0].float())


def test_drawn_afresh_every_epoch_and_the_same_in_every_run(photographs: Path):
    made = crops(photographs)
    first, again, other = batches(made), batches(crops(photographs)), batches(made, epoch=1)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not any(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    assert not torch.equal(first[0], batches(crops(photographs, seed=1))[0])


def test_no_picture_is_in_two_splits(photographs: Path, tmp_path: Path):
    extra = tmp_path / "extra"
    extra.mkdir()
    Image.fromarray(data.coffee()[:90, :90]).save(extra / "coffee.png")
    made = crops(photographs, extra=[extra], held_out_pictures=40)
    names = {split: made.names(split) for split in ("train", "val", "test")}
    together = [name for split in names.values() for name in split]
    assert len(together) == len(set(together)) == 41
    assert extra / "coffee.png" in names["train"]
    assert min(map(len, names.values())) > 2
    assert len(crops(photographs, held_out_pictures=2).names("test")) == 2
    assert len(list(crops(photographs, held_out_pictures=2).val_dataloader())) == 2


def test_parts_are_of_many_sizes_places_and_turns():
    """A picture of which each pixel tells its place."""
    y, x = np.mgrid[:100, :100]
    picture = np.stack([y, x, np.zeros_like(x)], -1).astype(np.uint8)
    whole = random_crops(np.random.default_rng(0), picture[None], 200, 50).float()
    height = whole[:, 0, -1].mean(-1) - whole[:, 0, 0].mean(-1)
    mirrored = whole[:, 1, :, 0].mean(-1) > whole[:, 1, :, -1].mean(-1)
    assert height.min() < 53
    assert height.max() > 94
    assert 0.4 < mirrored.float().mean() < 0.6
    assert whole[:, 0].min() == 0
    assert whole[:, 0].max() == 99
    exact = random_crops(np.random.default_rng(0), picture[None, :50, :50], 8, 50)
    assert all(torch.equal(part[0], torch.from_numpy(picture[:50, :50, 0])) for part in exact)


def test_val_and_test_are_whole_squares(photographs: Path):
    made = crops(photographs)
    (first, *_) = list(made.test_dataloader())
    truth = Image.open(made.names("test")[0]).crop((10, 0, 90, 80)).resize((64, 64), Image.Resampling.BILINEAR)
    assert np.array_equal(first[0].movedim(0, -1), truth)


def test_streets_are_drawn_without_a_folder():
    made = crops(None, crops_per_epoch=4)
    (batch,) = batches(made)
    assert batch.float().std() > 20
    assert len(list(made.val_dataloader())) == 10


def test_what_cannot_be_used_is_skipped_and_named(photographs: Path, capsys: pytest.CaptureFixture[str]):
    train = crops(photographs).names("train")
    train[0].write_bytes(train[0].read_bytes()[:200])
    Image.new("RGB", (300, 20)).save(train[1])
    made = crops(photographs)
    made.setup("fit")
    assert len(made.kept("train")) == len(train) - 2
    said = capsys.readouterr().err
    assert f"train: 2 of {len(train)} pictures skipped (1 broken, 1 small); {train[0]}: damaged picture" in said


def test_errors(photographs: Path, tmp_path: Path):
    for changed, message in (
        ({"crop": 65}, r"data\.crop must be 1 to data\.size pixels \(64\), not 65"),
        ({"batch_size": 0}, "1 or more"),
        ({"val_fraction": 0.5}, r"data\.val_fraction must be between 0 and 0\.5, not 0\.5"),
        ({"extra": [photographs.parent]}, r"overlaps data\.root"),
    ):
        with pytest.raises(ZooError, match=message):
            crops(photographs, **changed)
    with pytest.raises(ZooError, match=r"data\.extra needs data\.root"):
        crops(None, extra=[photographs])
    with pytest.raises(ZooError, match="no such folder"):
        crops(tmp_path / "nowhere").setup("fit")
    with pytest.raises(ZooError, match=r"none of \d+ pictures of train can be used; .* smaller than 128"):
        crops(photographs, size=200, crop=128).setup("fit")
    one = tmp_path / "one"
    one.mkdir()
    Image.fromarray(data.coffee()[:90, :90]).save(one / "coffee.png")
    with pytest.raises(ZooError, match="the test split gets none of its pictures"):
        crops(one, val_fraction=0.01).test_dataloader()
