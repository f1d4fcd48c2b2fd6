"""The homography that most matches agree with: the same whatever their order, and exact where they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from zoo.models.xfeat import robust
from zoo.models.xfeat.robust import REACH, errors, homography_of, settled
from zoo.pictures.geometry import corner_points, transform_points

TRUTH = np.array([[1.1, 0.05, -20], [-0.04, 0.95, 12], [2e-4, -1e-4, 1]])
CORNERS = corner_points(640, 480)


def drawn(noise: float, seed: int = 0, count: int = 300, wrong: int = 120) -> np.ndarray:
    """Matches of a known homography with the long tails of real features, the last ``wrong`` of them anywhere."""
    rng = np.random.default_rng(seed)
    a = rng.uniform((0, 0), (640, 480), (count, 2))
    b = transform_points(TRUTH, a) + noise * rng.standard_t(2, (count, 2))
    b[count - wrong :] = rng.uniform((0, 0), (640, 480), (wrong, 2))
    return np.concatenate((a, b), 1)


def off(matrix: np.ndarray | None) -> float:
    assert matrix is not None
    return float(np.abs(transform_points(matrix, CORNERS) - transform_points(TRUTH, CORNERS)).max())


def test_exact_matches_give_the_exact_homography():
    assert off(homography_of(drawn(0), 3.0)) < 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_matches_changes_nothing(seed: int):
    matches, chance = drawn(0.8, seed), np.random.default_rng(seed)
    found = [homography_of(chance.permutation(matches), 3.0) for _ in range(5)]
    seen = np.array([transform_points(each, CORNERS) for each in found if each is not None])
    assert len(seen) == 5
    assert np.ptp(seen, axis=0).max() < 0.01


def test_it_is_nearer_to_the_truth_than_where_it_began():
    ours, theirs = [], []
    for seed in range(12):
        matches = drawn(1.0, seed)
        begun, _ = cv2.findHomography(matches[:, :2], matches[:, 2:], cv2.USAC_MAGSAC, 3.0)
        theirs.append(off(begun))
        ours.append(off(settled(begun, matches, REACH * 3.0)))
    assert np.mean(ours) < 0.95 * np.mean(theirs)


def test_matches_with_errors_near_the_threshold_still_count():
    """With weights that end at 1.5 thresholds the result is 1.5 times as far off as where it began."""
    ours, theirs = [], []
    for seed in range(40):
        matches = drawn(2.0, seed, count=60, wrong=20)
        begun, _ = cv2.findHomography(matches[:, :2], matches[:, 2:], cv2.USAC_MAGSAC, 3.0)
        theirs.append(off(begun))
        ours.append(off(settled(begun, matches, REACH * 3.0)))
    assert np.mean(ours) < 1.25 * np.mean(theirs)


def by_rounds_alone(matrix: np.ndarray, matches: np.ndarray, reach: float) -> tuple[np.ndarray, int]:
    """The homography at which rounds settle that foresee nothing, as those of the page do; and their number."""
    for number in range(1, 1000):
        before, matrix = matrix, robust._fitted(matches, robust._weights(errors(matrix, matches), reach))
        if np.max(np.abs(matrix - before) / (np.abs(before) + 1e-6)) < robust.STEP:
            return matrix, number
    raise AssertionError("they do not settle")


def test_half_of_the_rounds_lead_to_the_same_fixed_point(monkeypatch: pytest.MonkeyPatch):
    fitted, calls, slow = robust._fitted, [], 0
    monkeypatch.setattr(robust, "_fitted", lambda *given: calls.append(1) or fitted(*given))
    for seed in range(20):
        matches = drawn(1.5, seed, count=100, wrong=40)
        begun, _ = cv2.findHomography(matches[:, :2], matches[:, 2:], cv2.USAC_MAGSAC, 3.0)
        found = settled(begun, matches, REACH * 3.0)
        fast = len(calls)
        want, rounds = by_rounds_alone(begun, matches, REACH * 3.0)
        del calls[fast:]
        slow += rounds
        np.testing.assert_allclose(transform_points(found, CORNERS), transform_points(want, CORNERS), atol=1e-3)
    assert len(calls) < 0.5 * slow, (len(calls), slow)


def test_where_the_equations_fail_late_the_last_answer_remains(monkeypatch: pytest.MonkeyPatch):
    fitted, made = robust._fitted, []

    def fails_late(*given: np.ndarray) -> np.ndarray | None:
        made.append(fitted(*given))
        return made[-1] if len(made) < 8 else None

    monkeypatch.setattr(robust, "_fitted", fails_late)
    matches = drawn(1.0)
    begun, _ = cv2.findHomography(matches[:, :2], matches[:, 2:], cv2.USAC_MAGSAC, 3.0)
    assert settled(begun, matches, REACH * 3.0) is made[6]


@pytest.mark.parametrize("kind", ["few", "none", "one place", "line", "nowhere"])
def test_matches_without_an_answer_are_no_error(kind: str):
    matches = drawn(0.5)
    if kind in ("few", "none"):
        matches = matches[: 3 if kind == "few" else 0]
    elif kind == "one place":
        matches[:] = matches[0]
    elif kind == "line":
        matches[:, 1] = matches[:, 3] = 7
    else:
        matches[:] = np.nan
    found = homography_of(matches, 3.0)
    assert found is None or found.shape == (3, 3)
    assert settled(np.eye(3), matches, 4.5).shape == (3, 3)


def test_points_that_the_matrix_takes_to_infinity_are_far_off():
    matrix = np.array([[1.0, 0, 0], [0, 1, 0], [-0.1, 0, 1]])
    assert not errors(matrix, np.array([[10.0, 3, 5, 5]]))[0] < 1e6
