"""`zoo.pictures.geometry` against OpenCV, and against the warp of torch."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from zoo.data import device_pairs, pairs
from zoo.pictures.geometry import (
    corner_points,
    is_convex,
    matrix_from_corners,
    net_scaling,
    resizing,
    transform_points,
    warp,
)

W, H = 320, 240
SQUARE = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
DEGENERATE = {
    "one point": np.full((4, 2), 50.0),
    "one line": np.array([[0.0, 0.0], [30.0, 30.0], [60.0, 60.0], [90.0, 90.0]]),
    "three on a line": np.array([[0.0, 0.0], [50.0, 0.0], [100.0, 0.0], [0.0, 100.0]]),
    "a side without length": SQUARE[[0, 0, 2, 3]],
    "a bow-tie": SQUARE[[0, 2, 1, 3]],
    "mirrored": SQUARE[::-1],
    "an arrowhead": np.array([[0.0, 0.0], [100.0, 0.0], [20.0, 20.0], [0.0, 100.0]]),
    "thinner than a pixel": np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]),
}
HORIZON = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.01, 0.0, 1.0]])  # takes x = 100 to infinity


def random_quads(count: int, seed: int = 0) -> np.ndarray:
    """Corners of a 320x240 picture, each moved by up to 60 pixels, ``(count, 4, 2)``."""
    return corner_points(W, H) + np.random.default_rng(seed).uniform(-60, 60, (count, 4, 2))


def random_matrices(count: int, seed: int = 0) -> np.ndarray:
    return matrix_from_corners(random_quads(count, seed), W, H)


def smooth_picture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (H, W), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)


# From corners to a matrix


def test_agrees_with_opencv():
    quads = random_quads(500)
    ours = matrix_from_corners(quads, W, H)
    assert ours.shape == (500, 3, 3)
    for quad, matrix in zip(quads.astype(np.float32), ours, strict=True):
        theirs = cv2.getPerspectiveTransform(corner_points(W, H).astype(np.float32), quad)
        points = np.random.default_rng(1).uniform(0, 240, (1, 20, 2))
        assert np.abs(cv2.perspectiveTransform(points, matrix) - cv2.perspectiveTransform(points, theirs)).max() < 1e-3


def test_takes_corners_to_where_they_belong():
    quads = random_quads(500)
    moved = transform_points(matrix_from_corners(quads, W, H), corner_points(W, H))
    assert np.abs(moved - quads).max() < 1e-10


def test_unmoved_corners_give_the_identity():
    assert np.allclose(matrix_from_corners(corner_points(W, H)[None], W, H), np.eye(3))


def test_without_a_height_a_picture_is_square():
    assert np.array_equal(corner_points(128), corner_points(128, 128))
    assert np.array_equal(matrix_from_corners(random_quads(3), 128), matrix_from_corners(random_quads(3), 128, 128))


@pytest.mark.parametrize("shape", [(4, 2), (5, 4, 2), (2, 3, 4, 2)])
def test_any_leading_dimensions(shape: tuple[int, ...]):
    assert matrix_from_corners(np.broadcast_to(SQUARE, shape), W, H).shape == (*shape[:-2], 3, 3)
    assert is_convex(np.broadcast_to(SQUARE, shape)).shape == shape[:-2]


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_quadrilaterals_are_flagged_and_finite(name: str):
    quad = DEGENERATE[name]
    assert not is_convex(quad, 1.0)
    matrix = matrix_from_corners(quad[None], W, H)
    assert np.isfinite(matrix).all()
    assert np.isfinite(transform_points(matrix, corner_points(W, H))).all()


def test_convex_quadrilaterals_are_not_flagged():
    assert is_convex(SQUARE)
    assert is_convex(SQUARE, smallest_area=4999.0)
    assert not is_convex(SQUARE, smallest_area=5000.0)
    assert not is_convex(SQUARE * np.nan)
    quads = (3 * random_quads(300) + np.random.default_rng(1).normal(0, 200, (300, 4, 2))).astype(np.float32)
    clockwise = [cv2.contourArea(quad, oriented=True) > 0 for quad in quads]
    convex = [cv2.isContourConvex(quad) and turns for quad, turns in zip(quads, clockwise, strict=True)]
    assert 0 < sum(convex) < 300
    assert is_convex(quads).tolist() == convex


def test_any_corners_of_one_turned_quadrilateral_are_convex():
    turned = np.stack([np.roll(SQUARE, shift, 0) for shift in range(4)])
    assert is_convex(turned).all()
    assert not is_convex(turned[..., ::-1]).any()  # x and y exchanged mirrors


# What is done with a matrix


def test_points_at_infinity_stay_finite():
    moved = transform_points(HORIZON[None], np.array([[100.0, 7.0], [50.0, 7.0]]))
    assert np.isfinite(moved).all()
    assert np.abs(moved[0, 0]).max() > 1e6
    assert np.allclose(moved[0, 1], [100.0, 14.0])


def test_points_of_each_or_of_all():
    matrices, points = random_matrices(3), np.random.default_rng(0).uniform(0, 200, (3, 7, 2))
    each = transform_points(matrices, points)
    assert np.allclose(transform_points(matrices, points[0])[0], each[0])
    for i in range(3):
        assert np.allclose(each[i], transform_points(matrices[i], points[i]))
        assert np.allclose(each[i], cv2.perspectiveTransform(points[i : i + 1], matrices[i])[0])


def test_a_resized_picture_has_its_edges_where_they_were():
    edges = np.array([[-0.5, -0.5], [319.5, 239.5]])
    assert np.allclose(transform_points(resizing((240, 320), (30, 80)), edges), [[-0.5, -0.5], [79.5, 29.5]])
    assert np.allclose(transform_points(net_scaling(320, 240), edges), [[-0.5, -0.5], [127.5, 127.5]])


@pytest.mark.parametrize(("padding", "border"), [("zeros", cv2.BORDER_CONSTANT), ("border", cv2.BORDER_REPLICATE)])
def test_warps_as_opencv_does(padding: Literal["border", "zeros"], border: int):
    picture, matrices = smooth_picture().astype(np.float32), random_matrices(4)
    ours = warp(np.broadcast_to(picture, (4, 1, H, W)), matrices, 200, 150, padding)
    assert ours.shape == (4, 1, 150, 200)
    assert ours.dtype == np.float32
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for shown, matrix in zip(ours[:, 0], matrices, strict=True):
        error = np.abs(shown - cv2.warpPerspective(picture, matrix, (200, 150), flags=flags, borderMode=border))
        assert error.mean() < 0.1  # OpenCV before 5 knows a place to 1/32 pixel
        assert np.percentile(error, 99) < 1.5


@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_warps_as_torch_does(padding: Literal["border", "zeros"]):
    """Also where the result looks far beyond the pictures, and at infinity."""
    pictures = np.random.default_rng(0).random((8, 3, H, W), np.float32)
    matrices = random_matrices(8)
    matrices[6], matrices[7] = [[40.0, 0.0, -900.0], [0.0, 40.0, -900.0], [0.0, 0.0, 1.0]], HORIZON
    tensor, margin = torch.from_numpy(pictures).double(), 2 if padding == "zeros" else 0
    shifted = np.array([[1.0, 0.0, margin], [0.0, 1.0, margin], [0.0, 0.0, 1.0]]) @ matrices
    theirs = device_pairs.warp(F.pad(tensor, (margin,) * 4), torch.from_numpy(shifted), 200, 150)
    assert np.abs(warp(pictures, matrices, 200, 150, padding) - theirs.numpy()).max() < 1e-5


def test_warps_as_the_held_out_pairs_are_sampled():
    picture, size = smooth_picture(), 128
    rng = np.random.default_rng(0)
    for _ in range(5):
        quad = corner_points(size) + np.array([90, 60]) + rng.integers(-32, 33, (4, 2))
        matrix = matrix_from_corners(quad[None], size)
        shown = warp(picture[None, None].astype(np.float32), matrix, size, size)[0, 0]
        assert np.abs(shown - pairs.sample(picture, matrix[0], size)).max() <= 0.5 + 1e-4


def test_the_identity_changes_nothing():
    picture = np.random.default_rng(0).random((1, 3, 20, 30), np.float32)
    assert np.array_equal(warp(picture, np.eye(3)[None], 30, 20), picture)
