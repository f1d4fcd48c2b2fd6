"""Homographies without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from zoo.data.homography import HomographyPairs
from zoo.pictures import classical
from zoo.pictures.classical import ecc, orb_ransac, polish, sift_magsac, usable
from zoo.pictures.geometry import corner_points, is_convex, transform_points

MATRIX = np.array([[1.05, 0.08, 9.0], [-0.06, 0.97, 14.0], [2e-4, -1e-4, 1.0]])
METHODS = (orb_ransac, sift_magsac, ecc)


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    """Blobs of every size, ``(400, 400)`` uint8."""
    rng, picture = np.random.default_rng(0), np.zeros((400, 400), np.float32)
    for sigma in (1.5, 4, 12):
        layer = cv2.GaussianBlur(rng.normal(size=picture.shape).astype(np.float32), (0, 0), sigma)
        picture += layer / layer.std()
    return (127 + 35 * picture).clip(0, 255).astype(np.uint8)


def seen_through(texture: np.ndarray, matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(texture, matrix, (width, height), flags=flags)


def corner_error(matrix: np.ndarray | None, truth: np.ndarray, size: int = 160) -> float:
    assert matrix is not None
    assert matrix[2, 2] == 1
    corners = corner_points(size)
    return np.linalg.norm(transform_points(matrix, corners) - transform_points(truth, corners), axis=1).mean()


@pytest.mark.parametrize(("method", "pixels"), [(orb_ransac, 2.0), (sift_magsac, 0.5)])
def test_features_find_a_known_homography(texture: np.ndarray, method: Callable, pixels: float):
    a, b = seen_through(texture, MATRIX, 160, 160), texture[:240, :260]
    assert corner_error(method(a, b), MATRIX) < pixels


def test_ecc_finds_what_is_near(texture: np.ndarray):
    near = np.array([[1.02, 0.02, 1.5], [-0.01, 0.99, -2.0], [5e-5, -5e-5, 1.0]])
    a, b = seen_through(texture, near, 160, 160), texture[:160, :160]
    assert corner_error(ecc(a, b), near) < 0.15
    assert corner_error(ecc(b, b), np.eye(3)) < 0.02


@pytest.mark.parametrize("fine", ["a", "b", "both"])
def test_ecc_goes_on_from_a_start_at_any_size(texture: np.ndarray, fine: str):
    """Pictures beyond the size it works at, and of which one shows much more detail than the other."""
    small, large = texture[:200, :200], cv2.resize(texture[:200, :200], (1000, 1000), interpolation=cv2.INTER_CUBIC)
    enlarge = np.array([[5.0, 0, 2], [0, 5, 2], [0, 0, 1]])
    a, b = {"a": (large, small), "b": (small, large), "both": (large, large)}[fine]
    truth = {"a": np.linalg.inv(enlarge), "b": enlarge, "both": np.eye(3)}[fine]
    off = np.array([[1.01, 0.0, 0.01 * a.shape[1]], [0.01, 1, -0.01 * a.shape[0]], [0, 0, 1]])
    unit = b.shape[0] / 128
    assert corner_error((truth @ off) / (truth @ off)[2, 2], truth, a.shape[0]) > unit
    assert corner_error(ecc(a, b, start=truth @ off), truth, a.shape[0]) < 0.15 * unit


def test_ecc_says_where_it_ends_worse_than_it_began(texture: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    a = texture[:160, :160]
    worse = np.array([[1, 0, 5], [0, 1, 5], [0, 0, 1]], np.float32)
    monkeypatch.setattr(cv2, "findTransformECC", lambda *arguments: (0.9, worse))
    assert ecc(a, a) is None
    assert ecc(a, a, start=np.array([[1.0, 0, 30], [0, 1, 30], [0, 0, 1]])) is not None  # less wrong than that
    folded = np.array([[-1, 0, 5], [0, 1, 5], [0, 0, 1]], np.float32)
    monkeypatch.setattr(cv2, "findTransformECC", lambda *arguments: (0.9, folded))
    monkeypatch.setattr(classical, "correlation", lambda *arguments: 0.9)
    assert ecc(a, a) is None


def test_polishing_stays_near(texture: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    """What begins 30 px off and ends at the truth was right to move, but it is not what it was to polish."""
    a, far = texture[:160, :160], np.array([[1.0, 0, 30], [0, 1, 0], [0, 0, 1]])
    near = np.array([[1.0, 0, 3], [0, 1, 0], [0, 0, 1]])
    assert corner_error(polish(a, a, near), np.eye(3)) < 0.1
    monkeypatch.setattr(cv2, "findTransformECC", lambda *arguments: (0.9, np.eye(3, dtype=np.float32)))
    assert ecc(a, a, start=far) is not None
    assert polish(a, a, far) is None
    assert polish(a, a, near) is not None


@pytest.mark.parametrize("method", METHODS)
def test_no_estimate_where_there_is_nothing_to_see(texture: np.ndarray, method: Callable):
    blank, dot = np.full((128, 128), 90, np.uint8), np.zeros((1, 1), np.uint8)
    corner = blank.copy()
    corner[60:64, 60:64] = 255  # too little for four matches
    for a, b in ((blank, blank), (blank, texture), (texture, blank), (dot, dot), (dot, texture), (corner, blank)):
        assert method(a, b) is None


@pytest.mark.parametrize("method", METHODS)
def test_unrelated_pictures_give_no_degenerate_matrix(method: Callable):
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.integers(0, 256, (2, 128, 128), dtype=np.uint8)
        found = method(a, b)
        assert found is None or is_convex(transform_points(found, corner_points(128)))


def test_usable_is_what_keeps_a_picture_in_shape_and_place():
    shapes = (100, 100), (100, 100)
    assert usable(None, *shapes) is None
    assert usable(np.full((3, 3), np.nan), *shapes) is None
    assert usable(np.diag([-1.0, 1, 1]), *shapes) is None  # mirrored
    assert usable(np.diag([0.0, 1, 1]), *shapes) is None  # a line
    assert usable(np.diag([1.0, 1, 0]), *shapes) is None  # nowhere
    assert (
        usable(np.array([[-1, 0, 0], [0, -1, 0], [-1 / 50, 0, 1]]), *shapes) is None
    )  # through infinity, and back too
    assert usable(np.array([[1, 0, 150.0], [0, 1, 0], [0, 0, 1]]), *shapes) is None  # far out
    assert usable(np.array([[1, 0, 150.0], [0, 1, 0], [0, 0, 1]]), (100, 100), (100, 400)) is not None
    assert np.array_equal(usable(np.diag([-4.0, -4, -2]), *shapes), np.diag([2.0, 2, 1]))


def test_they_are_as_strong_as_they_are_known_to_be(real_data: Path):
    """On photographs under Protocol B: median corner error below what was measured with others' settings."""
    pairs, offsets = HomographyPairs(real_data / "photos", test_pairs=30, val_fraction=0.2).held_out_pairs("test")
    corners = corner_points(128)

    def errors(method: Callable) -> np.ndarray:
        found = [method(a, b) for a, b in pairs]
        moved = [corners if matrix is None else transform_points(matrix, corners) for matrix in found]
        return np.linalg.norm(moved - corners - offsets, axis=2).mean(1)

    still = np.linalg.norm(offsets, axis=2).mean(1)
    sift, orb, from_identity = errors(sift_magsac), errors(orb_ransac), errors(ecc)
    assert np.median(sift) < 0.7
    assert (sift < 3).mean() > 0.85
    assert np.median(orb) < 2
    assert np.median(from_identity) < 0.5
    assert (from_identity < still).mean() > 0.7


def test_a_detail_and_the_whole_may_stand_in_either_order():
    """From the whole to a detail corners lie anywhere, also behind the horizon."""
    whole, detail = (480, 640), (300, 400)
    to_whole = np.array([[0.2, 0.02, 300.0], [-0.03, 0.25, 200.0], [4e-4, 2e-4, 1.0]])
    to_detail = np.linalg.inv(to_whole)
    assert usable(to_whole, detail, whole) is not None
    found = usable(to_detail, whole, detail)
    np.testing.assert_allclose(found, to_detail / to_detail[2, 2], atol=1e-9)
    mirror = np.diag([-1.0, 1.0, 1.0])
    assert usable(mirror @ to_detail, whole, detail) is None
    assert usable(np.zeros((3, 3)), whole, detail) is None
    assert usable(None, whole, detail) is None
