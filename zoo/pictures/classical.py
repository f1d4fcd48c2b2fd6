"""Classical methods without a network, on grey pictures ``(H, W)`` uint8: feature matching, and ECC.

Each method takes pictures a and b of any sizes and gives the homography ``(3, 3)`` from pixels of a to pixels of b, or
None if it finds none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image

from zoo.pictures.geometry import corner_points, is_convex, resizing, transform_points

MATCH_RATIO = 0.8  # Lowe's ratio: distance to the nearest descriptor over distance to the next
LONG_SIDE = 640  # longest side in pixels of ECC's pictures: its time grows with the area, its accuracy hardly
FILTERS = (15, 5, 3)  # sizes of ECC's Gaussian filters in pixels, coarse to fine, odd
ITERATIONS, EPSILON = 50, 1e-4  # limits of ECC for each filter


def orb_ransac(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """ORB features, mutual nearest neighbours, RANSAC; made for patches as small as 128 pixels."""
    detector = cv2.ORB.create(nfeatures=1000, edgeThreshold=8, patchSize=15, fastThreshold=5)
    return _by_features(a, b, detector, cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match, cv2.RANSAC, 3.0)


def sift_magsac(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """SIFT features, Lowe's ratio test, MAGSAC++ (https://arxiv.org/abs/1912.05909)."""

    def match(found_a: np.ndarray, found_b: np.ndarray) -> list[cv2.DMatch]:
        nearest = [pair for pair in cv2.BFMatcher().knnMatch(found_a, found_b, k=2) if len(pair) == 2]
        return [first for first, second in nearest if first.distance < MATCH_RATIO * second.distance]

    return _by_features(a, b, cv2.SIFT.create(contrastThreshold=0.01), match, cv2.USAC_MAGSAC, 1.0)


def ecc(a: np.ndarray, b: np.ndarray, *, start: np.ndarray | None = None, reach: float = 3 / 8) -> np.ndarray | None:
    """The enhanced correlation coefficient's maximum near a start (Evangelidis and Psarakis, 2008), by OpenCV.

    Large pictures are reduced, and both get about the same resolution. The result is None if OpenCV gives up, if the
    homography is degenerate or far away, or if the pictures correlate less under it than under the start.

    Args:
        a: first picture.
        b: second picture.
        start: a homography to start from; None takes a to the size of b.
        reach: largest mean shift of a's corners from the start, as a fraction of b's long side.
    """
    if start is None:
        start = resizing(a.shape, b.shape)
    (small_a, to_a), (small_b, to_b) = _at_one_resolution(a, b, start)
    first = to_b @ start @ np.linalg.inv(to_a)
    first = (first / first[2, 2]).astype(np.float32)
    everywhere = np.full(small_b.shape, 255, np.uint8)
    criteria, found = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, ITERATIONS, EPSILON), first
    try:
        for side in FILTERS:
            _, found = cv2.findTransformECC(
                small_a, small_b, found.copy(), cv2.MOTION_HOMOGRAPHY, criteria, everywhere, side
            )
    except cv2.error:  # it did not converge, or one of the pictures is blank
        return None
    if not correlation(small_a, small_b, found) >= correlation(small_a, small_b, first):
        return None
    matrix = usable(np.linalg.inv(to_b) @ found.astype(np.float64) @ to_a, a.shape, b.shape)
    if matrix is None:
        return None
    corners = corner_points(*a.shape[1::-1])
    moved = np.linalg.norm(transform_points(matrix, corners) - transform_points(start, corners), axis=1).mean()
    return matrix if moved <= reach * max(b.shape) else None


def polish(a: np.ndarray, b: np.ndarray, start: np.ndarray) -> np.ndarray | None:
    """Refines an approximate estimate by ECC; None also if ECC moves away from it."""
    return ecc(a, b, start=start, reach=1 / 8)


def usable(matrix: np.ndarray | None, a: Sequence[int], b: Sequence[int]) -> np.ndarray | None:
    """A homography with 1 in the lower right; None unless a becomes a convex quadrilateral near b, or b one near a.

    If b shows a detail of a, the corners of a may lie anywhere.

    Args:
        matrix: ``(3, 3)`` or None.
        a: shape of the picture, height first.
        b: shape of the other picture.
    """
    if matrix is None or not np.isfinite(matrix).all() or not matrix[2, 2]:
        return None
    if np.linalg.matrix_rank(matrix) == 3 and (_near(matrix, a, b) or _near(np.linalg.inv(matrix), b, a)):
        return matrix / matrix[2, 2]
    return None


def _near(matrix: np.ndarray, a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether a becomes a convex quadrilateral whose corners are at most the long side of b away from b."""
    corners = corner_points(a[1], a[0])
    if not matrix[2, 2] or not (corners @ (matrix[2, :2] / matrix[2, 2]) + 1 > 1e-6).all():
        return False
    moved, far = transform_points(matrix, corners), max(b[:2])
    return bool((moved >= -far).all() and (moved <= (b[1] + far, b[0] + far)).all() and is_convex(moved))


def correlation(a: np.ndarray, b: np.ndarray, matrix: np.ndarray, least: float = 0.0) -> float:
    """Correlation coefficient of a and of b warped to a, in the part of a that b covers.

    It is NaN if nothing varies there, or if b covers less of a than the fraction ``least``.
    """
    flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, a.shape[1::-1]
    seen = cv2.warpPerspective(b, matrix, size, flags=flags)
    reached = cv2.warpPerspective(np.full_like(b, 255), matrix, size, flags=flags) == 255
    if reached.sum() < max(2, least * reached.size):  # among fewer than two nothing varies
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.corrcoef(a[reached], seen[reached])[0, 1])


def to_grey(picture: np.ndarray) -> np.ndarray:
    """Converts ``(H, W, 3)`` to ``(H, W)`` uint8 by ITU-R BT.601; grey stays."""
    return np.asarray(Image.fromarray(picture).convert("L"))


def _by_features(
    a: np.ndarray,
    b: np.ndarray,
    detector: cv2.Feature2D,
    match: Callable[[np.ndarray, np.ndarray], Sequence[cv2.DMatch]],
    method: int,
    threshold: float,
) -> np.ndarray | None:
    """The homography that most matches of two pictures' features agree with, within ``threshold`` pixels."""
    try:
        (points_a, found_a), (points_b, found_b) = (
            detector.detectAndCompute(np.ascontiguousarray(picture), None) for picture in (a, b)
        )
    except cv2.error:  # a picture is too small for the detector's pyramid
        return None
    if not (points_a and points_b):
        return None
    matches = match(found_a, found_b)
    if len(matches) < 4:
        return None
    from_a = np.array(cv2.KeyPoint.convert(points_a, [pair.queryIdx for pair in matches]))
    to_b = np.array(cv2.KeyPoint.convert(points_b, [pair.trainIdx for pair in matches]))
    matrix, _ = cv2.findHomography(from_a, to_b, method, threshold, maxIters=2000, confidence=0.999)
    return usable(matrix, a.shape, b.shape)


def _at_one_resolution(
    a: np.ndarray, b: np.ndarray, matrix: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Each picture, reduced if it is large or more detailed than the other, and the map to its reduced pixels."""
    scale_a, scale_b = (min(1.0, LONG_SIDE / max(picture.shape)) for picture in (a, b))
    finer = magnification(matrix, a.shape) * scale_b / scale_a  # pixels of b on one of a
    return _reduced(a, scale_a * min(1.0, finer)), _reduced(b, scale_b / max(1.0, finer))


def magnification(matrix: np.ndarray, shape: Sequence[int]) -> float:
    """How many pixels of b one pixel in the middle of a covers, as a length."""
    u = matrix @ ((shape[1] - 1) / 2, (shape[0] - 1) / 2, 1)
    return float((abs(np.linalg.det(matrix)) / abs(u[2]) ** 3) ** 0.5)


def _reduced(picture: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return small, resizing(picture.shape, small.shape)
