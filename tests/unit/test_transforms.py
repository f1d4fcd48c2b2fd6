from __future__ import annotations

import cv2
import numpy as np
import pytest

from zoo.data.labels import LabelMap
from zoo.data.transforms import Augment, RandomScaleCrop

COLORS = np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250], [250, 250, 10]], np.uint8)
VOID = 255
RARE = 3
LABELS = LabelMap(("red", "green", "blue", "rare"), tuple(map(tuple, COLORS.tolist())), VOID)


@pytest.fixture
def mask() -> np.ndarray:
    """Large blocks of three classes and, in a corner, 6x6 pixels of a rare one."""
    mask = np.random.default_rng(0).integers(0, 3, (6, 8), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
    mask[3:9, 150:156] = RARE
    return mask


def train_transform(crop: tuple[int, int], scale: tuple[float, float], **options: object):
    return Augment(crop, scale, **options).transform(LABELS)


def crops(mask: np.ndarray, transform, count: int = 40):
    """Pictures whose colours are those of the mask's classes, with the masks that came out beside them."""
    for seed in range(count):
        transform.set_random_seed(seed)
        out = transform(image=COLORS[mask], mask=mask)
        yield out["image"], out["mask"]


@pytest.mark.parametrize("scale", [(0.5, 0.7), (1.0, 1.0), (1.5, 2.0), (0.5, 2.0)])
@pytest.mark.parametrize("size", [(64, 96), (200, 240)])
def test_picture_and_mask_stay_aligned(mask: np.ndarray, scale: tuple[float, float], size: tuple[int, int]):
    """Away from edges, where colours mix, each pixel has its class's colour; what is outside is black and void."""
    transform = train_transform(size, scale, photometric=False)
    for picture, ids in crops(mask, transform):
        assert picture.shape == (*size, 3)
        assert ids.shape == size
        assert picture.dtype == ids.dtype == np.uint8
        colors = np.vstack([COLORS, np.zeros((252, 3), np.uint8)])[ids]
        edges = cv2.dilate(cv2.morphologyEx(ids, cv2.MORPH_GRADIENT, np.ones((3, 3))), np.ones((3, 3)))
        inside = edges == 0
        inside[[0, 1, -2, -1]] = inside[:, [0, 1, -2, -1]] = False  # there an edge may lie just outside
        assert inside.mean() > 0.3
        assert np.abs(picture.astype(int) - colors)[inside].max() <= 1


def test_a_crop_within_the_picture_has_no_void(mask: np.ndarray):
    assert not any((ids == VOID).any() for _, ids in crops(mask, train_transform((64, 96), (1.0, 2.0))))


def test_a_crop_larger_than_the_picture_holds_it_whole(mask: np.ndarray):
    for _, ids in crops(mask, train_transform((200, 240), (1.0, 1.0)), 10):
        assert (ids != VOID).sum() == mask.size


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_scale_is_that_of_things(zoom: float):
    """A square of 20 pixels on void becomes ``zoom`` times as wide."""
    mask = np.full((100, 100), VOID, np.uint8)
    mask[40:60, 40:60] = 1
    transform = RandomScaleCrop(100, 100, scale=(zoom, zoom), focus=(1,), focus_p=1.0, void=VOID)
    largest = max((ids == 1).sum() for _, ids in crops(np.where(mask == VOID, 0, mask), train_of(transform)))
    assert largest == pytest.approx((20 * zoom) ** 2, rel=0.1)


def train_of(transform: RandomScaleCrop):
    import albumentations as A

    return A.Compose([transform])


def test_focus_shows_the_rare_class(mask: np.ndarray):
    def fraction(focus_p: float) -> float:
        transform = train_transform((48, 48), (1.0, 2.0), photometric=False, focus=("rare",), focus_p=focus_p)
        shown = [(ids == RARE).any() for _, ids in crops(mask, transform, 200)]
        return float(np.mean(shown))

    assert fraction(1.0) == 1.0
    assert fraction(0.0) < 0.3
    assert 0.4 < fraction(0.5) < 0.75


def test_focus_on_a_class_that_is_not_there_crops_anywhere(mask: np.ndarray):
    mask = np.where(mask == RARE, 0, mask)
    transform = train_transform((48, 48), (1.0, 1.0), focus=("rare",), focus_p=1.0)
    assert len({ids.tobytes() for _, ids in crops(mask, transform, 20)}) > 10


def test_flips_half_of_the_time():
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 1
    transform = train_transform((32, 32), (1.0, 1.0), photometric=False)
    flipped = [ids[0, 0] == 0 for _, ids in crops(mask, transform, 200)]
    assert 0.4 < np.mean(flipped) < 0.6


def test_photometric_changes_pictures_and_never_masks(mask: np.ndarray):
    plain = list(crops(mask, train_transform((64, 96), (1.0, 1.0), photometric=False)))
    varied = list(crops(mask, train_transform((64, 96), (1.0, 1.0))))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(plain, varied, strict=True))
    changed = [not np.array_equal(a, b) for (a, _), (b, _) in zip(plain, varied, strict=True)]
    assert np.mean(changed) > 0.7
