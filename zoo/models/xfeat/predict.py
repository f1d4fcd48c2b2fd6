"""From two pictures to a homography: features, matches, and the homography that most matches agree with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import cv2
import numpy as np

from zoo.base.bounds import Count, check_count
from zoo.base.errors import ZooError
from zoo.engines import Engine, Shapes
from zoo.models.xfeat.features import CELL, DESCRIPTOR, Features, find, moved
from zoo.models.xfeat.robust import errors, homography_of
from zoo.pictures.classical import magnification, polish, to_grey, usable
from zoo.pictures.geometry import resizing, transform_points
from zoo.pictures.homography import Homography, normalized, read
from zoo.pictures.images import Picture, name_of

AGREE = 0.6  # least cosine of two descriptors that match
MIN_LONG_SIDE = 384  # pixels of the longer side to which smaller pictures are enlarged
NEAR = 3.0  # largest error of an inlier, in pixels of the network's input
ENOUGH = 40  # inliers from which on no further rotation or size is tried
PLENTY = 100  # inliers from which on no second pass with a warped picture is made
FEWEST = 15  # least number of inliers of a valid homography
ROUGH = 7  # least number of inliers of a candidate
SURE = 25.0  # inliers with which the confidence is a half: pictures of different things seldom have as many
TURNS = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)


@dataclass(frozen=True, eq=False)
class Found:
    """The result of one attempt to align two pictures, in pixels of the pictures themselves.

    Args:
        matrix: homography ``(3, 3)``, or None.
        matches: matched points ``(K, 4)``: x and y in a, x and y in b.
        inliers: whether each match is an inlier, ``(K,)`` bool.
    """

    matrix: np.ndarray | None
    matches: np.ndarray
    inliers: np.ndarray

    @property
    def count(self) -> int:
        return int(self.inliers.sum())


@dataclass(frozen=True)
class Matcher:
    """Aligns two pictures by an engine that takes grey pictures ``(B, 1, H, W)`` and gives features of their cells.

    Args:
        engine: computes the network.
    """

    engine: Engine

    def shapes(self, batch: int, height: int, width: int) -> Shapes:
        """Shapes of the engine's input and outputs."""
        cells = -(-height // CELL), -(-width // CELL)
        kinds = (DESCRIPTOR, CELL**2 + 1, 1)
        return (batch, 1, height, width), *((batch, channels, *cells) for channels in kinds)

    def predict(
        self,
        a: Picture,
        b: Picture,
        *,
        refine: Literal["ecc"] | None = None,
        max_side: Count = 1024,
        keypoints: Count = 2048,
    ) -> Homography:
        """The homography from the pixels of a to the pixels of b; a and b may have any sizes.

        Where few matches agree, a rotated by right angles is tried too, and each picture at half its size.

        Args:
            a: path, PIL picture, uint8 array ``(H, W, 3)`` or ``(H, W)``, or tensor ``(3, H, W)``.
            b: the second picture, of the same kinds.
            refine: "ecc" refines the estimate with OpenCV's ECC; where ECC diverges, the estimate stays, and
                ``refined`` of the result is false
            max_side: longer side in pixels to which larger pictures are reduced; pictures below 384 pixels are enlarged
                to 384, or to ``max_side`` where it is less
            keypoints: largest number of keypoints of a picture
        """
        if refine not in (None, "ecc"):
            raise ZooError(f'refine must be "ecc" or None, not {refine!r}')
        check_options(max_side, keypoints)
        pictures = read(a), read(b)
        start = time.perf_counter()
        greys = to_grey(pictures[0]), to_grey(pictures[1])
        found = self.align(*greys, max_side, keypoints)
        matrix, valid = found.matrix, found.matrix is not None
        better = polish(*greys, matrix) if matrix is not None and refine else None
        if matrix is None:
            matrix = resizing(pictures[0].shape, pictures[1].shape)
        matrix = normalized(matrix if better is None else better)
        confidence = found.count / (found.count + SURE) if valid else 0.0
        refined, seconds = None if refine is None else better is not None, time.perf_counter() - start
        return Homography(
            matrix, confidence, valid, refined, None, seconds, *pictures, (name_of(a), name_of(b)), found.matches,
            found.inliers,
        )  # fmt: skip

    def features(self, picture: Picture, *, max_side: Count = 1024, keypoints: Count = 2048) -> Features:
        """Keypoints of a picture, with scores and descriptors.

        Args:
            picture: a picture of the kinds that :meth:`predict` takes. Points are in its own pixels.
            max_side: longer side in pixels to which a larger picture is reduced
            keypoints: largest number of keypoints of the picture
        """
        check_options(max_side, keypoints)
        return self._seen(to_grey(read(picture)), max_side, most=keypoints)

    def align(self, a: np.ndarray, b: np.ndarray, max_side: int = 1024, keypoints: int = 2048) -> Found:
        """The best result for grey pictures ``(H, W)`` uint8."""
        best = Found(None, np.zeros((0, 4)), np.zeros(0, bool))
        for seen_a, seen_b in self._looks(a, b, max_side, keypoints):
            found = agreeing(seen_a, seen_b, a.shape, b.shape)
            if found.matrix is not None and found.count < PLENTY:
                found = max(found, self._again(a, b, found.matrix, max_side, keypoints), key=lambda each: each.count)
            best = max(best, found, key=lambda each: each.count)
            if best.count >= ENOUGH:
                break
        if best.count < FEWEST or (best.count < PLENTY and self._mirrored(a, b, max_side, keypoints) > best.count):
            return replace(best, matrix=None, inliers=np.zeros_like(best.inliers))
        return best

    def _again(self, a: np.ndarray, b: np.ndarray, matrix: np.ndarray, max_side: int, most: int) -> Found:
        """The result of a second pass with the finer picture warped to the other, so that both look alike."""
        (small_a, to_a), (small_b, to_b) = resized(a, max_side), resized(b, max_side)
        onto = to_b @ matrix @ np.linalg.inv(to_a)
        if magnification(onto, small_a.shape) <= 1:
            seen_a, seen_b = self._warped(small_a, small_b, onto, most), find(self.engine, small_b, most)
        else:
            seen_a, seen_b = find(self.engine, small_a, most), self._warped(small_b, small_a, np.linalg.inv(onto), most)
        return agreeing(moved(seen_a, np.linalg.inv(to_a)), moved(seen_b, np.linalg.inv(to_b)), a.shape, b.shape)

    def _warped(self, fine: np.ndarray, coarse: np.ndarray, matrix: np.ndarray, most: int) -> Features:
        """Features of the finer picture warped to the coarser one, in pixels of the finer picture."""
        less, to_less = resized(fine, max(1, round(max(fine.shape) * min(1.0, magnification(matrix, fine.shape)))))
        size, onto = coarse.shape[1::-1], matrix @ np.linalg.inv(to_less)
        there = cv2.erode(cv2.warpPerspective(np.ones_like(less), onto, size), np.ones((CELL, CELL), np.uint8))
        found = find(self.engine, cv2.warpPerspective(less, onto, size, borderMode=cv2.BORDER_REPLICATE), most)
        x, y = np.rint(found.points).astype(int).clip(0, np.array(size) - 1).T
        inside = there[y, x] > 0
        points = transform_points(np.linalg.inv(matrix), found.points[inside].astype(np.float64))
        return Features(points.astype(np.float32), found.scores[inside], found.descriptors[inside])

    def _mirrored(self, a: np.ndarray, b: np.ndarray, max_side: int, most: int) -> int:
        """Inliers with a mirrored: more than without mean a mirrored picture, which no camera takes."""
        seen_b, flipped = self._seen(b, max_side, most=most), (a[:, ::-1], a[::-1])
        looks = (self._seen(np.ascontiguousarray(each), max_side, most=most) for each in flipped)
        return max(agreeing(seen_a, seen_b, a.shape, b.shape).count for seen_a in looks)

    def _looks(self, a: np.ndarray, b: np.ndarray, max_side: int, most: int) -> Iterator[tuple[Features, Features]]:
        """Features of both pictures: as they are, a rotated, then each at half its size, as if seen from afar."""
        see = partial(self._seen, most=most)
        first, second = see(a, max_side), see(b, max_side)
        yield first, second
        for turn in TURNS:
            yield see(a, max_side, turn=turn), second
        half_a, half_b = (see(each, max(min(max_side, max(*each.shape, MIN_LONG_SIDE)) // 2, 1)) for each in (a, b))
        yield half_a, second
        yield first, half_b

    def _seen(self, picture: np.ndarray, max_side: int, *, most: int, turn: int | None = None) -> Features:
        """Features of a picture that is resized and rotated first, in pixels of the original."""
        small, to_small = resized(picture, max_side)
        if turn is not None:
            to_small = turning(turn, *small.shape) @ to_small
            small = cv2.rotate(small, turn)
        return moved(find(self.engine, small, most), np.linalg.inv(to_small))


def check_options(max_side: int, keypoints: int) -> None:
    check_count("max_side", max_side)
    check_count("keypoints", keypoints)


def agreeing(a: Features, b: Features, shape_a: tuple[int, ...], shape_b: tuple[int, ...]) -> Found:
    """The homography that most matches agree with."""
    matches, threshold = matched(a, b), NEAR * b.pixel
    none = Found(None, matches, np.zeros(len(matches), bool))
    matrix = usable(homography_of(matches, threshold), shape_a, shape_b)
    if matrix is None:
        return none
    inliers = errors(matrix, matches) <= threshold
    if np.count_nonzero(inliers) < ROUGH:
        return none
    if min(breadth(matches[inliers, :2]) / a.pixel, breadth(matches[inliers, 2:]) / b.pixel) < NEAR:
        return none  # any of many homographies takes a line to a line
    return Found(matrix, matches, inliers)


def breadth(points: np.ndarray) -> float:
    """Standard deviation of points ``(N, 2)`` across the line that fits them best."""
    across = np.linalg.svd(points - points.mean(0), compute_uv=False)[-1]
    return float(across / len(points) ** 0.5)


def matched(a: Features, b: Features) -> np.ndarray:
    """Points of a and b whose descriptors are each other's nearest and similar, ``(K, 4)`` float64."""
    if not (len(a.points) and len(b.points)):
        return np.zeros((0, 4))
    cosines = a.descriptors @ b.descriptors.T
    to_b, to_a = cosines.argmax(1), cosines.argmax(0)
    own = np.arange(len(to_b))
    good = (to_a[to_b] == own) & (cosines[own, to_b] >= AGREE)
    return np.concatenate((a.points[good], b.points[to_b[good]]), 1).astype(np.float64)


def resized(picture: np.ndarray, max_side: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture resized to a longer side of 384 to ``max_side`` pixels, and the matrix to its pixels.

    Where ``max_side`` is below 384, the longer side has ``max_side`` pixels. Small pictures are enlarged,
    because keypoints are about as exact in pixels at any size.
    """
    longer = max(picture.shape)
    scale = min(max_side, max(longer, MIN_LONG_SIDE)) / longer
    if scale == 1:
        return picture, np.eye(3)
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return small, resizing(picture.shape, small.shape)


def turning(turn: int, height: int, width: int) -> np.ndarray:
    """Matrix from the pixels of a picture to the pixels of the rotated picture."""
    right, bottom = width - 1.0, height - 1.0
    if turn == cv2.ROTATE_90_CLOCKWISE:
        return np.array([[0, -1, bottom], [1, 0, 0], [0, 0, 1.0]])
    if turn == cv2.ROTATE_180:
        return np.array([[-1, 0, right], [0, -1, bottom], [0, 0, 1.0]])
    return np.array([[0, 1, 0], [-1, 0, right], [0, 0, 1.0]])
