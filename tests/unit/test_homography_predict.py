"""From two pictures to a homography, with a network whose answers are known."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from zoo.base.errors import ZooError
from zoo.engines.torch import TorchEngine
from zoo.models.homographynet.net import HomographyNet, spread
from zoo.models.homographynet.predict import Aligner, agreement
from zoo.pictures.geometry import corner_points, net_scaling, transform_points
from zoo.pictures.homography import Homography

MATRIX = np.array([[1.3, 0.12, 18.0], [-0.09, 1.22, 21.0], [1.5e-4, -1e-4, 1.0]])  # maps pictures 200x150 to 320x240
CORNERS = corner_points(128)


class Oracle:
    """An engine that knows where the corners are, is wrong at first by ``errors``, and keeps what it was shown.

    Asked for b to a as well, it says the inverse.
    """

    device = "cpu"

    def __init__(self, truth: np.ndarray, *errors: np.ndarray | float):
        self.truth, self.errors, self.estimate = truth, list(errors), np.eye(3)
        self.seen: list[np.ndarray] = []

    def __call__(self, pairs: np.ndarray) -> tuple[np.ndarray, ...]:
        self.seen.append(pairs[0])
        rest, before = np.linalg.inv(self.estimate) @ self.truth, np.linalg.inv(self.estimate)
        found = transform_points(rest, CORNERS) + (self.errors.pop(0) if self.errors else 0)
        self.estimate = self.estimate @ cv2.getPerspectiveTransform(np.float32(CORNERS), np.float32(found))
        back = transform_points(np.linalg.inv(before) @ np.linalg.inv(self.estimate), CORNERS)
        return (np.stack((found, back))[: len(pairs)] - CORNERS,)


def align(oracle: Oracle, *pictures: object, **options: object) -> Homography:
    return Aligner(oracle, channels=1).predict(*pictures, **options)


def scene(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture as a function of the pixels of b, so that it can be seen from anywhere without resampling."""
    value = sum(
        np.sin((x * np.cos(angle) + y * np.sin(angle)) / step + angle)
        for angle, step in ((0.3, 5), (1.2, 7), (2.0, 11), (2.9, 17), (0.9, 31), (2.3, 47))
    )
    return np.rint(127.5 + 20 * value).clip(0, 255).astype(np.uint8)


def seen_through(matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    """``(height, width, 3)`` uint8: pixel p shows the scene at ``matrix @ p``."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    points = transform_points(matrix, np.stack((x, y), -1).reshape(-1, 2).astype(float))
    return np.repeat(scene(points[:, 0], points[:, 1]).reshape(height, width, 1), 3, 2)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    return seen_through(MATRIX, 200, 150), seen_through(np.eye(3), 320, 240)


def in_net_pixels(matrix: np.ndarray, a: tuple[int, int] = (200, 150), b: tuple[int, int] = (320, 240)) -> np.ndarray:
    return net_scaling(*b) @ matrix @ np.linalg.inv(net_scaling(*a))


def error_of(found: Homography, truth: np.ndarray) -> float:
    """Mean distance of the corners, in pixels of b."""
    height, width = found.a.shape[:2]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
    return np.linalg.norm(found.corners - transform_points(truth, corners), axis=1).mean()


@pytest.fixture(scope="module")
def untrained() -> HomographyNet:
    torch.manual_seed(0)
    return HomographyNet().eval()


@pytest.fixture(scope="module")
def aligner(untrained: HomographyNet) -> Aligner:
    return Aligner(TorchEngine(untrained), **untrained.facts())


def made(matrix: np.ndarray, a: np.ndarray, b: np.ndarray, valid: bool = True) -> Homography:
    return Homography(np.asarray(matrix, float), 0.9, valid, None, 3, 0.01, a, b, ("left.png", None))


def picture(width: int, height: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def random_pairs(count: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, 2, 128, 128), np.float32)


def test_right_answers_are_the_right_matrix_in_full_size_pixels(pair: tuple[np.ndarray, np.ndarray]):
    found = align(Oracle(in_net_pixels(MATRIX)), *pair)
    np.testing.assert_allclose(found.matrix, MATRIX, rtol=1e-4, atol=1e-6)
    assert found.matrix.dtype == np.float64
    assert found.matrix[2, 2] == 1
    assert error_of(found, MATRIX) < 1e-3
    assert found.valid
    assert found.confidence > 0.999
    assert found.refined is None
    assert found.passes == 3
    assert found.seconds > 0


def test_the_network_sees_both_pictures_half_a_pixel_right(pair: tuple[np.ndarray, np.ndarray]):
    """After the first look b is warped by the estimate, and then looks like a, but only if all scalings agree."""
    oracle = Oracle(in_net_pixels(MATRIX))
    align(oracle, *pair, passes=1)
    first, again = oracle.seen
    assert first.shape == (2, 128, 128)
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(again[0] - again[1])[inner].mean() < 0.01
    half = np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    beside = cv2.warpPerspective(first[1], in_net_pixels(MATRIX) @ half, (128, 128), flags=flags)
    assert np.abs(first[0] - beside)[inner].mean() > 3 * np.abs(again[0] - again[1])[inner].mean()


def test_later_passes_correct_the_first(pair: tuple[np.ndarray, np.ndarray]):
    wrong = np.array([[6.0, -4], [3, 5], [-7, 2], [4, 4]])
    once = align(Oracle(in_net_pixels(MATRIX), wrong), *pair, passes=1)
    twice = align(Oracle(in_net_pixels(MATRIX), wrong), *pair, passes=2)
    assert error_of(once, MATRIX) > 5
    assert error_of(twice, MATRIX) < 1e-3
    assert once.confidence < 0.3 < 0.999 < twice.confidence


def test_the_confidence_follows_what_is_left(pair: tuple[np.ndarray, np.ndarray]):
    """The last look sees 3 px of the 128 to correct, from b to a the same in pixels of b: about one half."""
    found = align(Oracle(in_net_pixels(MATRIX), 0.0, np.array([3.0, 0.0])), *pair, passes=1)
    assert found.confidence == pytest.approx(0.5, abs=0.1)


def test_what_is_left_of_a_field_weighs_more(pair: tuple[np.ndarray, np.ndarray]):
    """One pixel that most cells still move by, of which they are sure, halves the confidence."""

    def engine(pairs: np.ndarray) -> tuple[np.ndarray]:
        field = np.full((len(pairs), 3, 16, 16), 1e-3, np.float32)
        field[:, 0] = 1.0
        return (field,)

    found = Aligner(engine, channels=1, field=True).predict(pair[1], pair[1][::-1], passes=1)
    assert found.confidence == pytest.approx(0.5, abs=0.02)
    assert Aligner(engine, channels=1, field=True).shapes(2, 128, 128) == ((2, 2, 128, 128), (2, 3, 16, 16))


@pytest.mark.parametrize(
    ("confidence", "valid", "note"),
    [
        (0.5, True, None),
        (0.35, True, "not to be trusted: confidence 0.35; look at the overlay"),  # the most of those that were lost
        (0.0, False, "not to be trusted: no homography was found"),
    ],
)
def test_an_estimate_that_is_likely_lost_says_so(
    pair: tuple[np.ndarray, np.ndarray], confidence: float, valid: bool, note: str | None
):
    found = replace(made(np.eye(3), *pair, valid=valid), confidence=confidence)
    assert found.trusted == found.to_dict()["trusted"] == (note is None)
    assert [line[: len(note or "")] for line in found.notes] == ([note] if note else [])
    assert ("not to be trusted" in found.caption()) != found.trusted


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_no_call_too_many(pair: tuple[np.ndarray, np.ndarray], passes: int):
    oracle = Oracle(np.eye(3))
    Aligner(oracle, channels=1).estimate(random_pairs(1), passes)
    assert len(oracle.seen) == passes
    oracle = Oracle(np.eye(3))
    align(oracle, *pair, passes=passes)
    assert len(oracle.seen) == passes + 1  # the last one for the confidence


def test_both_orders_give_the_same_with_the_same_confidence():
    for head in ("regression", "field"):
        torch.manual_seed(1)
        net = HomographyNet(head=head).eval()
        aligner = Aligner(net.engine, **net.facts())
        for seed in range(3):
            rng = np.random.default_rng(seed)
            noise = cv2.GaussianBlur(rng.integers(0, 256, (260, 260), np.uint8), (0, 0), 3)
            a, b = noise[:200, :240], noise[30:230, 10:250]
            there, back = aligner.predict(a, b), aligner.predict(b, a)
            assert there.valid == back.valid
            if there.valid:
                np.testing.assert_allclose(there.matrix, back.inverse().matrix, rtol=1e-5, atol=1e-5)
            assert there.confidence == pytest.approx(back.confidence, rel=1e-4)


def test_the_order_that_the_pictures_agree_with_is_kept(pair: tuple[np.ndarray, np.ndarray]):
    """The engine is right from b to a alone, and says nonsense, mirrored or not, from a to b."""
    right = np.linalg.inv(in_net_pixels(MATRIX))
    for nonsense in (np.array([[9.0, 0], [-8, 5], [3, -9], [0, 8]]), FLIPPED):

        def engine(pairs: np.ndarray, wrong: np.ndarray = nonsense) -> tuple[np.ndarray]:
            answers = np.stack([wrong, transform_points(right, CORNERS) - CORNERS])
            return (answers[: len(pairs)],)

        found = Aligner(engine, channels=1).predict(*pair, passes=1)
        assert found.valid
        assert error_of(found, MATRIX) < 1e-3


def test_what_hardly_overlaps_does_not_agree():
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8), (0, 0), 5)
    for x, y in ((125, 0), (110, 100), (0, -127), (300, 0)):
        assert agreement(picture, picture, np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])) == -1
    assert agreement(picture, picture, np.eye(3)) == pytest.approx(1)
    assert agreement(picture, np.full_like(picture, 9), np.eye(3)) == -1


FLIPPED = CORNERS[[1, 0, 3, 2]] - CORNERS  # as in a mirror: no homography that a camera makes


def test_an_invalid_first_answer_is_flagged_and_an_invalid_later_one_changes_nothing():
    a, b = picture(60, 40, (9, 9, 9)), picture(90, 100, (9, 9, 9))
    a[10:20, 10:20], b[20:50, 15:30] = 250, 240
    found = align(Oracle(np.eye(3), FLIPPED), a, b, passes=1, refine="ecc")
    assert not found.valid
    assert found.confidence == 0
    assert found.refined is False
    np.testing.assert_allclose(found.corners, [[0.25, 0.75], [88.75, 0.75], [88.75, 98.25], [0.25, 98.25]])
    moved = picture(60, 40, (9, 9, 9))
    moved[10:20, 12:22] = 250
    later = align(Oracle(np.eye(3), np.array([5.0, 0]), FLIPPED - np.array([5.0, 0])), a, moved, passes=2)
    assert later.valid
    np.testing.assert_allclose(later.matrix, [[1, 0, 5 * 60 / 128], [0, 1, 0], [0, 0, 1]], atol=1e-6)


def test_a_batch_is_the_same_as_its_pairs(aligner: Aligner):
    pairs = random_pairs(3)
    pairs[1, 0] = 0.5  # blank
    together = aligner.estimate(pairs, 2)
    assert together.matrix.dtype == together.residual.dtype == np.float64
    assert together.valid.tolist() == [True, False, True]
    assert np.array_equal(together.matrix[1], np.eye(3))
    for i in range(3):
        alone = aligner.estimate(pairs[i : i + 1], 2)
        np.testing.assert_allclose(alone.matrix[0], together.matrix[i], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(alone.residual[0], together.residual[i], rtol=1e-3, atol=1e-3)


def test_going_on_from_a_start_is_a_later_pass(aligner: Aligner):
    pairs = random_pairs(2)
    first = aligner.estimate(pairs)
    on, both = aligner.estimate(pairs, start=first.matrix), aligner.estimate(pairs, passes=2)
    assert np.array_equal(on.matrix, both.matrix)
    assert np.array_equal(on.residual, both.residual)
    assert not np.array_equal(on.matrix, first.matrix)
    with pytest.raises(ZooError, match="passes must be 1 or more, not 0"):
        aligner.estimate(pairs, 0)


def test_the_spread_counts_as_something_left():
    """Three pixels to correct, and four of spread, are five."""
    answer = np.full((1, 4, 2), (3.0, 0.0)), np.array([4.0])
    sure, torn = (Aligner(lambda x, n=n: answer[:n], channels=1).estimate(random_pairs(1)).residual for n in (1, 2))
    assert sure.tolist() == pytest.approx([3.0])
    assert torn.tolist() == pytest.approx([5.0])


def test_spread_of_a_distribution_over_bins():
    """None for what a sure network is taught to answer; the distance of two far bins otherwise."""
    centers = torch.linspace(-32, 32, 21)
    sure, torn = torch.zeros(1, 8, 21), torch.zeros(1, 8, 21)
    sure[..., 10], sure[..., 11] = 0.3, 0.7
    torn[..., 8], torn[..., 12] = 0.5, 0.5  # 6.4 px to either side, in x and in y
    assert spread(sure.clamp(min=1e-12).log(), centers).item() < 0.01
    assert spread(torn.clamp(min=1e-12).log(), centers).item() == pytest.approx(6.4 * 2**0.5, rel=1e-3)


def test_classification_and_colour_networks_answer_too(pair: tuple[np.ndarray, np.ndarray]):
    torch.manual_seed(0)
    for net in (HomographyNet(head="classification"), HomographyNet(channels=3)):
        found = net.eval().predict(*pair, passes=2)
        assert np.isfinite(found.matrix).all()
        assert 0 <= found.confidence < 1


def test_a_network_that_answers_nonsense_gives_no_nonsense(pair: tuple[np.ndarray, np.ndarray]):
    first = align(Oracle(np.eye(3), np.nan), *pair, passes=1)
    last = align(Oracle(in_net_pixels(MATRIX), 0.0, np.nan), *pair, passes=1)
    assert not first.valid
    assert last.valid
    assert first.confidence == last.confidence == 0
    assert np.isfinite(first.matrix).all()


@pytest.mark.parametrize("which", ["blank", "one", "line", "noise"])
def test_pictures_with_nothing_in_them(untrained: HomographyNet, which: str):
    rng = np.random.default_rng(0)
    b = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    a = {
        "blank": picture(60, 80, (200, 200, 200)),
        "one": picture(1, 1, (255, 0, 0)),
        "line": rng.integers(0, 256, (1, 50, 3), dtype=np.uint8),
        "noise": rng.integers(0, 256, (300, 2, 3), dtype=np.uint8),
    }[which]
    for first, second in ((a, b), (b, a), (a, a)):
        found = untrained.predict(first, second, refine="ecc")
        assert np.isfinite(found.matrix).all()
        assert np.isfinite(found.corners).all()
        assert 0 <= found.confidence <= 1
        assert found.warp().size == first.shape[1::-1]
        assert found.overlay().size == second.shape[1::-1]
        assert np.isfinite(found.inverse().matrix).all()
        if which in ("blank", "one"):
            assert not found.valid
            assert found.confidence == 0


def test_the_same_picture_twice_through_ecc(pair: tuple[np.ndarray, np.ndarray]):
    _, b = pair
    wrong = np.array([[2.0, -1], [1, 2], [-2, 1], [1, 1]])
    found = align(Oracle(np.eye(3), wrong), b, b, passes=1, refine="ecc")
    assert found.refined is True
    assert error_of(found, np.eye(3)) < 0.5


def test_ecc_polishes_between_sizes_and_says_where_it_cannot(pair: tuple[np.ndarray, np.ndarray]):
    wrong = np.array([[2.0, -1], [1, 2], [-2, 1], [1, 1]])
    found = align(Oracle(in_net_pixels(MATRIX), wrong), *pair, passes=1, refine="ecc")
    assert found.refined is True
    assert error_of(found, MATRIX) < 0.3
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    unrelated = align(Oracle(in_net_pixels(MATRIX)), pair[0], noise, passes=1, refine="ecc")
    assert unrelated.refined is False
    assert error_of(unrelated, MATRIX) < 1e-3


def test_the_same_picture_twice_has_not_moved(pair: tuple[np.ndarray, np.ndarray]):
    """To the bit, though the network is off by a pixel; a slightly moved one is not taken for the same."""
    off = np.array([[1.0, -1], [1, 1], [-1, 1], [1, 1]])
    found = align(Oracle(np.eye(3), off), pair[0], pair[0], passes=1)
    np.testing.assert_allclose(found.matrix, np.eye(3), atol=1e-12)
    assert found.valid
    moved = align(Oracle(np.array([[1.0, 0, 6], [0, 1, 0], [0, 0, 1]])), pair[0], np.roll(pair[0], 9, 1), passes=1)
    assert moved.matrix[0, 2] > 9


def test_everything_people_have_is_the_same_picture(tmp_path: Path, pair: tuple[np.ndarray, np.ndarray]):
    a, b = pair
    grey = a[..., 0]
    Image.fromarray(a).convert("RGBA").save(tmp_path / "rgba.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # upright after a quarter turn clockwise
    Image.fromarray(np.ascontiguousarray(np.rot90(a))).save(tmp_path / "turned.png", exif=exif)
    everything = (
        tmp_path / "rgba.png", str(tmp_path / "deep.png"), tmp_path / "turned.png", Image.fromarray(a), grey,
        np.dstack((a, np.full_like(grey, 255))), torch.from_numpy(a).permute(2, 0, 1),
    )  # fmt: skip
    for given in everything:
        found = align(Oracle(in_net_pixels(MATRIX)), given, b, passes=1)
        assert np.array_equal(found.a, a), given
        assert found.names == ((str(given) if isinstance(given, (str, Path)) else None), None)
    with pytest.raises(ZooError, match=r"none\.png: no such file"):
        align(Oracle(np.eye(3)), a, tmp_path / "none.png")
    with pytest.raises(ZooError, match=r"^the picture is empty \(0x5\)$"):
        align(Oracle(np.eye(3)), a, np.zeros((5, 0, 3), np.uint8))


@pytest.mark.parametrize(
    ("options", "message"), [({"passes": 0}, "passes"), ({"refine": "icp"}, 'refine must be "ecc"')]
)
def test_options_that_mean_nothing(pair: tuple[np.ndarray, np.ndarray], options: dict, message: str):
    with pytest.raises(ZooError, match=message):
        align(Oracle(np.eye(3)), *pair, **options)


def test_the_inverse_leads_back(pair: tuple[np.ndarray, np.ndarray]):
    there = made(MATRIX, *pair)
    back = there.inverse()
    np.testing.assert_allclose(back.matrix @ there.matrix / (back.matrix @ there.matrix)[2, 2], np.eye(3), atol=1e-9)
    assert back.matrix[2, 2] == 1
    assert back.a is there.b
    assert back.names == (None, "left.png")
    np.testing.assert_allclose(back.inverse().matrix, MATRIX, atol=1e-9)
    points = corner_points(200, 150)
    matches = np.hstack((points, transform_points(MATRIX, points)))
    back = replace(there, matches=matches, inliers=np.array([True, False, True, True])).inverse()
    np.testing.assert_allclose(transform_points(back.matrix, back.matches[:, :2]), back.matches[:, 2:], atol=1e-9)
    np.testing.assert_allclose(back.matches[:, 2:], points)
    assert back.inliers.tolist() == [True, False, True, True]


def test_warped_b_looks_like_a(pair: tuple[np.ndarray, np.ndarray]):
    found = made(MATRIX, *pair)
    inner = (slice(5, -5), slice(5, -5))
    assert np.abs(np.asarray(found.warp()).astype(int) - pair[0])[inner].mean() < 2
    red = np.asarray(found.warp(picture(320, 240, (255, 0, 0))))
    assert red[75, 100].tolist() == [255, 0, 0]
    with pytest.raises(ZooError, match="320x240 pixels, not 200x150"):
        found.warp(pair[0])


def test_the_overlay_outlines_and_mixes():
    a, b = picture(41, 31, (0, 0, 255)), picture(100, 80, (0, 255, 0))
    overlay = np.asarray(made([[1, 0, 20], [0, 1, 30], [0, 0, 1]], a, b).overlay())
    assert overlay.shape == b.shape
    assert overlay[45, 40].tolist() in ([0, 127, 127], [0, 128, 128])  # both
    assert overlay[10, 10].tolist() == [0, 255, 0]  # only b
    assert all(overlay[y, x, 0] > 200 for y, x in ((30, 40), (45, 20), (60, 40), (45, 60)))
    assert overlay[27, 40, 0] == 0


def test_the_overlay_shows_inliers_without_a_crowd():
    """A circle where b shows the point, a line to where a shows it; of a crowd one, and none of what disagrees."""
    a, b = picture(41, 31, (0, 0, 0)), picture(100, 80, (0, 0, 0))
    plain = made([[1, 0, 20], [0, 1, 30], [0, 0, 1]], a, b)
    matches = np.array([[10, 10, 38, 40], [30, 20, 50, 50], [10, 10.5, 40, 40.5], [20, 3, 90, 70]], float)
    drawn = replace(plain, matches=matches, inliers=np.array([True, True, True, False])).overlay()
    changed = (np.asarray(drawn) != np.asarray(plain.overlay())).any(2)
    np.testing.assert_allclose(np.asarray(drawn)[40, 32], [255, 220, 0], atol=30)  # from 30, where a shows it, to 38
    np.testing.assert_allclose(np.asarray(drawn)[40, 41], [0, 230, 255], atol=60)
    assert not changed[40, 43]  # the circle around the third
    assert changed[50, 53]
    assert not changed[60:].any()
    assert cv2.connectedComponents(changed.astype(np.uint8))[0] == 3  # with the background
    none = replace(plain, matches=matches, inliers=np.zeros(4, bool)).overlay()
    assert np.array_equal(none, plain.overlay())


def test_a_mosaic_puts_both_in_their_places():
    a, b = picture(50, 40, (200, 0, 0)), picture(60, 30, (0, 0, 100))
    there = made([[1, 0, -20], [0, 1, 10], [0, 0, 1]], a, b)
    mosaic = np.asarray(there.stitch())
    assert mosaic.shape == (50, 80, 3)  # x from -20 to 59, y from 0 to 49
    assert mosaic[20, 5].tolist() == mosaic[45, 45].tolist() == [200, 0, 0]
    assert mosaic[5, 25].tolist() == mosaic[20, 75].tolist() == [0, 0, 100]
    assert mosaic[5, 5].tolist() == mosaic[45, 75].tolist() == [0, 0, 0]
    assert mosaic[10, 19].tolist() == [200, 0, 0]
    overlap = mosaic[10:30, 20:50].reshape(-1, 3)
    assert (np.abs(overlap[:, 0] / 200.0 + overlap[:, 2] / 100.0 - 1) < 0.02).all()  # weights sum to one
    assert 0 < overlap[:, 0].min() < overlap[:, 0].max() < 200
    over = np.asarray(there.stitch(blend="over"))
    assert (over[10:50, 0:50] == (200, 0, 0)).all()
    assert (over[0:10, 20:80] == (0, 0, 100)).all()
    green = np.asarray(there.stitch(b=picture(60, 30, (0, 90, 0))))
    assert green[5, 25].tolist() == [0, 90, 0]


def test_a_mosaic_of_the_same_scene_has_no_seams(pair: tuple[np.ndarray, np.ndarray]):
    _, b = pair
    shift = np.array([[1.0, 0, 37.5], [0, 1, -20.25], [0, 0, 1]])
    part = seen_through(shift, 200, 150)
    mosaic = np.asarray(made(shift, part, b).stitch())
    assert mosaic.shape == (261, 320, 3)
    truth = seen_through(np.array([[1.0, 0, 0], [0, 1, -21], [0, 0, 1]]), 320, 261)
    assert np.abs(mosaic[21:].astype(int) - truth[21:]).max() <= 8


def test_a_mosaic_has_bounds():
    a, b = picture(100, 100, (1, 1, 1)), picture(100, 100, (2, 2, 2))
    nearly_endless = [[1, 0, 0], [0, 1, 0], [-1 / 99 + 1e-7, 0, 1]]
    with pytest.raises(ZooError, match=r"the mosaic would have [\d,]+x[\d,]+ pixels"):
        made(nearly_endless, a, b).stitch()
    with pytest.raises(ZooError, match="to infinity"):
        made([[1, 0, 0], [0, 1, 0], [-1 / 50, 0, 1]], a, b).stitch()
    with pytest.raises(ZooError, match="and 10,000 are allowed"):
        made([[1, 0, 50], [0, 1, 0], [0, 0, 1]], a, b).stitch(max_pixels=10_000)
    with pytest.raises(ZooError, match="no homography was found"):
        made(np.eye(3), a, b, valid=False).stitch()
    with pytest.raises(ZooError, match="sides up to 32,766"):
        made([[1, 0, 40_000], [0, 1, 0], [0, 0, 1]], a, b).stitch()
    with pytest.raises(ZooError, match="blend"):
        made(np.eye(3), a, b).stitch(blend="multiband")


def test_saves_two_pictures_and_the_figures(tmp_path: Path, pair: tuple[np.ndarray, np.ndarray]):
    found = made(MATRIX, *pair)
    written = found.save(tmp_path / "new" / "left.right")
    names = ["left.right_overlay.png", "left.right_warped.png", "left.right.json"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    assert Image.open(written[0]).size == (320, 240)
    assert Image.open(written[1]).size == (200, 150)
    content = json.loads(written[2].read_text())
    assert content["matrix"] == MATRIX.tolist()
    np.testing.assert_allclose(content["corners"], found.corners)
    assert content["a"] == {"name": "left.png", "width": 200, "height": 150}
    assert content["b"] == {"name": None, "width": 320, "height": 240}
    assert [content[key] for key in ("confidence", "valid", "refined", "passes", "seconds")] == [
        0.9,
        True,
        None,
        3,
        0.01,
    ]


def test_a_mosaic_that_is_not_to_be_trusted_warns(pair: tuple[np.ndarray, np.ndarray]):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        good = made(MATRIX, *pair).stitch()
    doubtful = replace(made(MATRIX, *pair), confidence=0.3)
    with pytest.warns(UserWarning, match=r"^not to be trusted: confidence 0\.30[^\n]+$"):
        assert np.array_equal(doubtful.stitch(), good)


def test_saves_a_mosaic_too(tmp_path: Path, pair: tuple[np.ndarray, np.ndarray]):
    """Where there can be none, a warning says why, and the rest is written."""
    found = made(MATRIX, *pair)
    _, _, mosaic, _ = found.save(tmp_path / "one", stitch=True)
    assert mosaic == tmp_path / "one_stitched.png"
    assert np.array_equal(Image.open(mosaic), found.stitch())
    far = made([[1, 0, 40_000], [0, 1, 0], [0, 0, 1]], *pair)
    with pytest.warns(UserWarning, match=r"the mosaic would have [^\n]+$"):
        assert len(far.save(tmp_path / "far", stitch=True)) == 3
    with pytest.warns(UserWarning, match="no homography was found"):
        assert len(made(MATRIX, *pair, valid=False).save(tmp_path / "none", stitch=True)) == 3


def test_the_pictures_are_not_in_its_repr(pair: tuple[np.ndarray, np.ndarray]):
    assert len(repr(made(MATRIX, *pair))) < 500
