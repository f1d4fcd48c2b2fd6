"""Training pairs of XFeat: what corresponds, what is labelled, and what chance decides."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs

from zoo.base.errors import ZooError
from zoo.data import photometric, views
from zoo.data.views import (
    CELL,
    MIN_POINTS,
    NONE,
    Batch,
    Range,
    Views,
    corner_labels,
    draw_maps,
    draw_pair,
    labelled,
    seen,
)
from zoo.pictures.classical import magnification
from zoo.pictures.geometry import is_convex, matrix_from_corners, transform_points

PLAIN = Range(photometric=0.0)
EVERYTHING = Range(side=128, points=100, photometric=1.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def levels(grey: np.ndarray, largest: int = 1600) -> views.Picture:
    """What is kept of a grey picture."""
    return Views(largest=largest).keep(Image.fromarray(grey).convert("RGB"), "picture", "train")


def ramps(height: int, width: int) -> tuple[views.Picture, views.Picture]:
    """Pictures whose values tell a place's x and y: waves of 400 pixels, a quarter of one apart."""
    y, x = np.mgrid[:height, :width]
    return tuple(levels(np.rint(127.5 + 120 * np.sin(each / 64)).astype(np.uint8)) for each in (x, y))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dozen photographs of 240x180."""
    whole = photographs.astronaut()
    for i, (top, left) in enumerate(itertools.product((0, 100, 200), (0, 80, 160, 240))):
        Image.fromarray(whole[top : top + 180, left : left + 240]).save(tmp_path / f"{i}.png")
    return tmp_path


def small(root: Path | None = None, **options: object) -> Views:
    defaults = {"side": 64, "points": 60, "largest": 400, "val_pairs": 3, "test_pairs": 2, "val_fraction": 0.3}
    return Views(root, **{**defaults, "pairs_per_epoch": 8, "batch_size": 2, "num_workers": 0, **options})


def at(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values at points, bilinearly."""
    x, y = points.astype(np.float32).T
    return cv2.remap(picture.astype(np.float32), x[:, None], y[:, None], cv2.INTER_LINEAR)[:, 0]


@pytest.mark.parametrize("shape", [(601, 803), (1185, 1599), (333, 1100), (129, 70)])
def test_points_of_a_pair_show_the_same_place(shape: tuple[int, int]):
    """The sides are no multiples of two; every level of detail is tried."""
    across, down = ramps(*shape)
    chance, used = rng(), set()
    for _ in range(40):
        _, maps, points = draw_pair(chance, [across], PLAIN)
        for each in (across, down):
            a, b = (seen(each, to_picture, PLAIN.side) for to_picture in maps)
            off = np.abs(at(a, points[:, :2]) - at(b, points[:, 2:]))
            assert off.mean() < 0.6  # 1.9 is a pixel of the picture where it is steepest
            assert off.max() < 6
        used |= {round(np.log2(max(magnification(each, (PLAIN.side, PLAIN.side)), 1))) for each in maps}
    assert used == set(range(round(np.log2(max(min(shape) / PLAIN.side, 1))) + 1))


def test_a_view_has_the_detail_of_its_own_resolution():
    """Wherever in the picture it lies: one pixel of the view is 3.5 of a picture, which differ from each other."""
    noise = levels(rng().integers(0, 256, (1600, 1600), dtype=np.uint8))
    tilted = np.array([[40.0, 0], [215, 0], [255, 255], [0, 255]]) * 4
    for left, top in itertools.product((0, 560), (0, 560)):
        view = seen(noise, matrix_from_corners(tilted + np.array([left, top]), 256), 256)
        assert 5 < view.std() < 12  # at twice the detail it is 16, at half of it 4


def test_photographs_look_alike_at_the_points():
    picture = levels(cv2.GaussianBlur(photographs.coffee()[..., 1], (0, 0), 4))
    how = Range(zoom=1.5, tilt=0.1, photometric=0.0)
    for _ in range(10):
        _, maps, points = draw_pair(chance := rng(3), [picture], how)
        a, b = (seen(picture, each, how.side) for each in maps)
        right = np.corrcoef(at(a, points[:, :2]), at(b, points[:, 2:]))[0, 1]
        other = np.corrcoef(at(a, points[:, :2]), at(b, chance.permutation(points)[:, 2:]))[0, 1]
        assert right > 0.99 > 0.5 > other


def test_points_are_spread_and_within():
    for seed in range(20):
        _, maps, points = draw_pair(rng(seed), [levels(photographs.camera())], PLAIN)
        assert len(points) >= MIN_POINTS
        assert points.min() >= views.EDGE
        assert points.max() <= PLAIN.side - 1 - views.EDGE
        assert len(np.unique(points[:, :2] // CELL, axis=0)) == len(points)  # one in a cell of a
        np.testing.assert_allclose(
            transform_points(maps[0], points[:, :2]), transform_points(maps[1], points[:, 2:]), atol=1e-6
        )


def test_views_differ_as_far_as_they_may_and_no_further():
    chance, zooms, turns, shape = rng(), [], [], (1200, 1600)
    corners = np.array([[0.0, 0], [255, 0], [255, 255], [0, 255]])
    for _ in range(400):
        if (maps := draw_maps(chance, shape, Range(tilt=0.0))) is None:
            continue
        first, second = (each[:2, :2] @ (1, 0) for each in maps)
        zooms.append(np.log(np.linalg.norm(second) / np.linalg.norm(first)) / np.log(3))
        between = np.angle(complex(*second) / complex(*first), deg=True)
        turns.append(between)
        assert all(is_convex(transform_points(each, corners)) for each in maps)
    assert -1.001 < min(zooms) < -0.9 < 0.9 < max(zooms) < 1.001
    assert abs(np.mean(zooms)) < 0.1  # evenly in the logarithm, both ways
    assert -60.01 < min(turns) < -50 < 50 < max(turns) < 60.01


def test_no_zoom_no_turn_no_shift_is_the_same_view():
    how = Range(zoom=1.0, turn=0.0, tilt=0.0, shift=0.0, photometric=0.0)
    a, b, *_ = views.views_batch(rng(), [levels(photographs.camera())], 1, how)[0]
    assert np.array_equal(a, b)


def test_a_batch_is_what_its_description_says():
    how, count = EVERYTHING, 3
    pictures, points, counts, keypoints = views.views_batch(rng(), [levels(photographs.camera())], count, how)
    assert (pictures.shape, pictures.dtype) == ((2 * count, 1, how.side, how.side), np.uint8)
    assert (points.shape, points.dtype) == ((count, how.points, 4), np.float32)
    assert (keypoints.shape, keypoints.dtype) == ((2 * count, how.side // CELL, how.side // CELL), np.int64)
    assert keypoints.min() >= 0
    assert keypoints.max() <= NONE
    for mine, different in zip(points, counts, strict=True):
        assert MIN_POINTS <= different <= how.points
        assert len(np.unique(mine, axis=0)) == different
        assert np.array_equal(mine, mine[np.arange(how.points) % different])


def test_all_of_a_come_before_all_of_b():
    """Two pairs of a white and of a black picture."""
    pictures = [levels(np.full((300, 300), value, np.uint8)) for value in (255, 0)]
    seen_views = views.views_batch(rng(1), pictures, 8, PLAIN)[0].mean((1, 2, 3))
    assert set(seen_views) == {0, 255}
    assert np.array_equal(seen_views[:8], seen_views[8:])


def test_corners_of_a_square_are_labelled_where_they_are():
    square = np.zeros((64, 64), np.uint8)
    square[20:43, 13:50] = 255
    labels = corner_labels(square)
    rows, columns = np.nonzero(labels != NONE)
    found = np.stack((columns * CELL + labels[rows, columns] % CELL, rows * CELL + labels[rows, columns] // CELL), 1)
    corners = np.array([[13, 20], [49, 20], [13, 42], [49, 42]])
    assert len(found) == 4
    for corner in corners:
        assert np.abs(found - corner).max(1).min() <= 1


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_blank_view_has_no_corners(value: int):
    blank = np.full((64, 64), value, np.uint8)
    assert (corner_labels(blank) == NONE).all()
    edge = blank.copy()
    edge[:, :31] = 255 - value
    assert (corner_labels(edge)[1:-1] == NONE).all()


def test_nothing_is_labelled_where_an_occluder_lies(monkeypatch: pytest.MonkeyPatch):
    """Nor along its outline, whose corners belong to nothing; elsewhere labels stay."""
    monkeypatch.setitem(photometric.PROBABILITIES, "occlude", 1.0)
    monkeypatch.setattr(views, "SEEN", {})
    view = rng().integers(0, 256, (128, 128)).astype(np.uint8)
    view = cv2.GaussianBlur(view, (0, 0), 1.5)
    view = np.uint8(cv2.normalize(view, None, 0, 255, cv2.NORM_MINMAX))
    whole = corner_labels(view)
    for seed in range(5):
        shown, labels = labelled(rng(seed), view, unlike=True)
        hidden = shown != view
        assert hidden.mean() > 0.04
        rows, columns = np.nonzero(labels != NONE)
        there = labels[rows, columns]
        assert not hidden[rows * CELL + there // CELL, columns * CELL + there % CELL].any()
        far = cv2.dilate(hidden.astype(np.uint8), np.ones((2 * CELL, 2 * CELL), np.uint8)) == 0
        for row, column in np.ndindex(labels.shape):
            cell = (slice(row * CELL, (row + 1) * CELL), slice(column * CELL, (column + 1) * CELL))
            if far[cell].all():
                assert labels[row, column] == whole[row, column]
        inner = cv2.erode(hidden.astype(np.uint8), np.ones((CELL, CELL), np.uint8)) > 0
        assert inner.any()


def test_views_of_a_picture_are_changed_as_often_as_is_asked_for():
    picture = levels(photographs.camera())
    plain = views.views_batch(rng(5), [picture], 1, Range(side=64, points=60, photometric=0.0))[0]
    changed = views.views_batch(rng(5), [picture], 1, Range(side=64, points=60, photometric=1.0))[0]
    assert not np.array_equal(plain[0], changed[0])
    chance, view = rng(), plain[0, 0]
    unchanged = [np.array_equal(labelled(chance, view, unlike=True)[0], view) for _ in range(200)]
    assert sum(unchanged) < 40  # light alone changes four of five
    assert np.array_equal(labelled(chance, view, unlike=False)[0], view)


def test_a_training_batch_is_a_function_of_seed_epoch_and_index(folder: Path):
    def batches(**options: object) -> list[Batch]:
        return list(small(folder, **options).train_dataloader())

    first, again, other = batches(), batches(), batches(seed=1)
    assert len(first) == 4
    for one, same in zip(first, again, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(one, same, strict=True))
    every = [one[0] for one in first + other]
    assert not any(torch.equal(one, two) for one, two in itertools.combinations(every, 2))


def test_epochs_differ(folder: Path):
    loader = small(folder).train_dataloader()
    first = list(loader)
    loader.sampler.set_epoch(1)  # as Lightning does
    second = list(loader)
    assert not any(torch.equal(one[0], two[0]) for one, two in zip(first, second, strict=True))


def test_validation_pairs_are_fixed_and_of_their_own_pictures(folder: Path):
    one, two = small(folder), small(folder, seed=7, batch_size=5, pairs_per_epoch=5)
    for split in ("val", "test"):
        first, second = (list(module.held_out_dataloader(split)) for module in (one, two))
        assert len(first) == {"val": 3, "test": 2}[split]
        assert all(torch.equal(x, y) for a, b in zip(first, second, strict=True) for x, y in zip(a, b, strict=True))
    names = [set(one.names(split)) for split in ("train", "val", "test")]
    assert not names[0] & (names[1] | names[2])
    assert all(names)


def test_what_reaches_the_network(folder: Path):
    module = small(folder)
    batch = module.on_after_batch_transfer(next(iter(module.train_dataloader())), 0)
    assert isinstance(batch, Batch)
    assert batch.views.dtype == torch.float32
    assert 0 <= batch.views.min() < batch.views.max() <= 1
    assert batch.views.is_contiguous(memory_format=torch.channels_last)
    assert batch.keypoints.dtype == torch.int64


def test_pictures_are_kept_in_grey_bytes_each_level_half_the_one_before():
    kept = levels(photographs.astronaut()[:331, :, 0], largest=400)
    assert [each.shape for each in kept] == [(259, 400), (130, 200), (65, 100)]
    assert all(each.dtype == np.uint8 for each in kept)
    assert sum(each.nbytes for each in kept) < 1.35 * 259 * 400


def test_streets_are_drawn_without_a_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Views, "streets", {"train": 2, "val": 1, "test": 1})
    module = Views(side=128, pairs_per_epoch=2, batch_size=2, val_pairs=2, num_workers=0)
    assert [len(module.kept(split)) for split in ("train", "val")] == [2, 1]
    assert module.kept("train")[0][0].shape == (480, 640)
    (batch,) = module.train_dataloader()
    assert len(batch[0]) == 4
    assert len(list(module.val_dataloader())) == 2


@pytest.mark.parametrize("shape", [(64, 64), (65, 700), (1000, 64)])
@pytest.mark.parametrize("how", [PLAIN, Range(side=64, points=30, zoom=8.0, turn=180.0, tilt=0.49, shift=0.99)])
def test_small_pictures_and_extremes_give_pairs(shape: tuple[int, int], how: Range):
    picture = levels(rng().integers(0, 256, shape, dtype=np.uint8))
    for batch in (views.views_batch(rng(seed), [picture], 1, how) for seed in range(3)):
        assert batch[2].min() >= MIN_POINTS
        assert np.isfinite(batch[1]).all()


def test_a_blank_picture_gives_pairs_without_keypoints():
    _, _, counts, keypoints = views.views_batch(rng(), [levels(np.full((200, 300), 90, np.uint8))], 2, PLAIN)
    assert (keypoints == NONE).all()
    assert counts.min() >= MIN_POINTS


def test_pictures_that_are_too_narrow_are_skipped_and_told(folder: Path, capsys: pytest.CaptureFixture[str]):
    """One of 64x5000 pixels, reduced to 5x400, would be a smear."""
    for name, size in {"long": (5000, 64), "tiny": (40, 300)}.items():
        Image.new("RGB", size, (9, 90, 200)).save(folder / f"{name}.png")
    parts = {split: folder / split for split in ("train", "val", "test")}
    for part in parts.values():
        part.mkdir()
    for i, path in enumerate(sorted(folder.glob("*.png"))):
        path.rename(
            parts["train" if path.stem in ("long", "tiny") or i > 3 else "val" if i % 2 else "test"] / path.name
        )
    kept = small(folder).kept("train")
    told = capsys.readouterr().err
    assert "2 of" in told
    assert "1 narrow" in told
    assert "1 small" in told
    assert "5000x64 pixels are 400x5 with data.largest 400" in told
    assert min(side for levels_of in kept for side in levels_of[0].shape) >= 64


def test_folders_without_usable_pictures_are_refused(tmp_path: Path):
    for part in ("train", "val", "test"):
        (tmp_path / part).mkdir()
        Image.new("RGB", (63, 63)).save(tmp_path / part / "one.png")
    with pytest.raises(ZooError, match=r"none of 1 pictures of train can be used; .*63x63 is smaller than 64 pixels"):
        small(tmp_path).setup("fit")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"side": 60}, "data.side must be a multiple of 32, 64 or more, not 60"),
        ({"side": 32}, "data.side must be a multiple of 32, 64 or more, not 32"),
        ({"side": 256, "largest": 255}, r"data.largest must be data.side \(256\) or more, not 255"),
        ({"points": 23}, "data.points must be 24 or more, not 23"),
        ({"photometric": 1.1}, "photometric 0 to 1"),
        ({"photometric": float("nan")}, "photometric 0 to 1"),
        ({"tilt": 0.5}, "tilt below 0.5"),
        ({"shift": 1.0}, "shift below 1"),
        ({"turn": 181.0}, "turn 0 to 180"),
        ({"zoom": 0.5}, "zoom 1 to 8"),
        ({"zoom": float("inf")}, "zoom 1 to 8"),
        ({"val_pairs": 0}, "data.val_pairs must be 1 or more, not 0"),
        ({"pairs_per_epoch": 0}, "data.pairs_per_epoch must be 1 or more"),
        ({"batch_size": 0}, "data.batch_size must be 1 or more"),
        ({"val_fraction": 0.5}, "data.val_fraction must be between 0 and 0.5"),
    ],
)
def test_options_out_of_bounds_are_refused(options: dict, told: str):
    with pytest.raises(ZooError, match=told):
        Views(**options)
