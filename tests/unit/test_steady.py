"""Videos whose frames are changed one by one, made steady."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from skimage import data

from zoo.models.fast_style.net import FastStyle
from zoo.pictures.steady import Steady, motion, trust

CUP = np.ascontiguousarray(data.coffee()[100:260, 150:390])
CAT = np.ascontiguousarray(data.chelsea()[60:220, 100:340])


def flickering(strength: int = 40) -> Callable[[np.ndarray], np.ndarray]:
    """A change that is another one for each frame."""
    random = np.random.default_rng(0)

    def change(frame: np.ndarray) -> np.ndarray:
        noise = random.integers(-strength, strength + 1, (*frame.shape[:2], 1))
        return (frame.astype(int) + noise).clip(0, 255).astype(np.uint8)

    return change


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def moved(frame: np.ndarray, across: int, down: int = 0) -> np.ndarray:
    """The same scene, seen from a camera that moved by so many pixels."""
    height, width = frame.shape[:2]
    return frame[20 + down : height - 20 + down, 20 + across : width - 20 + across]


def test_the_first_frame_is_what_the_change_makes():
    assert np.array_equal(Steady(lambda frame: 255 - frame)(CUP), 255 - CUP)


def test_a_still_video_flickers_less():
    plain, steady = flickering(), Steady(flickering())
    frames = [[each(CUP) for _ in range(6)] for each in (plain, steady)]
    changes = [np.mean([apart(a, b) for a, b in pairwise(made[1:])]) for made in frames]
    assert changes[1] < 0.5 * changes[0]
    assert frames[1][0].dtype == np.uint8


def test_strokes_move_along_with_the_picture():
    """Moved back, two frames of a moving camera differ less than without."""
    results = {}
    for name, change in (("plain", flickering()), ("steady", Steady(flickering()))):
        one, other = [change(moved(CUP, 3 * number)) for number in range(5)][-2:]
        results[name] = apart(one[10:-10, 13:-10], other[10:-10, 10:-13])
    assert results["steady"] < 0.75 * results["plain"]


def test_a_moving_picture_does_not_smear():
    steady = Steady(lambda frame: frame)
    for number in range(6):
        frame = moved(CUP, 4 * number - 10, number)
        assert apart(steady(frame)[8:-8, 8:-8], frame[8:-8, 8:-8]) < 2.5


def test_after_a_cut_the_new_result_counts_alone():
    steady = Steady(lambda frame: frame)
    steady(CUP)
    assert apart(steady(CAT), CAT) < 2.5
    mixed = (CUP.astype(int) + CAT) // 2
    assert apart(mixed, CAT) > 20  # what a plain blend would be off by


def test_frames_of_another_size_begin_anew():
    steady = Steady(lambda frame: frame)
    steady(CUP)
    assert np.array_equal(steady(CAT[:100]), CAT[:100])
    larger = Steady(lambda frame: frame.repeat(2, 0))
    assert [larger(CUP).shape for _ in range(2)] == [(320, 240, 3)] * 2  # of results of another size too


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (37, 41)])
def test_frames_of_any_size(size: tuple[int, int]):
    steady, frame = Steady(flickering()), np.full((*size, 3), 90, np.uint8)
    assert [steady(frame).shape for _ in range(3)] == [(*size, 3)] * 3


def test_motion_points_to_the_frame_before():
    columns, rows = motion(moved(CUP, 5, 2), moved(CUP, 0))
    height, width = columns.shape
    middle = np.s_[30:-30, 30:-30]
    assert np.median((columns - np.arange(width))[middle]) == pytest.approx(5, abs=0.7)
    assert np.median((rows - np.arange(height)[:, None])[middle]) == pytest.approx(2, abs=0.7)
    still, _ = motion(CUP, CUP)
    assert (still == np.arange(CUP.shape[1])).mean() > 0.95
    assert np.abs(still - np.arange(CUP.shape[1])).max() < 1


def test_trust_is_lost_where_frames_differ():
    other = CUP.copy()
    other[40:80, 60:120] = 255 - other[40:80, 60:120]
    found = trust(CUP, other)
    assert found[50:70, 70:110].mean() < 0.2
    assert found[100:].min() == 1


def test_painted_frames_flicker_less(style_net: FastStyle):
    """Of a camera with noise."""
    random = np.random.default_rng(0)
    frames = [(CUP.astype(int) + random.integers(-6, 7, CUP.shape)).clip(0, 255).astype(np.uint8) for _ in range(4)]

    def change(frame: np.ndarray) -> np.ndarray:
        return style_net.predict_frame(frame, style="two", size="original")

    plain, steady = [change(frame) for frame in frames], list(map(Steady(change), frames))
    assert apart(steady[2], steady[3]) < 0.7 * apart(plain[2], plain[3])
