"""Pairs of a low picture and the truth: sizes, alignment, splits, what is left out, and that a run is the same run."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.data.degradation import Degradation, gaussian, saved
from zoo.data.low_resolution import crop_to_multiple, detail, make_low, resize
from zoo.data.super_resolution import Pair, RandomParts, SuperResolutionPairs, turned


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Twelve parts of a photograph, 160x123."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i in range(12):
        part = data.astronaut()[30 * i : 30 * i + 123, 40 : 40 + 160]
        Image.fromarray(part).save(folder / f"{i}.png")
    return folder


def pairs_of(photographs: Path, **options) -> SuperResolutionPairs:
    options = {"crop": 32, "batch_size": 4, "pairs_per_epoch": 8, "val_fraction": 0.2, "num_workers": 0, **options}
    return SuperResolutionPairs(photographs, **options)


def test_a_low_picture_is_a_quarter_of_the_truth():
    truth = crop_to_multiple(data.coffee()[:43, :58], 4)
    assert truth.shape == (40, 56, 3)
    assert make_low(truth, 4).shape == (10, 14, 3)
    assert make_low(truth, 2).shape == (20, 28, 3)
    blurred = cv2.GaussianBlur(truth, (0, 0), 1.0)
    assert np.array_equal(make_low(truth, 4, blur=1.0), resize(blurred, 14, 10))


def test_detail_is_what_bicubic_loses():
    blank = np.full((40, 40, 3), 77, np.uint8)
    assert detail(blank, make_low(blank, 4)) == 0
    sharp = crop_to_multiple(data.chelsea(), 4)
    soft = cv2.GaussianBlur(sharp, (0, 0), 4.0)
    assert detail(soft, make_low(soft, 4)) < 1 < 4 < detail(sharp, make_low(sharp, 4))


def test_batches_are_parts_that_belong_together(photographs: Path):
    pairs = pairs_of(photographs)
    low, truth = next(iter(pairs.train_dataloader()))
    assert (low.shape, truth.shape) == ((4, 3, 8, 8), (4, 3, 32, 32))
    assert low.dtype == truth.dtype == torch.uint8
    for small, large in zip(low, truth, strict=True):
        again = make_low(large.permute(1, 2, 0).numpy(), 4).astype(int)
        difference = np.abs(again - small.permute(1, 2, 0).numpy())[2:-2, 2:-2]  # the border saw its neighbours
        assert difference.max() <= 1
    low, truth = pairs.on_after_batch_transfer((low, truth), 0)
    assert low.dtype == torch.float32
    assert 0 <= low.min() < low.max() <= 1
    assert low.is_contiguous(memory_format=torch.channels_last)


def test_each_place_and_each_turn_is_drawn():
    """Pictures of two sizes are drawn as often, each with its number; the values are the places."""
    lows = [np.zeros((h, w, 3), np.uint8) for h, w in ((3, 4), (5, 2))]
    for number, low in enumerate(lows):
        rows, columns = np.mgrid[: low.shape[0], : low.shape[1]]
        low[..., 0], low[..., 1], low[..., 2] = number, rows, columns
    pairs = [Pair(low, low.repeat(2, 0).repeat(2, 1)) for low in lows]
    batch, truth = RandomParts(pairs, batch_size=2000, size=2, scale=2)(np.random.default_rng(0))
    assert torch.equal(torch.nn.functional.interpolate(batch, scale_factor=2), truth)
    corners = batch[:, :, 0, 0].tolist()  # some corner of each, by its turn
    upper_left = [(n, *batch[i, 1:].amin((1, 2)).tolist()) for i, (n, _, _) in enumerate(corners)]
    counts = {place: upper_left.count(place) for place in set(upper_left)}
    assert set(counts) == {(0, y, x) for y in range(2) for x in range(3)} | {(1, y, 0) for y in range(4)}
    assert min(counts[place] for place in counts if place[0] == 0) > 120  # 1000 / 6 are expected
    assert min(counts[place] for place in counts if place[0] == 1) > 200  # 1000 / 4 are expected


def test_turns_are_the_symmetries_of_a_square():
    square = np.arange(12).reshape(2, 2, 3)
    assert len({turned(square, turn).tobytes() for turn in range(8)}) == 8


def test_the_same_seed_is_the_same_run_and_epochs_differ(photographs: Path):
    def run(seed: int, epoch: int) -> torch.Tensor:
        loader = pairs_of(photographs, seed=seed).train_dataloader()
        loader.sampler.set_epoch(epoch)
        return torch.stack([truth for _, truth in loader])

    assert torch.equal(run(0, 1), run(0, 1))
    assert not torch.equal(run(0, 1), run(0, 0))
    assert not torch.equal(run(0, 1), run(1, 1))


def test_splits_share_no_picture(photographs: Path):
    pairs = pairs_of(photographs)
    names = {split: {path.name for path in pairs.names(split)} for split in ("train", "val", "test")}
    assert sum(map(len, names.values())) == 12
    assert len(set.union(*names.values())) == 12
    assert all(names.values())


def test_held_out_pictures_are_whole(photographs: Path):
    pairs = pairs_of(photographs)
    low, truth = next(iter(pairs.val_dataloader()))
    assert (low.shape, truth.shape) == ((1, 3, 30, 40), (1, 3, 120, 160))
    ((name, pictures),) = pairs.benchmarks("test").items()
    assert name == "photographs test"
    assert [stem for stem, _ in pictures] == [path.stem for path in pairs.names("test")]
    assert len(pairs_of(photographs, val_fraction=0.4, held_out_pictures=1).names("val")) == 1


def test_benchmarks_are_folders_as_they_are(photographs: Path, tmp_path: Path):
    for name, photograph in (("SetA", data.chelsea()), ("SetB", data.coffee())):
        (tmp_path / name).mkdir()
        Image.fromarray(photograph).save(tmp_path / name / "one.png")
    pairs = pairs_of(photographs, test=[tmp_path / "SetA", tmp_path / "SetB"], shrink=0.5)
    benchmarks = pairs.benchmarks("test")
    assert list(benchmarks) == ["SetA", "SetB"]
    ((stem, truth),) = benchmarks["SetA"]
    assert stem == "one"
    assert np.array_equal(truth, data.chelsea()[:300, :448])
    assert [tuple(truth.shape[-2:]) for _, truth in pairs.test_dataloader()] == [(300, 448), (400, 600)]


def test_pictures_to_train_on_are_made_smaller(photographs: Path):
    half = pairs_of(photographs, shrink=0.5).kept("train")
    assert {truth.shape for _, truth, _ in half} == {(60, 80, 3)}  # 62x80, then multiples of 4
    limited = pairs_of(photographs, largest=100).kept("train")
    assert {truth.shape for _, truth, _ in limited} == {(76, 100, 3)}


def test_what_cannot_be_trained_on_is_skipped_and_counted(photographs: Path, capsys: pytest.CaptureFixture[str]):
    extra = photographs.parent / "extra"
    extra.mkdir()
    Image.fromarray(data.coffee()[:31, :31]).save(extra / "small.png")
    Image.fromarray(cv2.GaussianBlur(data.coffee(), (0, 0), 6.0)).save(extra / "soft.png")
    (extra / "torn.png").write_bytes((photographs / "0.png").read_bytes()[:700])
    (extra / "page.jpg").write_text("<html>")
    Image.fromarray(data.coffee()).convert("L").save(extra / "grey.png")
    pairs = pairs_of(photographs, extra=[extra])
    kept = pairs.kept("train")
    assert len(kept) == len(pairs.names("train")) - 4
    assert f"4 of {len(kept) + 4} pictures skipped (2 broken, 1 small, 1 blurred); " in capsys.readouterr().err


def test_what_cannot_be_measured_is_skipped_and_counted_too(photographs: Path, capsys: pytest.CaptureFixture[str]):
    """One of each kind falls to val, which would end in an error or an infinite PSNR."""
    val = [path.name for path in pairs_of(photographs, val_fraction=0.45).names("val")]
    Image.new("RGB", (100, 100), "white").save(photographs / val[0])
    (photographs / val[1]).write_bytes(b"torn")
    Image.fromarray(data.coffee()[:3, :3]).save(photographs / val[2])
    pairs = pairs_of(photographs, val_fraction=0.45)
    assert len(pairs.val_dataloader()) == len(val) - 3
    assert f"val: 3 of {len(val)} pictures skipped (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crop": 30}, "data.crop must be a multiple of 4, not 30"),
        ({"crop": 0}, "data.crop"),
        ({"scale": 3}, "data.crop must be a multiple of 3, not 32"),
        ({"scale": 5}, "data.scale must be 2, 3 or 4, not 5"),
        ({"levels": 0}, "data.levels"),
        ({"photo_passes": 0}, "data.photo_passes must be 1..9, not 0"),
        ({"photo_blur": (0.5, 0.1)}, r"data.photo_blur must be a range \[LOW, HIGH\] within 0..3, not \[0.5, 0.1\]"),
        ({"photo_resize": (0.0, 1.0)}, "data.photo_resize"),
        ({"photo_noise": (-1.0, 1.0)}, "data.photo_noise"),
        ({"photo_jpeg": (30.0, 101.0)}, "data.photo_jpeg"),
        ({"batch_size": 0}, "data.batch_size"),
        ({"val_fraction": 0.5}, "val_fraction"),
        ({"shrink": 1.5}, "data.shrink"),
        ({"blur": -1.0}, "blur"),
    ],
)
def test_refuses_what_makes_no_sense(photographs: Path, options: dict, said: str):
    with pytest.raises(ZooError, match=said):
        pairs_of(photographs, **options)


def test_says_what_is_missing(photographs: Path, tmp_path: Path):
    with pytest.raises(ZooError, match=r"nowhere: no such folder\npass yours: --data\.root FOLDER$"):
        pairs_of(tmp_path / "nowhere").kept("train")
    with pytest.raises(ZooError, match=r"none of \d+ pictures of train can be used"):
        pairs_of(photographs, crop=288).kept("train")
    with pytest.raises(
        ZooError, match=r"Set5: no such folder\nhttps://github.com/jbhuang0604/SelfExSR.*\n.*--data\.test '\[FOLDER"
    ):
        pairs_of(photographs, test=[tmp_path / "Set5"]).benchmarks()
    with pytest.raises(ZooError, match=r"data\.extra needs data\.root"):
        SuperResolutionPairs(extra=[photographs])
    with pytest.raises(ZooError, match=r"overlaps data\.root"):
        pairs_of(photographs, extra=[photographs.parent])
    with pytest.raises(ZooError, match=r"data\.crop must be at most 360 "):
        SuperResolutionPairs(crop=400)
    (tmp_path / "tiny").mkdir()
    Image.fromarray(data.coffee()[:40, :200]).save(tmp_path / "tiny" / "a.png")
    with pytest.raises(ZooError, match="200x40 is too small"):
        pairs_of(photographs, test=[tmp_path / "tiny"]).benchmarks()


def test_without_a_folder_streets_are_drawn():
    pairs = SuperResolutionPairs(crop=64, batch_size=2, pairs_per_epoch=4, num_workers=0)
    ((name, pictures),) = pairs.benchmarks("test").items()
    assert name == "streets test"
    assert {truth.shape for _, truth in pictures} == {(360, 480, 3)}
    assert pairs.names("train") == []


def test_pictures_to_train_on_are_kept_at_several_sizes(photographs: Path):
    pairs = pairs_of(photographs, levels=3, val_fraction=0.4)
    once = len(pairs_of(photographs, val_fraction=0.4).kept("train"))
    shapes = [pair.truth.shape[:2] for pair in pairs.kept("train")]
    assert shapes == once * [(120, 160)] + once * [(84, 112)] + once * [(60, 80)]
    assert {pair.truth.shape[:2] for pair in pairs.kept("val")} == {(120, 160)}
    few = pairs_of(photographs, levels=3, crop=72).kept("train")  # parts do not fit into the smallest
    assert {pair.truth.shape[:2] for pair in few} == {(120, 160), (84, 112)}


PHOTO = Degradation()
CAT = np.ascontiguousarray(data.chelsea()[:200, :240])


def moved(picture: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """By how many pixels the other lies further right and further down: least squares of the first order."""
    one = picture.mean(2)
    gradients = np.stack([-slope[3:-3, 3:-3].ravel() for slope in np.gradient(one)[::-1]], 1)
    dx, dy = np.linalg.lstsq(gradients, (other.mean(2) - one)[3:-3, 3:-3].ravel(), rcond=None)[0]
    return float(dx), float(dy)


def test_degraded_pictures_differ_and_lie_where_they_did():
    """Whatever happens to it, a low picture is that of its truth, not of one that was moved."""
    rng, low = np.random.default_rng(0), make_low(CAT, 4)
    made = [PHOTO(CAT, (60, 50), rng) for _ in range(40)]
    assert {(each.shape, each.dtype) for each in made} == {((50, 60, 3), np.dtype(np.uint8))}
    assert len({each.tobytes() for each in made}) > 35  # some are only made smaller
    assert moved(low, np.mean(made, 0)) == pytest.approx((0, 0), abs=0.03)
    assert moved(low, resize(np.roll(CAT, 1, 1), 60, 50))[0] > 0.2
    assert 3 < np.mean([np.abs(each.astype(int) - low).mean() for each in made]) < 15


@pytest.mark.parametrize(
    ("alone", "gone"),
    [({"blur": (2.0, 2.0)}, "blur"), ({"noise": (20.0, 20.0)}, "noise"), ({"jpeg": (5.0, 5.0)}, "jpeg")],
)
def test_each_range_is_used(alone: dict, gone: str, monkeypatch: pytest.MonkeyPatch):
    """What it does shows by what is left between neighbouring pixels."""
    monkeypatch.setattr("zoo.data.degradation.CHANCES", {name: float(name == gone) for name in PHOTO.ranges()})
    monkeypatch.setattr("zoo.data.degradation.SHARP", 0.0)
    plain = Degradation(passes=1, blur=(0.0, 0.0), noise=(0.0, 0.0), jpeg=(100.0, 100.0))
    strong = Degradation(passes=1, **{"blur": (0.0, 0.0), "noise": (0.0, 0.0), "jpeg": (100.0, 100.0), **alone})
    rough = [[roughness(each(CAT, (60, 50), np.random.default_rng(i))) for i in range(8)] for each in (plain, strong)]
    assert all(b < 0.8 * a if gone == "blur" else a != b for a, b in zip(*rough, strict=True))
    if gone == "noise":
        assert np.mean(rough[1]) > 1.3 * np.mean(rough[0])


def roughness(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture.astype(float), axis=1)).mean())


def test_jpeg_is_that_of_other_programs(tmp_path: Path):
    """Red is red in it, and colours are at half the resolution unless that is refused."""
    Image.fromarray(CAT).save(tmp_path / "a.jpg", quality=60)
    other = np.asarray(Image.open(tmp_path / "a.jpg"))
    assert np.abs(saved(CAT, 60).astype(int) - other).mean() < 1
    red = np.zeros((16, 16, 3), np.uint8)
    red[::2, ::2, 0] = 255
    assert np.abs(saved(red, 95, True).astype(int) - red).mean() < 0.5 * np.abs(saved(red, 95).astype(int) - red).mean()


def test_photo_pairs_to_train_on_are_degraded_parts(photographs: Path):
    pairs = pairs_of(photographs, degradation="photo", batch_size=16, pairs_per_epoch=16)
    low, truth = next(iter(pairs.train_dataloader()))
    assert (low.shape, truth.shape) == ((16, 3, 8, 8), (16, 3, 32, 32))
    own = torch.nn.functional.interpolate(truth.float(), scale_factor=0.25, mode="area").flatten(1)
    distance = torch.cdist(low.flatten(1).float(), own)
    assert (distance.argmin(1) == torch.arange(16)).float().mean() > 0.8  # its own truth is the nearest
    assert not torch.equal(
        low, pairs_of(photographs, batch_size=16, pairs_per_epoch=16).batch_maker()(np.random.default_rng(0))[0]
    )


def test_photo_pairs_that_are_held_out_depend_on_the_picture_alone(photographs: Path, tmp_path: Path):
    pairs = pairs_of(photographs, degradation="photo", seed=1)
    first = pairs.kept("val")[0]
    other = pairs_of(photographs, degradation="photo", seed=2, test=[tmp_path / "Set"])
    (tmp_path / "Set").mkdir()
    Image.fromarray(first.truth).save(tmp_path / "Set" / "another name.png")
    ((low, truth),) = other.test_dataloader()
    assert np.array_equal(low[0].permute(1, 2, 0), first.low)
    assert np.array_equal(truth[0].permute(1, 2, 0), first.truth)
    assert not np.array_equal(first.low, make_low(first.truth, 4))


@pytest.mark.parametrize("scale", [2, 3])
def test_pairs_of_other_scales(photographs: Path, scale: int):
    for degradation in ("bicubic", "photo"):
        pairs = pairs_of(photographs, scale=scale, crop=36, degradation=degradation)
        low, truth = next(iter(pairs.train_dataloader()))
        assert (low.shape, truth.shape) == ((4, 3, 36 // scale, 36 // scale), (4, 3, 36, 36))
        low, truth = next(iter(pairs.val_dataloader()))
        assert low.shape[-1] * scale == truth.shape[-1]


def test_blank_pictures_are_skipped_however_low_pictures_are_made(photographs: Path):
    """Noise and JPEG are no detail of theirs."""
    val = [path.name for path in pairs_of(photographs, val_fraction=0.45).names("val")]
    Image.new("RGB", (100, 100), "white").save(photographs / val[0])
    for degradation in ("bicubic", "photo"):
        pairs = pairs_of(photographs, val_fraction=0.45, degradation=degradation, photo_noise=(8.0, 10.0))
        assert len(pairs.kept("val")) == len(val) - 1


def test_a_kernel_has_the_deviation_that_was_asked_for():
    for sigma in (1.0, 3.0, 12.0):
        kernel = gaussian(sigma, sigma, 0.3)
        x = np.arange(kernel.shape[1]) - kernel.shape[1] // 2
        assert kernel.sum() == pytest.approx(1)
        assert np.sqrt((kernel.sum(0) * x**2).sum()) == pytest.approx(sigma, rel=0.1)
    turned_by = gaussian(4.0, 1.0, math.pi / 2)
    assert turned_by.sum(0).max() > 2 * turned_by.sum(1).max()  # along y


@pytest.mark.parametrize("degradation", ["bicubic", "photo"])
def test_a_fraction_of_the_pairs_is_grey(photographs: Path, degradation: str):
    def drawn(fraction: float) -> tuple[Tensor, Tensor]:
        pairs = pairs_of(
            photographs, degradation=degradation, batch_size=32, pairs_per_epoch=32, grey_fraction=fraction
        )
        return pairs.batch_maker()(np.random.default_rng(0))

    def grey(pictures: Tensor) -> Tensor:
        return (pictures == pictures[:, :1]).flatten(1).all(1)

    low, truth = drawn(1.0)
    assert grey(low).all()
    assert grey(truth).all()
    assert (truth.float().std((1, 2, 3)) > 1).all()
    low, truth = drawn(0.3)
    assert torch.equal(grey(low), grey(truth))
    assert 3 <= grey(low).sum() <= 16
    assert not grey(drawn(0.0)[1]).any()
    with pytest.raises(ZooError, match=r"data.grey_fraction must be in 0..1, not 1.5"):
        drawn(1.5)
