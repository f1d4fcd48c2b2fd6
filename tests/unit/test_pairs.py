"""Pairs and their truth, and the held-out ones against a program that was written from their description alone."""

from __future__ import annotations

from math import floor

import cv2
import numpy as np
import pytest

from zoo.base.errors import ZooError
from zoo.data.homography import HomographyPairs, as_input
from zoo.data.pairs import (
    HELD_OUT_SEEDS,
    PROTOCOLS,
    Protocol,
    draw_held_out,
    exact_pair,
    net_offsets,
    sample,
    splitmix64,
    to_net_size,
)
from zoo.data.training_pairs import Fractions, draw, draw_training
from zoo.pictures.geometry import NET_SIZE, corner_points, is_convex, matrix_from_corners, net_scaling, transform_points

SMALL_BUT_WILD = Protocol(60, 50, 12, 15)  # half of its quadrilaterals are not convex


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(protocol: Protocol, channels: tuple[int, ...] = ()) -> np.ndarray:
    return rng().integers(0, 256, (protocol.height, protocol.width, *channels), dtype=np.uint8)


# Another program, in plain Python, from the docstring of zoo.data.pairs

WRAP = 2**64 - 1


def number(s: int, i: int, k: int, lowest: int, values: int) -> int:
    z = (s * 2**40 + i * 2**8 + k + 0x9E3779B97F4A7C15) & WRAP
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & WRAP
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & WRAP
    return lowest + (z ^ z >> 31) % values


def geometry(s: int, i: int, protocol: Protocol) -> tuple[int, int, list[list[int]]]:
    reach, end = protocol.perturbation, protocol.patch - 1
    k = 0
    while True:
        left = number(s, i, k, reach, protocol.width - protocol.patch - 2 * reach + 1)
        top = number(s, i, k + 1, reach, protocol.height - protocol.patch - 2 * reach + 1)
        moves = [number(s, i, k + 2 + j, -reach, 2 * reach + 1) for j in range(8)]
        offsets = [moves[j : j + 2] for j in range(0, 8, 2)]
        corners = [[x + dx, y + dy] for (x, y), (dx, dy) in zip(square(end), offsets, strict=True)]
        turns = []
        for j in range(4):
            (ax, ay), (bx, by), (cx, cy) = corners[j - 1], corners[j], corners[(j + 1) % 4]
            turns.append((bx - ax) * (cy - by) - (by - ay) * (cx - bx))
        if min(turns) > 0:
            return left, top, offsets
        k += 16


def square(end: int) -> list[tuple[int, int]]:
    return [(0, 0), (end, 0), (end, end), (0, end)]


def matrix(left: int, top: int, offsets: list[list[int]], patch: int) -> list[list[float]]:
    e = float(patch - 1)
    corners = [(x + left + dx, y + top + dy) for (x, y), (dx, dy) in zip(square(patch - 1), offsets, strict=True)]
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = [(float(x), float(y)) for x, y in corners]
    sx, sy = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    d = (x1 - x2) * (y3 - y2) - (x3 - x2) * (y1 - y2)
    g = (sx * (y3 - y2) - (x3 - x2) * sy) / d
    h = ((x1 - x2) * sy - sx * (y1 - y2)) / d
    return [
        [(x1 - x0 + g * x1) / e, (x3 - x0 + h * x3) / e, x0],
        [(y1 - y0 + g * y1) / e, (y3 - y0 + h * y3) / e, y0],
        [g / e, h / e, 1.0],
    ]


def seen(picture: list[list[int]], m: list[list[float]], patch: int) -> list[list[int]]:
    last_row, last_column = len(picture) - 1, len(picture[0]) - 1
    rows = []
    for v in range(patch):
        row = []
        for u in range(patch):
            w = (m[2][0] * u + m[2][1] * v) + m[2][2]
            x = ((m[0][0] * u + m[0][1] * v) + m[0][2]) / w
            y = ((m[1][0] * u + m[1][1] * v) + m[1][2]) / w
            left, top = floor(x), floor(y)
            p, q = x - left, y - top
            right, below = min(left + 1, last_column), min(top + 1, last_row)
            upper = (1 - p) * picture[top][left] + p * picture[top][right]
            lower = (1 - p) * picture[below][left] + p * picture[below][right]
            row.append(floor(((1 - q) * upper + q * lower) + 0.5))
        rows.append(row)
    return rows


@pytest.fixture(scope="module", params=["A", "B"])
def data(request: pytest.FixtureRequest) -> HomographyPairs:
    return HomographyPairs(protocol=request.param, val_pairs=52, test_pairs=52)


@pytest.mark.parametrize(("split", "s"), [("val", 1), ("test", 2)])
def test_held_out_pairs_are_what_their_description_says(data: HomographyPairs, split: str, s: int):
    pairs, offsets = data.held_out_pairs(split)
    pictures, protocol = data.kept(split), data.protocol
    for i in (0, 51):  # there are 50 pictures: the second shows picture 1
        left, top, moves = geometry(s, i, protocol)
        assert offsets[i].tolist() == moves
        picture = pictures[i % 50].tolist()
        a, b = pairs[i]
        assert b.tolist() == [row[left : left + protocol.patch] for row in picture[top : top + protocol.patch]]
        assert a.tolist() == seen(picture, matrix(left, top, moves, protocol.patch), protocol.patch)


def test_colours_are_sampled_like_greys():
    protocol = Protocol(40, 36, 16, 8)
    picture = noise(protocol, (3,))
    place, offsets = (part[0] for part in draw_held_out(2, 1, protocol))
    a, b = exact_pair(picture, place, offsets, protocol)
    for channel in range(3):
        one = exact_pair(picture[..., channel], place, offsets, protocol)
        assert np.array_equal(a[..., channel], one[0])
        assert np.array_equal(b[..., channel], one[1])


def test_quadrilaterals_that_are_not_convex_are_drawn_again():
    places, offsets = draw_held_out(7, 200, SMALL_BUT_WILD)
    again = 0
    for i in range(200):
        left, top, moves = geometry(7, i, SMALL_BUT_WILD)
        assert (places[i].tolist(), offsets[i].tolist()) == ([left, top], moves)
        again += moves[0] != [number(7, i, 2 + j, -15, 31) for j in range(2)]
    assert again > 20


def test_splitmix64_gives_its_published_numbers():
    """The first outputs of SplitMix64 from seed 1234567, as Vigna's splitmix64.c gives them."""
    states = 1234567 + np.arange(3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert splitmix64(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_the_closed_form_solves_the_equations():
    """Against the eight linear equations that four correspondences make."""
    size = 256
    quads = corner_points(size) + rng().integers(-64, 65, (50, 4, 2))
    for quad, matrix_ in zip(quads, matrix_from_corners(quads, size), strict=True):
        rows, right = [], []
        for (u, v), (x, y) in zip(corner_points(size), quad, strict=True):
            rows += [[u, v, 1, 0, 0, 0, -u * x, -v * x], [0, 0, 0, u, v, 1, -u * y, -v * y]]
            right += [x, y]
        assert np.allclose(np.append(np.linalg.solve(rows, right), 1).reshape(3, 3), matrix_, atol=1e-9)


def test_digest_of_the_drawn_streets():
    """Pinned: another digest means that figures measured on these pairs can no longer be compared."""
    assert (
        HomographyPairs(test_pairs=20).digest("test")
        == "1b31107ddcbfe84617e039c0965e7e56e13a70db8bf2fbe1db45dda498f16df2"
    )


def test_digest_tells_any_change():
    data = HomographyPairs(val_pairs=3)
    before = data.digest("val")
    assert data.digest("val") == before
    assert HomographyPairs(val_pairs=4).digest("val") != before
    picture = data.kept("val")[1]
    x, y = draw_held_out(HELD_OUT_SEEDS["val"], 2, data.protocol)[0][1]
    picture[y + 64, x + 64] ^= 128
    assert data.digest("val") != before


# What is drawn


@pytest.mark.parametrize("protocol", [*PROTOCOLS.values(), Protocol(jitter=10), SMALL_BUT_WILD])
def test_what_is_drawn_lies_within_the_picture(protocol: Protocol):
    for places, offsets in (draw(rng(), 500, protocol), draw_held_out(2, 500, protocol)):
        corners = corner_points(protocol.patch) + places[:, None] + offsets
        assert corners.min() >= 0
        assert (corners <= (protocol.width - 1, protocol.height - 1)).all()
        assert is_convex(corners).all()
        assert np.abs(offsets).max() == protocol.perturbation
        for axis, (low, high) in enumerate(protocol.places()):
            assert low <= places[:, axis].min() <= places[:, axis].max() <= high
        if protocol.jitter is not None:
            assert np.abs(places - (96, 56)).max() == protocol.jitter


def test_offsets_are_uniform():
    _, offsets = draw(rng(), 20_000, PROTOCOLS["B"])
    counts = np.bincount(offsets.ravel() + 32, minlength=65) * 65 / offsets.size
    assert len(counts) == 65
    assert np.abs(counts - 1).max() < 0.08


def test_identity_scores_what_the_metric_says():
    _, offsets = draw_held_out(HELD_OUT_SEEDS["test"], 20_000, PROTOCOLS["B"])
    assert np.linalg.norm(offsets, axis=-1).mean() == pytest.approx(24.8, abs=0.15)


def test_a_first_pass_leaves_less_than_there_was():
    drawn = draw_training(rng(), 10, 20_000, PROTOCOLS["B"], Fractions(second_pass=1.0))
    assert drawn.second_pass.mean() > 0.98
    assert np.abs(drawn.offsets[drawn.second_pass]).max() <= 32
    distance = np.linalg.norm(drawn.offsets, axis=-1).mean(1)
    assert np.median(distance[drawn.second_pass]) < 8
    again = draw_training(rng(), 10, 20_000, PROTOCOLS["B"], Fractions(second_pass=0.25, photometric=0.5))
    assert again.second_pass.mean() == pytest.approx(0.25, abs=0.02)
    assert again.unlike.mean() == pytest.approx(0.5, abs=0.02)
    assert np.array_equal(again.places, drawn.places)


def test_pairs_in_the_other_order_are_the_inverse():
    there = draw_training(rng(), 10, 2000, PROTOCOLS["B"])
    back = draw_training(rng(), 10, 2000, PROTOCOLS["B"], Fractions(swapped=1.0))
    assert not there.swapped.any()
    assert 0.7 < back.swapped.mean() < 0.95
    assert np.abs(back.offsets[back.swapped]).max() <= 64
    assert np.array_equal(back.offsets[~back.swapped], there.offsets[~back.swapped])
    corners = corner_points(NET_SIZE)
    matrices = matrix_from_corners(corners + back.offsets[back.swapped], NET_SIZE)
    moved = transform_points(matrices, corners + there.offsets[back.swapped])
    np.testing.assert_allclose(moved, np.broadcast_to(corners, moved.shape), atol=1e-2)


@pytest.mark.parametrize("protocol", [PROTOCOLS["A"], PROTOCOLS["B"], Protocol(320, 240, 128, 32, 8)])
def test_wide_pairs_are_turned_and_zoomed_and_lie_in_the_picture(protocol: Protocol):
    drawn = draw_training(rng(), 10, 5000, protocol, Fractions(wide=1.0))
    corners = corner_points(protocol.patch)
    quads = transform_points(drawn.matrices, corners)
    assert quads.min() >= -1e-9
    assert (quads <= np.array([protocol.width, protocol.height]) - 1 + 1e-9).all()
    assert drawn.places.min() >= 0
    assert (drawn.places + protocol.patch <= (protocol.width, protocol.height)).all()
    if protocol.jitter is not None:
        assert np.abs(drawn.places - (96, 56)).max() == protocol.jitter
    around = quads - quads.mean(1, keepdims=True)
    square = corners - corners.mean(0)
    turn = np.degrees(np.angle((around @ [1, 1j] * (square @ [1, -1j])).sum(1)))
    zoom = np.linalg.norm(around, axis=2).mean(1) / np.linalg.norm(square, axis=1).mean()
    assert 12 < np.quantile(turn, 0.95) < 30
    assert -30 < np.quantile(turn, 0.05) < -12
    assert np.quantile(zoom, 0.05) < 0.88
    assert np.quantile(zoom, 0.95) > 1.15
    plain = draw_training(rng(), 10, 5000, protocol)
    assert np.abs(drawn.offsets).max() > np.abs(plain.offsets).max() + 10


# Sizes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch": 1}, "2 pixels or more"),
        ({"perturbation": -1}, "0 or more"),
        ({"jitter": -1}, "0 or more"),
        ({"perturbation": 57}, "needs pictures of at least 242x242, not 320x240"),
    ],
)
def test_refuses_sizes_that_cannot_be(arguments: dict, message: str):
    with pytest.raises(ZooError, match=message):
        Protocol(**arguments)


def test_the_largest_patch_has_one_place():
    protocol = Protocol(128 + 64, 128 + 64, 128, 32)
    assert protocol.places() == ((32, 32), (32, 32))
    picture = noise(protocol)
    for place, offsets in zip(*draw_held_out(1, 5, protocol), strict=True):
        exact_pair(picture, place, offsets, protocol)


def test_nothing_moves_without_perturbation():
    protocol = Protocol(perturbation=0)
    place, offsets = (part[0] for part in draw_held_out(1, 1, protocol))
    a, b = exact_pair(noise(protocol), place, offsets, protocol)
    assert np.array_equal(a, b)


def test_the_far_edges_can_be_sampled():
    picture = noise(Protocol(16, 16, 16, 0))
    assert np.array_equal(sample(picture, np.eye(3), 16), picture)


@pytest.mark.parametrize("size", [128, 200, 256])
def test_resizing_takes_points_where_the_map_says(size: int):
    """A bright spot lies, by its centre of mass, where `net_scaling` takes its pixel."""
    scaling = net_scaling(size, size)
    for x, y in ((40, 61), (100, 33)):
        patch = np.zeros((size, size), np.uint8)
        patch[y - 8 : y + 9, x - 8 : x + 9] = 255
        small = to_net_size(patch).astype(float)
        rows, columns = np.mgrid[:NET_SIZE, :NET_SIZE]
        centre = np.array([(columns * small).sum(), (rows * small).sum()]) / small.sum()
        assert np.abs(centre - (scaling @ (x, y, 1))[:2]).max() < 0.05


def test_resizing_takes_the_mean():
    patch = rng().integers(0, 256, (256, 256), dtype=np.uint8)
    mean = patch.reshape(128, 2, 128, 2).mean((1, 3))
    assert np.abs(to_net_size(patch) - mean).max() <= 0.5


@pytest.mark.parametrize("patch", [64, 128, 256])
def test_what_a_network_should_answer(patch: int):
    """Where OpenCV takes the corners of the resized patch."""
    _, offsets = draw(rng(), 20, Protocol(640, 480, patch, patch // 4))
    matrices = matrix_from_corners(corner_points(patch) + offsets, patch)
    answers = net_offsets(matrices, patch)
    assert answers.dtype == np.float32
    for matrix_, answer in zip(matrices, answers, strict=True):
        corners = (corner_points(128) + 0.5) * patch / 128 - 0.5
        moved = (cv2.perspectiveTransform(corners[None], matrix_)[0] + 0.5) * 128 / patch - 0.5
        assert np.abs(moved - corner_points(128) - answer).max() < 1e-4
    assert patch != 128 or np.allclose(answers, offsets, atol=1e-4)


def test_points_of_each_or_of_all():
    matrices = matrix_from_corners(corner_points(128) + rng().integers(-32, 33, (3, 4, 2)), 128)
    points = rng().uniform(0, 128, (3, 5, 2))
    each = transform_points(matrices, points)
    for i in range(3):
        assert np.allclose(each[i], transform_points(matrices, points[i])[i])
        assert np.allclose(each[i], cv2.perspectiveTransform(points[i : i + 1], matrices[i])[0])


def test_patches_become_channels():
    a, b = rng().integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    assert np.array_equal(as_input(a[..., 0], b[..., 0]), [a[..., 0], b[..., 0]])
    assert np.array_equal(as_input(a, b), [*np.moveaxis(a, -1, 0), *np.moveaxis(b, -1, 0)])
