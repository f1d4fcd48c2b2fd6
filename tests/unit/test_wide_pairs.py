"""Protocol C, against a program that was written from its description alone."""

from __future__ import annotations

import hashlib
from math import cos, floor, radians, sin

import numpy as np
import pytest

from zoo.data.wide_pairs import HEIGHT, PICTURE, WIDTH, WidePair, draw_wide, wide_pair
from zoo.pictures.geometry import matrix_from_corners, transform_points

SHA256 = "a47b9731a8c65b3232ecb7f7965497bfbf16505f149206409b0dc8822e2c1a85"

# Another program, in plain Python, from the docstrings of zoo.data.wide_pairs and zoo.data.pairs

WRAP = 2**64 - 1
RANGES = [
    (480, 800), (330, 630), (-100, 100), (-45, 45), (-96, 96), (-96, 96), *[(-160, 160)] * 8, (60, 140), (-40, 40),
]  # fmt: skip


def number(s: int, i: int, k: int, lowest: int, values: int) -> int:
    z = (s * 2**40 + i * 2**8 + k + 0x9E3779B97F4A7C15) & WRAP
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & WRAP
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & WRAP
    return lowest + (z ^ z >> 31) % values


def area(p: tuple[int, int], q: tuple[int, int], r: tuple[int, int]) -> float:
    """The area of a triangle, positive where its corners go clockwise on the screen."""
    return ((q[0] - p[0]) * (r[1] - q[1]) - (q[1] - p[1]) * (r[0] - q[0])) / 2


def drawn(s: int, i: int) -> tuple[list[int], list[tuple[int, int]], int]:
    """The numbers of a pair, the corners of a in the picture, and how many attempts it took."""
    for attempt in range(16):
        n = [number(s, i, 16 * attempt + k, low, high - low + 1) for k, (low, high) in enumerate(RANGES)]
        zoom, turn = 2.0 ** (n[2] / 100), radians(n[3])
        corners = []
        for j, (x, y) in enumerate([(0, 0), (639, 0), (639, 479), (0, 479)]):
            dx, dy = (x - 319.5 + n[6 + 2 * j]) * zoom, (y - 239.5 + n[7 + 2 * j]) * zoom
            there = dx * cos(turn) - dy * sin(turn), dx * sin(turn) + dy * cos(turn)
            corners.append((round(there[0] + 319.5 + n[0] + n[4]), round(there[1] + 239.5 + n[1] + n[5])))
        triangles = [area(corners[j - 1], corners[j], corners[(j + 1) % 4]) for j in range(4)]
        inside = all(0 <= x <= 1919 and 0 <= y <= 1439 for x, y in corners)
        if inside and min(triangles) > 640 * 480 * zoom**2 / 8:
            return n, corners, attempt + 1
    raise AssertionError("no attempt was accepted")


def picture(channels: tuple[int, ...] = ()) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*PICTURE[::-1], *channels), dtype=np.uint8)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return picture()


@pytest.mark.parametrize("s", [1, 2])
def test_places_are_what_their_description_says(s: int):
    for i in range(300):
        place, corners, contrast, brightness = draw_wide(s, i)
        n, mine, _ = drawn(s, i)
        assert place.tolist() == n[:2]
        assert corners.tolist() == [list(map(float, corner)) for corner in mine]
        assert (contrast, brightness) == (n[14] / 100, n[15])


def test_pixels_are_what_their_description_says(noise: np.ndarray):
    pair, (n, corners, _) = wide_pair(noise, 2, 7), drawn(2, 7)
    assert (pair.a.shape, pair.b.shape, pair.a.dtype, pair.b.dtype) == ((480, 640), (480, 640), np.uint8, np.uint8)
    for x, y in [(0, 0), (639, 0), (320, 240), (17, 471)]:
        value = noise[n[1] + y, n[0] + x] * (n[14] / 100) + n[15]
        assert abs(pair.b[y, x] - min(max(value, 0), 255)) <= 0.51
    own = np.array([[0, 0], [639, 0], [639, 479], [0, 479]], float)
    np.testing.assert_allclose(transform_points(pair.matrix, own), np.subtract(corners, n[:2]), atol=1e-9)
    m = matrix_from_corners(np.array(corners, float), 640, 480)
    for u, v in [(0, 0), (639, 479), (100, 50), (333, 222)]:
        w = m[2, 0] * u + m[2, 1] * v + m[2, 2]
        x, y = (m[0, 0] * u + m[0, 1] * v + m[0, 2]) / w, (m[1, 0] * u + m[1, 1] * v + m[1, 2]) / w
        left, top = min(floor(x), 1918), min(floor(y), 1438)
        p, q = x - left, y - top
        upper = (1 - p) * noise[top, left] + p * noise[top, left + 1]
        lower = (1 - p) * noise[top + 1, left] + p * noise[top + 1, left + 1]
        assert abs(pair.a[v, u] - floor((1 - q) * upper + q * lower + 0.5)) <= 1


def test_the_pairs_never_change(noise: np.ndarray):
    digest = hashlib.sha256()
    for s, i in [(1, 0), (2, 0), (2, 1), (2, 199)]:
        place, corners, contrast, brightness = draw_wide(s, i)
        pair = wide_pair(noise, s, i)
        digest.update(f"{place.tolist()} {corners.tolist()} {contrast} {brightness}".encode())
        digest.update(pair.a.tobytes() + pair.b.tobytes())
    assert digest.hexdigest() == SHA256


def test_points_of_a_are_taken_to_what_b_shows():
    """The picture's values tell a place's x and y."""
    y, x = np.mgrid[: PICTURE[1], : PICTURE[0]]
    picture = np.stack((x // 8, y // 6, np.zeros_like(x)), -1).astype(np.uint8)
    for i in range(3):
        pair = wide_pair(picture, 2, i)
        _, _, contrast, brightness = draw_wide(2, i)
        points = pair.shared
        there = np.rint(transform_points(pair.matrix, points)).astype(int)
        a = pair.a[points[:, 1].astype(int), points[:, 0].astype(int)].astype(float)
        b = pair.b[there[:, 1], there[:, 0]].astype(float)
        seen = (b > 0) & (b < 255)  # elsewhere the light is clipped
        assert seen[:, :2].mean() > 0.5
        assert np.abs((a * contrast + brightness - b)[:, :2][seen[:, :2]]).max() <= 3


def test_colours_are_those_of_the_channels(noise: np.ndarray):
    pair, grey = wide_pair(np.dstack((noise, noise[::-1], noise)), 2, 3), wide_pair(noise, 2, 3)
    for which in ("a", "b"):
        assert np.array_equal(getattr(pair, which)[..., 0], getattr(grey, which))
        assert np.array_equal(getattr(pair, which)[..., 2], getattr(grey, which))
        assert not np.array_equal(getattr(pair, which)[..., 1], getattr(grey, which))


def test_pairs_lie_in_the_picture_and_are_as_far_apart_as_they_should_be():
    """One attempt in six is not accepted, most often since what a sees would be larger than the picture."""
    every = [drawn(2, i) for i in range(300)]
    corners = np.array([corners for _, corners, _ in every])
    assert corners.min() >= 0
    assert (corners <= np.array(PICTURE) - 1).all()
    numbers, attempts = np.array([n for n, _, _ in every]), [attempt for *_, attempt in every]
    assert 1.1 < np.mean(attempts) < 1.3
    assert max(attempts) <= 6  # from the 17th on, numbers would be those of the next pair
    zooms, turns = numbers[:, 2] / 100, numbers[:, 3]
    assert -1 <= zooms.min() < -0.95 < 0.9 < zooms.max() <= 1
    assert -45 <= turns.min() < -43 < 43 < turns.max() <= 45
    assert abs(turns.mean()) < 5
    assert np.abs(numbers[:, 6:14]).max() == 160


def test_a_right_matrix_has_no_error_and_a_shifted_one_its_shift(noise: np.ndarray):
    pair = wide_pair(noise, 2, 0)
    assert pair.error(pair.matrix) < 1e-9
    assert pair.error(7 * pair.matrix) < 1e-9
    assert pair.error(np.array([[1.0, 0, 3], [0, 1, 4], [0, 0, 1]]) @ pair.matrix) == pytest.approx(5)


def test_what_is_shared_is_seen_by_both():
    blank = np.zeros((HEIGHT, WIDTH), np.uint8)
    everything = WidePair(blank, blank, np.eye(3))
    assert len(everything.shared) == 20 * 15
    half = WidePair(blank, blank, np.array([[1.0, 0, 320], [0, 1, 0], [0, 0, 1]]))
    assert len(half.shared) == 10 * 15
    assert half.shared.max(0).tolist() == [304, 464]
    assert all(len(WidePair(blank, blank, matrix_of(i)).shared) >= 50 for i in range(200))


def matrix_of(i: int) -> np.ndarray:
    place, corners, *_ = draw_wide(2, i)
    return matrix_from_corners(corners - place, WIDTH, HEIGHT)
