"""The homography that most matches agree with, whatever their order.

OpenCV's MAGSAC++ (https://arxiv.org/abs/1912.05909) fits samples of the matches and stops early: its corners depend on
the order of the matches. From its result, least squares with the weights of MAGSAC++ are iterated to their fixed point.
The page of ``zoo demo`` goes there as well, in JavaScript and by more rounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from zoo.pictures.geometry import transform_points

SAMPLES = 10_000  # largest number of MAGSAC++ iterations
ROUNDS = 100  # most rounds of weighted least squares
STEP = 1e-9  # largest relative change of an entry in the last round
NEAR = 1e-3  # change from which on the fixed point is near enough to be foreseen, and no other is
PAST = 4  # rounds from which it is foreseen
QUANTILE = 3.64  # of an error's length, in standard deviations
REACH = 2.5  # thresholds: distance from which on a match has no weight; by 1.5, noisy matches fit worse


def homography_of(matches: np.ndarray, threshold: float) -> np.ndarray | None:
    """The homography ``(3, 3)`` that most matches agree with, or None.

    Args:
        matches: matched points ``(K, 4)``: x and y in a, x and y in b.
        threshold: largest error of an inlier in pixels of b.
    """
    if len(matches) < 4:
        return None
    try:
        estimate, _ = cv2.findHomography(
            matches[:, :2], matches[:, 2:], cv2.USAC_MAGSAC, threshold, maxIters=SAMPLES, confidence=0.999
        )
    except cv2.error:
        return None
    return None if estimate is None else settled(np.asarray(estimate), matches, REACH * threshold)


def settled(matrix: np.ndarray, matches: np.ndarray, reach: float) -> np.ndarray:
    """The homography, with 1 in the lower right, at which weighted least squares settle.

    Args:
        matrix: homography ``(3, 3)`` to begin with; it, or the last fitted one, comes back where the equations have no
            answer.
        matches: matched points ``(K, 4)``: x and y in a, x and y in b.
        reach: distance in pixels of b from which on a match has no weight.
    """
    past, before = list[tuple[np.ndarray, np.ndarray]](), math.inf
    for _ in range(ROUNDS):
        better = _fitted(matches, _weights(errors(matrix, matches), reach))
        if better is None:
            return past[-1][1] if past else matrix
        step = float(np.max(np.abs(better - matrix) / (np.abs(matrix) + 1e-6)))
        if step < STEP:
            return better
        past = [*past, (matrix, better)][-PAST:] if step < min(NEAR, before) else [(matrix, better)]
        matrix, before = _foreseen(past), step
    return past[-1][1]


def _foreseen(past: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The fixed point, if rounds were linear: Anderson's acceleration (https://doi.org/10.1145/321296.321305).

    Args:
        past: homographies ``(3, 3)``, each with the one that a round made of it.
    """
    if len(past) == 1:
        return past[0][1]
    scale = np.abs(past[-1][0]).ravel() + 1e-6
    given, made = (np.stack([each.ravel() / scale for each in part]) for part in zip(*past, strict=True))
    steps = made - given
    parts = np.linalg.lstsq(np.diff(steps, axis=0).T, steps[-1], rcond=1e-10)[0]
    ahead: np.ndarray = (made[-1] - np.diff(made, axis=0).T @ parts) * scale
    return ahead.reshape(3, 3)


def errors(matrix: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """Distances in b of the points of b from where the matrix takes the points of a, ``(K,)``."""
    with np.errstate(all="ignore"):  # of points that the matrix takes to infinity
        return np.hypot(*(transform_points(matrix, matches[:, :2]) - matches[:, 2:]).T)


def _weights(distances: np.ndarray, reach: float) -> np.ndarray:
    """The weights of errors, averaged over all noise that reaches no farther, by incomplete gamma functions.

    They end at 0, without a step: with one, several homographies are fixed points.
    """
    near = distances < reach
    weights = np.zeros_like(distances)
    weights[near] = _upper_gamma((QUANTILE * distances[near] / reach) ** 2 / 2) - _LEFT
    return weights


def _upper_gamma(x: np.ndarray) -> np.ndarray:
    """The upper incomplete gamma function of 3/2, with erfc as in Abramowitz and Stegun, 7.1.26: within 1.5e-7."""
    root = np.sqrt(x)
    t = 1 / (1 + 0.3275911 * root)
    rest = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return (0.5 * math.sqrt(math.pi) * rest + root) * np.exp(-x)


_LEFT = float(_upper_gamma(np.array(QUANTILE**2 / 2)))


def _fitted(matches: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Weighted least squares of linear equations of nine numbers whose squares add up to 1; None without an answer."""
    used = weights > 0
    if np.count_nonzero(used) < 4:
        return None
    to_a, to_b = (_scaling(matches[used, i : i + 2]) for i in (0, 2))
    x, y = transform_points(to_a, matches[used, :2]).T
    u, v = transform_points(to_b, matches[used, 2:]).T
    one, zero = np.ones_like(x), np.zeros_like(x)
    across = np.stack((x, y, one, zero, zero, zero, -u * x, -u * y, -u), 1)
    along = np.stack((zero, zero, zero, x, y, one, -v * x, -v * y, -v), 1)
    sums = sum(rows.T @ (weights[used, None] * rows) for rows in (across, along))
    try:
        found = np.linalg.inv(to_b) @ np.linalg.eigh(sums)[1][:, 0].reshape(3, 3) @ to_a
    except np.linalg.LinAlgError:
        return None
    return found / found[2, 2] if np.isfinite(found).all() and found[2, 2] else None


def _scaling(points: np.ndarray) -> np.ndarray:
    """The matrix that takes the mean of points to 0 and their mean distance from it to 1: well-scaled equations."""
    mean = points.mean(0)
    size = max(float(np.hypot(*(points - mean).T).mean()), np.finfo(float).tiny)
    return np.array([[1 / size, 0, -mean[0] / size], [0, 1 / size, -mean[1] / size], [0, 0, 1]])
