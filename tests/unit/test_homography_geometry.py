"""`zoo.nn.homography` against OpenCV, and `zoo.pictures.geometry` against it."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.data import pairs
from zoo.nn.homography import corner_points, invert, is_convex, matrix_from_corners, transform_points, warp
from zoo.pictures import geometry

W, H = 320, 240
SQUARE = torch.tensor([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
DEGENERATE = {
    "one point": torch.full((4, 2), 50.0),
    "one line": torch.tensor([[0.0, 0.0], [30.0, 30.0], [60.0, 60.0], [90.0, 90.0]]),
    "three on a line": torch.tensor([[0.0, 0.0], [50.0, 0.0], [100.0, 0.0], [0.0, 100.0]]),
    "a side without length": SQUARE[[0, 0, 2, 3]],
    "a bow-tie": SQUARE[[0, 2, 1, 3]],
    "mirrored": SQUARE.flip(0),
    "an arrowhead": torch.tensor([[0.0, 0.0], [100.0, 0.0], [20.0, 20.0], [0.0, 100.0]]),
    "thinner than a pixel": torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]),
}


def random_quads(count: int, seed: int = 0) -> np.ndarray:
    """Corners of a 320x240 picture, each moved by up to 60 pixels, ``(count, 4, 2)`` float64."""
    moves = np.random.default_rng(seed).uniform(-60, 60, (count, 4, 2))
    return corner_points(W, H).double().numpy() + moves


def random_matrices(count: int, seed: int = 0) -> Tensor:
    return matrix_from_corners(torch.from_numpy(random_quads(count, seed)), W, H)


def smooth_picture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (H, W), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)


# From corners to a matrix


def test_agrees_with_opencv():
    quads = random_quads(500)
    corners = corner_points(W, H).numpy()
    ours = matrix_from_corners(torch.from_numpy(quads), W, H).numpy()
    assert ours.shape == (500, 3, 3)
    for quad, matrix in zip(quads.astype(np.float32), ours, strict=True):
        theirs = cv2.getPerspectiveTransform(corners, quad)
        points = np.random.default_rng(1).uniform(0, 240, (1, 20, 2))
        assert np.abs(cv2.perspectiveTransform(points, matrix) - cv2.perspectiveTransform(points, theirs)).max() < 1e-3


def test_takes_corners_to_where_they_belong():
    quads = torch.from_numpy(random_quads(500))
    moved = transform_points(matrix_from_corners(quads, W, H), corner_points(W, H).double())
    assert (moved - quads).abs().max() < 1e-10
    single = transform_points(matrix_from_corners(quads.float(), W, H), corner_points(W, H))
    assert (single - quads).abs().max() < 2e-3


def test_numpy_and_torch_agree():
    quads = random_quads(200)
    assert np.array_equal(geometry.corner_points(W, H), corner_points(W, H).numpy())
    ours, theirs = random_matrices(200), geometry.matrix_from_corners(quads, W, H)
    assert np.abs(ours.numpy() - theirs).max() < 1e-13
    points = np.random.default_rng(1).uniform(0, W, (30, 2))
    moved = transform_points(ours, torch.from_numpy(points)).numpy()
    assert np.abs(moved - geometry.transform_points(theirs, points)).max() < 1e-10
    for area in (0.0, 20_000.0):
        convex = is_convex(torch.from_numpy(quads), area).numpy()
        assert convex.sum() > 0
        assert np.array_equal(convex, geometry.is_convex(quads, area))
    assert not convex.all()


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_quadrilaterals_are_flagged_and_finite_in_numpy(name: str):
    quad = DEGENERATE[name].numpy()
    assert not geometry.is_convex(quad, 1.0)
    matrix = geometry.matrix_from_corners(quad[None], W, H)
    assert np.isfinite(geometry.transform_points(matrix, geometry.corner_points(W, H))).all()
    assert not geometry.is_convex(quad * np.nan)


@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_numpy_warps_as_torch_does(padding: Literal["border", "zeros"]):
    """Also where the result looks far beyond the pictures, and at infinity."""
    pictures = np.random.default_rng(0).random((8, 3, H, W), np.float32)
    matrices = random_matrices(8).numpy()
    matrices[6] = [[40.0, 0.0, -900.0], [0.0, 40.0, -900.0], [0.0, 0.0, 1.0]]
    matrices[7] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.01, 0.0, 1.0]]
    ours = geometry.warp(pictures, matrices, 200, 150, padding)
    theirs = warp(torch.from_numpy(pictures).double(), torch.from_numpy(matrices), 200, 150, padding).numpy()
    assert ours.dtype == np.float32
    assert ours.shape == (8, 3, 150, 200)
    assert np.abs(ours - theirs).max() < 1e-5


def test_unmoved_corners_give_the_identity():
    matrix = matrix_from_corners(corner_points(W, H)[None], W, H)
    assert torch.allclose(matrix, torch.eye(3)[None], atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 2), (5, 4, 2), (2, 3, 4, 2)])
def test_any_leading_dimensions(shape: tuple[int, ...]):
    assert matrix_from_corners(SQUARE.expand(shape), W, H).shape == (*shape[:-2], 3, 3)
    assert is_convex(SQUARE.expand(shape)).shape == shape[:-2]


def test_gradients():
    quads = torch.from_numpy(random_quads(3)).requires_grad_()
    points = torch.tensor([[3.0, 4.0], [200.0, 100.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda q: matrix_from_corners(q, W, H), quads)
    assert torch.autograd.gradcheck(lambda q: transform_points(invert(matrix_from_corners(q, W, H)), points), quads)


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_quadrilaterals_are_flagged_and_finite(name: str):
    quad = DEGENERATE[name].clone().requires_grad_()
    assert not is_convex(quad)
    matrix = matrix_from_corners(quad[None], W, H)
    inverse = invert(matrix)
    moved = transform_points(inverse, corner_points(W, H))
    assert all(values.isfinite().all() for values in (matrix, inverse, moved))
    (gradient,) = torch.autograd.grad(matrix.sum(), quad)
    assert gradient.isfinite().all()


def test_convex_quadrilaterals_are_not_flagged():
    assert is_convex(SQUARE)
    assert not is_convex(SQUARE, smallest_area=5001.0)
    assert not is_convex(SQUARE * torch.nan)
    quads = (3 * random_quads(300)).astype(np.float32) + np.random.default_rng(1).normal(0, 200, (300, 4, 2))
    quads = quads.astype(np.float32)
    clockwise = [cv2.contourArea(quad, oriented=True) > 0 for quad in quads]
    convex = [cv2.isContourConvex(quad) and turns for quad, turns in zip(quads, clockwise, strict=True)]
    assert 0 < sum(convex) < 300
    assert is_convex(torch.from_numpy(quads), 0.0).tolist() == convex


def test_any_corners_of_one_turned_quadrilateral_are_convex():
    turned = torch.stack([SQUARE.roll(shift, 0) for shift in range(4)])
    assert is_convex(turned).all()
    assert not is_convex(turned.flip(-1)).any()  # x and y exchanged mirrors


class FromCorners(nn.Module):
    def forward(self, corners: Tensor) -> Tensor:
        return invert(matrix_from_corners(corners, W, H))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_exports():
    first, other = (torch.from_numpy(random_quads(count)).float() for count in (2, 5))
    want = FromCorners()(other)
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(FromCorners(), (first,), dynamic_shapes=({0: batch},)).module()
    assert torch.allclose(exported(other), want)
    assert torch.allclose(torch.jit.trace(FromCorners(), first)(other), want)


# What is done with a matrix


def test_inverts():
    matrices = random_matrices(200)
    inverses = invert(matrices)
    product = matrices @ inverses
    assert (product / product[:, 2:, 2:] - torch.eye(3)).abs().max() < 1e-9
    assert torch.equal(inverses[:, 2, 2], torch.ones(200).double())
    assert torch.allclose(invert(inverses), matrices, atol=1e-9)


def test_points_at_infinity_stay_finite():
    horizon = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.01, 0.0, 1.0]])  # takes x = 100 to infinity
    points = torch.tensor([[100.0, 7.0], [50.0, 7.0]])
    moved = transform_points(horizon[None], points)
    assert moved.isfinite().all()
    assert moved[0, 0].abs().max() > 1e6
    assert torch.allclose(moved[0, 1], torch.tensor([100.0, 14.0]), rtol=1e-5)
    assert invert(torch.tensor([[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]])).isfinite().all()


def test_points_of_each_or_of_all():
    matrices = random_matrices(3)
    points = torch.rand(3, 7, 2, dtype=torch.float64) * 200
    each = transform_points(matrices, points)
    for i in range(3):
        assert torch.allclose(each[i], transform_points(matrices[i : i + 1], points[i])[0])
        assert np.allclose(each[i], cv2.perspectiveTransform(points[i : i + 1].numpy(), matrices[i].numpy())[0])


@pytest.mark.parametrize(("padding", "border"), [("zeros", cv2.BORDER_CONSTANT), ("border", cv2.BORDER_REPLICATE)])
def test_warps_as_opencv_does(padding: str, border: int):
    picture = smooth_picture()
    matrices = random_matrices(4)
    stack = torch.from_numpy(picture).double().expand(4, 1, H, W)
    ours = warp(stack, matrices, 200, 150, padding)
    assert ours.shape == (4, 1, 150, 200)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for shown, matrix in zip(ours[:, 0].numpy(), matrices.numpy(), strict=True):
        theirs = cv2.warpPerspective(picture.astype(np.float32), matrix, (200, 150), flags=flags, borderMode=border)
        error = np.abs(shown - theirs)
        assert error.mean() < 0.1  # OpenCV before 5 knows a place to 1/32 pixel
        assert np.percentile(error, 99) < 1.5


def test_warps_as_the_held_out_pairs_are_sampled():
    picture, size = smooth_picture(), 128
    rng = np.random.default_rng(0)
    for _ in range(5):
        quad = geometry.corner_points(size) + np.array([90, 60]) + rng.integers(-32, 33, (4, 2))
        matrix = geometry.matrix_from_corners(quad[None], size)
        shown = warp(torch.from_numpy(picture).double()[None, None], torch.from_numpy(matrix), size, size)[0, 0]
        assert np.abs(shown.numpy() - pairs.sample(picture, matrix[0], size)).max() <= 0.5 + 1e-6


def test_the_identity_changes_nothing():
    picture = torch.rand(1, 3, 20, 30)
    assert torch.allclose(warp(picture, torch.eye(3)[None], 30, 20), picture, atol=1e-5)
