import hashlib
import os
import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest

from zoo.base.errors import ZooError
from zoo.data.labels import CAMVID
from zoo.data.streets import draw_street

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)


@pytest.fixture(scope="module")
def scenes():
    return [draw_street(seed, (240, 320)) for seed in range(60)]


def digest(seed, size):
    picture, mask = draw_street(seed, size)
    return hashlib.sha256(picture.tobytes() + mask.tobytes()).hexdigest()


def test_same_seed_same_bytes_whatever_was_drawn_before():
    first = digest(3, (120, 160))
    draw_street(4, (120, 160))
    draw_street(3, (97, 131))
    assert digest(3, (120, 160)) == first


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_same_seed_same_bytes_in_another_process(hash_seed):
    code = (
        "import hashlib; from zoo.data.streets import draw_street; p, m = draw_street(11, (97, 131));"
        "print(hashlib.sha256(p.tobytes() + m.tobytes()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == digest(11, (97, 131))


def test_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw_street(0, (64, 64))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_callers_may_write_into_what_they_get():
    picture, mask = draw_street(5, (64, 64))
    kept = picture.copy(), mask.copy()
    picture[:], mask[:] = 0, 0
    again = draw_street(5, (64, 64))
    assert np.array_equal(kept[0], again[0])
    assert np.array_equal(kept[1], again[1])


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (97, 131), (131, 97), (360, 480), (720, 960), (64, 400)])
def test_any_size(size):
    for seed in range(3):
        picture, mask = draw_street(seed, size)
        assert picture.shape == (*size, 3)
        assert mask.shape == size
        assert picture.dtype == mask.dtype == np.uint8
        assert picture.flags.c_contiguous
        assert mask.flags.c_contiguous
        assert set(np.unique(mask)) <= set(range(len(CAMVID))) | {CAMVID.ignore_index}


def test_default_size_is_camvids():
    assert draw_street(0)[1].shape == (360, 480)


def test_too_small_is_refused():
    with pytest.raises(ZooError, match="8 x 320"):
        draw_street(0, (8, 320))


def test_composition_scales_with_the_size():
    for seed in range(8):
        small, large = draw_street(seed, (240, 320)), draw_street(seed, (480, 640))
        shrunk = cv2.resize(large[1], (320, 240), interpolation=cv2.INTER_NEAREST)
        assert (shrunk == small[1]).mean() > 0.95
        difference = cv2.absdiff(cv2.resize(large[0], (40, 30), interpolation=cv2.INTER_AREA),
                                 cv2.resize(small[0], (40, 30), interpolation=cv2.INTER_AREA))  # fmt: skip
        assert difference.mean() < 8  # the same colours too


def test_seeds_differ_clearly(scenes):
    for (a, mask_a), (b, mask_b) in pairwise(scenes):
        assert (mask_a != mask_b).mean() > 0.08
        assert cv2.absdiff(a, b).mean() > 12


@pytest.mark.parametrize("cls", range(11))
def test_every_class_is_large_enough_in_most_scenes(scenes, cls):
    fractions = np.array([(mask == cls).mean() for _, mask in scenes])
    assert (fractions > 0.002).mean() >= (0.8 if cls == FENCE else 0.9)


def test_void_is_there_but_small(scenes):
    fractions = np.array([(mask == CAMVID.ignore_index).mean() for _, mask in scenes])
    assert (fractions > 0).mean() > 0.4
    assert fractions.mean() < 0.04
    assert fractions.max() < 0.12


def test_nothing_is_thinner_than_two_pixels_at_240x320(scenes):
    """Opening with a 2x2 square leaves nearly all of every pole."""
    for _, mask in scenes[:20]:
        pole = (mask == POLE).astype(np.uint8)
        assert cv2.morphologyEx(pole, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)).sum() > 0.9 * pole.sum()


def test_picture_and_mask_agree(scenes):
    """In each scene the colours of classes differ as they do in a street."""
    for picture, mask in scenes:
        mean = {cls: picture[mask == cls].mean(0) for cls in np.unique(mask)}
        assert mean[SKY].sum() > mean[ROAD].sum() + 60


def test_edges_of_picture_and_mask_coincide(scenes):
    """The outline of the sky in the mask is where the picture changes most."""
    for picture, mask in scenes[:20]:
        sky = (mask == SKY).astype(np.uint8)
        grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (3, 3), 0).astype(np.float32)
        slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        band = np.ones((3, 3), np.uint8)
        outline = (cv2.dilate(sky, band) != cv2.erode(sky, band)) & (np.arange(240)[:, None] > 4)
        inside = cv2.erode(sky, np.ones((9, 9), np.uint8)) == 1
        assert slope[outline].mean() > 4 * slope[inside].mean()


def test_layout_is_a_street(scenes):
    rows = np.arange(240)[:, None] * np.ones((1, 320))
    for _, mask in scenes:
        assert rows[mask == SKY].mean() < rows[mask == BUILDING].mean() < rows[mask == ROAD].mean()
        assert (mask[150:] == SKY).sum() == 0


def test_light_import():
    code = "import sys, zoo.data.streets; assert not {'torch', 'lightning', 'timm'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
