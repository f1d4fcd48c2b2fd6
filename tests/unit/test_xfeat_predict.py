"""From two pictures to a homography, with an engine whose features match by construction."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from zoo import load
from zoo.base.errors import ZooError
from zoo.base.files import bundled
from zoo.engines.torch import TorchEngine
from zoo.models.xfeat.features import CELL, Features, heat_map, sampled, subpixel
from zoo.models.xfeat.net import XFeat
from zoo.models.xfeat.predict import (
    AGREE,
    ENOUGH,
    MIN_LONG_SIDE,
    ROUGH,
    TURNS,
    Found,
    Matcher,
    agreeing,
    matched,
    resized,
    turning,
)
from zoo.pictures.geometry import corner_points, resizing, transform_points
from zoo.pictures.homography import Homography

MATRIX = np.array([[0.9, 0.25, 18.0], [-0.3, 1.1, 41.0], [3e-4, -2e-4, 1.0]])


class Cells:
    """An engine to which each cell with contrast has a keypoint in its middle, and its own 64 pixels as descriptor.

    Pictures match where cells of the one are cells of the other.

    Args:
        mirrored: whether a cell and its mirror image are alike.
    """

    device = "cpu"

    def __init__(self, mirrored: bool = False) -> None:
        self.mirrored, self.seen = mirrored, list[tuple[int, ...]]()

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        height, width = x.shape[2:]
        self.seen.append((height, width))
        grey = np.pad(x[0, 0], ((0, -height % CELL), (0, -width % CELL)), "edge")
        h, w = (side // CELL for side in grey.shape)
        cells = grey.reshape(h, CELL, w, CELL).transpose(1, 3, 0, 2)
        cells = cells + (cells[:, ::-1] if self.mirrored else 0)
        descriptors = (cells - cells.mean((0, 1))).reshape(CELL**2, h, w)
        logits = np.full((CELL**2 + 1, h, w), -30, np.float32)
        found = np.where(descriptors.std(0) > 0.01, 10, -30)
        logits[[27, 28, 35, 36]] = found  # the four pixels around the middle, of which one is the likeliest
        logits[27] += 0.001
        logits[-1] = 0
        return descriptors[None], logits[None], np.full((1, 1, h, w), 9, np.float32)


def align(a: object, b: object, **options: object) -> Homography:
    return Matcher(Cells()).predict(a, b, **options)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def off(found: Homography, matrix: np.ndarray) -> float:
    """Largest distance of a's corners from where they should lie, in pixels of b."""
    assert found.valid
    corners = corner_points(*found.a.shape[1::-1])
    return np.linalg.norm(found.corners - transform_points(matrix, corners), axis=1).max()


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


@pytest.fixture(scope="module")
def untrained() -> XFeat:
    torch.manual_seed(0)
    return XFeat(0.25).eval()


def features_of(points: np.ndarray, seed: int = 0) -> Features:
    """Points with descriptors that depend on the seed only."""
    descriptors = np.random.default_rng(seed).standard_normal((len(points), 64)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    return Features(points.astype(np.float32), np.ones(len(points), np.float32), descriptors)


def random_points(count: int, width: int = 300, height: int = 200) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 1, (count, 2)) * (width - 1, height - 1)


# Parts


def test_probabilities_of_pixels_row_by_row():
    logits = np.full((65, 2, 3), -20.0, np.float32)
    logits[64] = 0
    logits[8 * 5 + 2, 1, 2] = 20  # row 5 and column 2 of the cell in the last column
    heat = heat_map(logits)
    assert heat.shape == (16, 24)
    assert np.unravel_index(heat.argmax(), heat.shape) == (13, 18)
    assert heat.max() > 0.99
    np.testing.assert_allclose(heat_map(np.zeros((65, 1, 1), np.float32)), 1 / 65)
    assert np.isfinite(heat_map(np.full((65, 1, 1), 1e4, np.float32))).all()


def test_points_lie_between_pixels():
    heat = np.zeros((6, 9), np.float32)
    heat[3, 4], heat[3, 5], heat[0, 0] = 0.6, 0.2, 0.3
    found = subpixel(heat, np.array([[4, 3], [0, 0]], np.float32))
    np.testing.assert_allclose(found, [[4.25, 3], [0, 0]], atol=1e-6)


def test_maps_are_read_as_training_reads_them():
    """By the module's function, at the border too, and of maps of a single row or column."""
    from zoo.models.xfeat.module import at_points

    for h, w in [(5, 7), (1, 7), (5, 1), (1, 1)]:
        maps = np.random.default_rng(0).random((3, h, w), np.float32)
        points = (np.random.default_rng(1).random((20, 2)) * (w * CELL - 1, h * CELL - 1)).astype(np.float32)
        both = torch.from_numpy(np.concatenate((points, points), 1))[None]
        want = at_points(torch.from_numpy(np.stack((maps, maps))), both)[0, 0]
        np.testing.assert_allclose(sampled(maps, points), want, atol=1e-5)


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_picture_has_its_pixels_where_the_map_says(turn: int):
    picture = noise(5, 7)
    turned, matrix = cv2.rotate(picture, turn), turning(turn, 5, 7)
    for x, y in [(0, 0), (6, 4), (2, 3)]:
        u, v = transform_points(matrix, np.array([[x, y]], float))[0].astype(int)
        assert turned[v, u] == picture[y, x]


def test_a_reduced_picture_keeps_its_proportions():
    picture = noise(300, 801)
    small, matrix = resized(picture, 200)
    assert small.shape == (75, 200)
    np.testing.assert_allclose(
        transform_points(matrix, np.array([[-0.5, -0.5], [800.5, 299.5]])), [[-0.5, -0.5], [199.5, 74.5]]
    )
    assert resized(picture, 801)[0] is picture
    assert resized(noise(20_000, 200), 64)[0].shape == (64, 1)
    assert resized(noise(100, 40), 1024)[0].shape == (MIN_LONG_SIDE, round(0.4 * MIN_LONG_SIDE))
    assert resized(noise(100, 40), 200)[0].shape == (200, 80)
    assert resized(noise(1, 1), 1024)[0].shape == (MIN_LONG_SIDE, MIN_LONG_SIDE)


def test_matches_are_mutual_and_alike():
    a, b = features_of(random_points(30)), features_of(random_points(30))
    order = np.random.default_rng(2).permutation(30)
    mixed = Features(b.points[order], b.scores, b.descriptors[order])
    found = matched(a, mixed)
    assert len(found) == 30
    np.testing.assert_allclose(found[:, :2], found[:, 2:])
    assert len(matched(a, features_of(random_points(30), seed=5))) == 0
    twice = Features(np.repeat(b.points, 2, 0), np.repeat(b.scores, 2), np.repeat(b.descriptors, 2, 0))
    assert len(matched(a, twice)) == len(matched(twice, a)) == 30
    nothing = features_of(np.zeros((0, 2)))
    assert matched(a, nothing).shape == matched(nothing, a).shape == (0, 4)
    half = np.float32(AGREE - 0.01) * a.descriptors
    assert len(matched(a, Features(a.points, a.scores, half))) == 0


# What agrees


@pytest.mark.parametrize("wrong", [0, 60])
def test_any_homography_is_found_among_wrong_matches(wrong: int):
    points = random_points(100)
    there = transform_points(MATRIX, points)
    there[:wrong] = random_points(200)[100 : 100 + wrong]
    found = agreeing(features_of(points), features_of(there), (200, 300), (400, 500))
    assert found.matrix is not None
    corners = corner_points(300, 200)
    assert np.abs(transform_points(found.matrix, corners) - transform_points(MATRIX, corners)).max() < 0.1
    assert found.matches.shape == (100, 4)
    assert found.inliers[wrong:].all()
    assert found.count < 100 - wrong + 6
    np.testing.assert_allclose(found.matches[:, :2], points, atol=1e-3)


@pytest.mark.parametrize("count", [0, 1, 3, 4, ROUGH - 1])
def test_too_few_matches_are_no_homography(count: int):
    points = random_points(count)
    found = agreeing(features_of(points), features_of(points + 5), (200, 300), (200, 300))
    assert found.matrix is None
    assert found.matches.shape == (count, 4)
    assert not found.inliers.any()


@pytest.mark.parametrize("slope", [0.0, 0.6])
@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_matches_on_a_line_are_no_homography(slope: float, spread: float):
    """Infinitely many fit to them."""
    x = np.linspace(5, 290, 60)
    y = 20 + slope * x + spread * np.random.default_rng(0).standard_normal(60)
    points = np.stack((x, y), 1)
    found = agreeing(features_of(points), features_of(points + 3), (200, 300), (200, 300))
    assert found.matrix is None


def test_a_mirrored_scene_is_refused():
    points = random_points(80)
    mirror = np.array([[-1.0, 0, 299], [0, 1, 0], [0, 0, 1]])
    found = agreeing(features_of(points), features_of(transform_points(mirror, points)), (200, 300), (200, 300))
    assert found.matrix is None


def test_the_plane_with_the_most_matches_is_found():
    """A moving object that holds most of them wins; nothing in two pictures tells it from the scene."""
    points = random_points(100)
    there = np.where(np.arange(100)[:, None] < 60, points + np.array([40, 10]), points)
    found = agreeing(features_of(points), features_of(there), (200, 300), (200, 300))
    np.testing.assert_allclose(found.matrix, shift(40, 10), atol=1e-2)
    assert found.inliers.sum() == 60


# Pictures


@pytest.mark.parametrize(("x", "y"), [(0, 0), (32, 64), (-48, 16)])
def test_a_shift(x: int, y: int):
    scene = noise(400, 544)
    a, b = scene[80:336, 80:464], scene[80 - y : 352 - y, 80 - x : 472 - x]
    found = align(a, b)
    assert off(found, shift(x, y)) < 0.02
    assert found.confidence > 0.9
    assert found.matches.shape == (len(found.inliers), 4)
    assert found.inliers.sum() > 500
    np.testing.assert_allclose(found.matches[found.inliers, 2:], found.matches[found.inliers, :2] + (x, y), atol=0.01)
    assert found.passes is None
    assert found.refined is None
    assert found.seconds > 0
    assert found.matrix.dtype == np.float64
    assert found.matrix[2, 2] == 1


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("max_side", [1024, 192])
def test_pictures_turned_by_right_angles(quarters: int, max_side: int):
    a = noise(256, 384)
    b = np.ascontiguousarray(np.rot90(a, quarters))
    places = {1: [[0, 1, 0], [-1, 0, 383]], 2: [[-1, 0, 383], [0, -1, 255]], 3: [[0, -1, 255], [1, 0, 0]]}
    found = align(a, b, max_side=max_side)
    assert off(found, np.array([*places[quarters], [0, 0, 1]], float)) < 0.01
    assert found.confidence > 0.9


@pytest.mark.parametrize("near", ["a", "b"])
def test_a_zoom_is_found_from_afar(near: str):
    close = noise(512, 768)
    far = cv2.resize(close, (384, 256), interpolation=cv2.INTER_AREA)
    a, b = (close, far) if near == "a" else (far, close)
    found = align(a, b)
    assert off(found, resizing(a.shape, b.shape)) < 0.01
    assert found.confidence > 0.9


def test_no_further_look_where_the_first_is_enough():
    engine, a = Cells(), noise(256, 384)
    Matcher(engine).predict(a, a)
    assert engine.seen == [(256, 384)] * 2
    engine.seen.clear()
    Matcher(engine).predict(a, noise(256, 384, 1))
    assert sorted(engine.seen) == sorted([*[(256, 384)] * 3, *[(384, 256)] * 2, *[(128, 192)] * 2])


def test_small_pictures_are_enlarged_first():
    engine, scene = Cells(), noise(144, 136)
    found = Matcher(engine).predict(scene[:128, :128], scene[16:, 8:])
    assert engine.seen[:2] == [(MIN_LONG_SIDE, MIN_LONG_SIDE)] * 2
    assert off(found, shift(-8, -16)) < 0.1


def test_the_best_of_several_looks_is_kept(monkeypatch: pytest.MonkeyPatch):
    matches = np.zeros((50, 4))

    def counting(count: int) -> Found:
        return Found(np.eye(3) if count else None, matches, np.arange(50) < count)

    answers = [counting(count) for count in (0, 20, 30, 0, 25, 0)]
    given = list(answers)
    monkeypatch.setattr("zoo.models.xfeat.predict.agreeing", lambda *_: given.pop(0))
    monkeypatch.setattr(Matcher, "_again", lambda *_: counting(0))
    monkeypatch.setattr(Matcher, "_mirrored", lambda *_: 0)
    assert Matcher(Cells()).align(noise(40, 40), noise(40, 40)) is answers[2]
    assert given == []
    given = [answers[0], counting(ENOUGH), *answers]
    assert Matcher(Cells()).align(noise(40, 40), noise(40, 40)).count == ENOUGH
    assert given == answers
    given = [counting(10)] * 6
    rough = Matcher(Cells()).align(noise(40, 40), noise(40, 40))
    assert rough.matrix is None
    assert not rough.inliers.any()


@pytest.mark.parametrize("max_side", [1024, 192, 96])
def test_answers_are_in_the_pictures_own_pixels(max_side: int):
    scene = cv2.resize(noise(112, 96), (384, 448), interpolation=cv2.INTER_NEAREST)  # blocks of 4x4
    found = align(scene[:384], scene[64:], max_side=max_side)
    assert off(found, shift(0, -64)) < 0.05


@pytest.mark.parametrize("max_side", [1, 2, 7, 31])
def test_hardly_any_pixels_are_no_homography(max_side: int):
    a = noise(256, 384)
    found = align(a, a[:, :160], max_side=max_side)
    assert not found.valid
    assert found.confidence == 0
    np.testing.assert_allclose(found.matrix, resizing((256, 384), (256, 160)))


@pytest.mark.parametrize("name", ["max_side", "keypoints"])
@pytest.mark.parametrize("value", [0, -1, 0.5, True, "8", None])
def test_numbers_below_1_are_refused(name: str, value: object):
    a = noise(40, 40)
    with pytest.raises(ZooError, match=f"{name} must be a whole number from 1 on, not"):
        align(a, a, **{name: value})
    with pytest.raises(ZooError, match=f"{name} must be a whole number from 1 on, not"):
        Matcher(Cells()).features(a, **{name: value})


def test_another_way_to_refine_is_refused():
    with pytest.raises(ZooError, match='refine must be "ecc" or None'):
        align(noise(40, 40), noise(40, 40), refine="icp")


def test_ecc_refines_and_says_where_it_cannot():
    scene = cv2.normalize(cv2.GaussianBlur(noise(320, 464), (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)
    a = scene[:256, :384]
    b = cv2.warpAffine(scene, np.array([[1, 0, 0.4], [0, 1, -0.3]]), (464, 320))[32:288, 16:400]
    plain, found = (align(a, b, refine=how) for how in (None, "ecc"))
    assert off(plain, shift(-16, -32)) < 0.01  # cells have whole coordinates here
    assert found.refined is True
    assert off(found, shift(-15.6, -32.3)) < 0.1
    assert np.array_equal(found.matches, plain.matches)
    unrelated = align(a, noise(256, 384, 7), refine="ecc")
    assert unrelated.refined is False
    assert not unrelated.valid


# Bad input


def test_one_picture_twice_has_not_moved():
    for picture in (noise(256, 384), data.astronaut()[:200, 100:300]):
        found = align(picture, picture)
        np.testing.assert_allclose(found.matrix, np.eye(3), atol=1e-4)
        assert found.confidence > 0.9
        assert found.inliers.all()


def test_a_long_strip_is_identified_or_refused():
    """The network sees 20,000x200 pixels as 1024x10, whose cells lie in a row."""
    strip = noise(200, 20_000)
    found = align(strip, strip)
    assert not found.valid or off(found, np.eye(3)) < 20
    whole = align(strip[:, :640], strip[:, :640])
    assert off(whole, np.eye(3)) < 0.01


PICTURES = {
    "blank": np.full((90, 120), 200, np.uint8),
    "one pixel": np.full((1, 1), 9, np.uint8),
    "one row": noise(1, 300),
    "one column": noise(300, 1),
    "a row of cells": noise(8, 640),
    "another scene": noise(180, 250, 9),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_with_nothing_in_common_are_no_homography(name: str):
    a, b = PICTURES[name], noise(256, 384)
    for first, second in ((a, b), (b, a), *([(a, a)] if name != "another scene" else [])):
        found = align(first, second)
        assert not found.valid
        assert found.confidence == 0
        assert not found.trusted
        np.testing.assert_allclose(found.matrix, resizing(first.shape, second.shape))
        assert not found.inliers.any()
        assert found.overlay().size == second.shape[::-1]
        assert "no homography was found" in found.notes[0]
        json.dumps(found.to_dict())


def test_a_mirrored_picture_is_refused():
    a = noise(256, 384)
    matcher, other = Matcher(Cells(mirrored=True)), np.ascontiguousarray(a[:, ::-1])
    assert len(matched(matcher.features(a), matcher.features(other))) > 500
    assert not matcher.predict(a, other).valid


def test_everything_people_have_is_the_same_picture(tmp_path: Path):
    grey = noise(96, 128)
    colour = np.repeat(grey[..., None], 3, 2)
    Image.fromarray(colour).convert("RGBA").save(tmp_path / "rgba.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(grey).save(tmp_path / "grey.png")
    everything = (
        tmp_path / "rgba.png", str(tmp_path / "deep.png"), tmp_path / "grey.png", Image.fromarray(colour), grey,
        np.dstack((colour, np.full_like(grey, 255))), torch.from_numpy(colour).permute(2, 0, 1),
    )  # fmt: skip
    for given in everything:
        found = align(given, grey)
        assert off(found, np.eye(3)) < 1e-3
        assert found.names == ((str(given) if isinstance(given, (str, Path)) else None), None)
    with pytest.raises(ZooError, match=r"none\.png: no such file"):
        align(grey, tmp_path / "none.png")
    with pytest.raises(ZooError, match=r"^the picture is empty \(0x5\)$"):
        align(np.zeros((5, 0, 3), np.uint8), grey)


# Features


def test_features_lie_in_the_pictures_own_pixels():
    picture = noise(160, 240)
    large = cv2.resize(picture, (720, 480), interpolation=cv2.INTER_NEAREST)
    matcher = Matcher(Cells())
    found, reduced_ones = (matcher.features(each, max_side=240) for each in (picture, large))
    assert len(np.unique(found.points, axis=0)) == 20 * 30
    np.testing.assert_allclose(reduced_ones.points, 3 * found.points + 1, atol=1e-3)
    np.testing.assert_allclose(reduced_ones.descriptors, found.descriptors, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, atol=1e-5)
    assert (found.pixel, reduced_ones.pixel) == pytest.approx((1, 3))
    assert {each.dtype for each in (found.points, found.scores, found.descriptors)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("count", [1, 5, 400])
def test_the_best_features_are_kept(untrained: XFeat, count: int):
    matcher = Matcher(TorchEngine(untrained))
    every, some = (matcher.features(data.astronaut()[:201, :303], keypoints=n) for n in (10_000, count))
    assert len(every.points) > 400
    assert (np.diff(every.scores) <= 0).all()
    assert 0 <= every.scores.min() <= every.scores.max() <= 1
    for name in ("points", "scores", "descriptors"):
        assert np.array_equal(getattr(some, name), getattr(every, name)[:count])
    assert every.points.min() >= -0.5
    assert (every.points.max(0) <= (302.5, 200.5)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (50, 3), (33, 500)])
def test_features_of_any_size(untrained: XFeat, shape: tuple[int, int]):
    found = Matcher(TorchEngine(untrained)).features(noise(*shape))
    assert np.isfinite(found.points).all()
    assert np.isfinite(found.descriptors).all()
    assert (found.points <= np.array(shape[::-1]) - 0.5).all()


def test_a_blank_picture_has_no_features():
    found = Matcher(Cells()).features(PICTURES["blank"])
    assert (found.points.shape, found.scores.shape, found.descriptors.shape) == ((0, 2), (0,), (0, 64))


def test_the_network_predicts_by_itself(untrained: XFeat, tmp_path: Path):
    """One picture twice is found even by random weights, whatever its size."""
    picture = data.astronaut()[:233, :310]
    found = untrained.predict(picture, picture, max_side=200)
    np.testing.assert_allclose(found.corners, corner_points(310, 233), atol=0.5)
    written = found.save(tmp_path / "twice")
    assert {path.name for path in written} >= {"twice_overlay.png", "twice_warped.png", "twice.json"}
    told = json.loads((tmp_path / "twice.json").read_text())
    assert len(told["matches"]) == len(told["inliers"]) == len(found.matches)
    assert len(found.inverse().matches) == len(found.matches)


@pytest.fixture(scope="module")
def trained() -> XFeat:
    return load("xfeat")


def test_the_order_of_a_detail_and_the_whole_does_not_matter(trained: XFeat):
    """Seen from the whole, most of it lies far outside of the detail."""
    whole = data.coffee()
    to_whole = np.array([[0.45, 0.05, 210.0], [-0.04, 0.5, 90.0], [1e-4, 5e-5, 1.0]])
    detail = cv2.warpPerspective(whole, to_whole, (400, 300), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    there, back = trained.predict(detail, whole), trained.predict(whole, detail)
    assert there.trusted
    assert back.trusted
    middle = np.array([[200.0, 150.0]])
    np.testing.assert_allclose(transform_points(there.matrix, middle), transform_points(to_whole, middle), atol=3)
    np.testing.assert_allclose(transform_points(back.matrix, transform_points(to_whole, middle)), middle, atol=3)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_picture_and_its_mirror_image_have_no_homography(trained: XFeat, axis: int):
    """Symmetric things match all the same."""
    picture = np.asarray(Image.open(bundled("cards") / "xfeat_free" / "samples" / "a.jpg"))
    assert not trained.predict(picture, np.flip(picture, axis)).valid
    assert trained.predict(picture, picture).trusted
