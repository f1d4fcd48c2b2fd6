"""Panoramas and mosaics of pieces that were cut out of one photograph by known homographies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from zoo.base.errors import ZooError
from zoo.pictures import mosaic
from zoo.pictures.geometry import matrix_from_corners
from zoo.pictures.homography import Homography, normalized
from zoo.pictures.mosaic import translation
from zoo.pictures.panorama import panorama

PHOTO = np.ascontiguousarray(data.chelsea())  # 451x300
WIDTH, HEIGHT = 160, 220


def to_photo(number: int) -> np.ndarray:
    """From the pixels of a piece to those of the photograph: each lies 60 px to the right of the last, and leans."""
    n = number
    corners = [
        [60 * n + 12, 30 + 5 * n],
        [60 * n + 150, 20 + 6 * n],
        [60 * n + 160, 260 - 4 * n],
        [60 * n, 270 - 5 * n],
    ]
    return matrix_from_corners(np.array(corners, float), WIDTH, HEIGHT)


def seen(matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    """The photograph through a homography from the pixels of a picture of this size."""
    return cv2.warpPerspective(PHOTO, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def links(count: int, confidence: float = 0.9) -> list[Homography]:
    """The right homographies between pieces that follow each other."""
    pieces = [seen(to_photo(number), WIDTH, HEIGHT) for number in range(count + 1)]
    return [
        Homography(
            normalized(np.linalg.inv(to_photo(n + 1)) @ to_photo(n)), confidence, True, None, None, 0.01, a, b,
            (f"{n + 1}.jpg", f"{n + 2}.jpg"),
        )
        for n, (a, b) in enumerate(pairwise(pieces))
    ]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 4])
def test_each_piece_lies_where_it_was_cut_out(count: int):
    found = panorama(links(count))
    frame = (count + 1) // 2
    assert found.frame == frame  # the middle one
    expected = [normalized(np.linalg.inv(to_photo(frame)) @ to_photo(number)) for number in range(count + 1)]
    np.testing.assert_allclose(found.matrices, expected, atol=1e-9)
    width, height = found.picture.size
    to_frame = translation(found.covered.left, found.covered.top)
    truth = seen(to_photo(frame) @ to_frame, width, height).astype(int)
    picture = np.asarray(found.picture).astype(int)
    covered = cv2.erode(picture.max(2).astype(np.uint8), np.ones((3, 3))) > 0
    assert covered.mean() > 0.8
    assert np.abs(picture - truth)[covered].mean() < 2  # what resampling twice costs
    moved = np.roll(truth, 2, 1)
    assert np.abs(picture - moved)[covered].mean() > 4  # two pixels beside it would be seen


def test_a_homography_that_is_not_trusted_ends_it():
    def asked() -> Iterator[Homography]:
        first, second, third = links(3)
        yield from (first, second, replace(third, confidence=0.3))
        raise AssertionError("asked for a result that is not needed")

    found = panorama(asked())
    assert found.names == ("1.jpg", "2.jpg", "3.jpg")
    assert found.confidences == (0.9, 0.9)
    (note,) = found.notes
    assert note == "3.jpg to 4.jpg is not to be trusted (confidence 0.30): the panorama ends before, with 3 pictures"
    assert np.array_equal(found.picture, panorama(links(2)).picture)
    assert found.caption() == f"3 pictures; {note}"


def test_what_makes_no_panorama():
    first, second = links(2)
    with pytest.raises(ZooError, match=r"^1\.jpg to 2\.jpg is not to be trusted \(confidence 0\.30\): no panorama$"):
        panorama([replace(first, confidence=0.3), second])
    with pytest.raises(ZooError, match="picture 1 to picture 2 is not"):
        panorama([replace(first, valid=False, names=(None, None))])
    with pytest.raises(ZooError, match="two pictures or more"):
        panorama([])
    with pytest.raises(ZooError, match="result 2 does not begin with"):
        panorama([first, replace(second, a=second.a[:-1])])


def test_a_panorama_has_bounds():
    with pytest.raises(ZooError, match=r"would have [\d,]+x[\d,]+ pixels, and 50,000 are allowed.*resize[^\n]+$"):
        panorama(links(3), max_pixels=50_000)
    (link,) = links(1)
    turned = replace(link, matrix=np.array([[1.0, 0, 0], [0, 1, 0], [-1 / 100, 0, 1]]))
    with pytest.raises(ZooError, match=r"endless: .* picture 1 to infinity; use fewer[^\n]+$"):
        panorama([turned])


def test_strips_leave_no_seams(monkeypatch: pytest.MonkeyPatch):
    """Some strips lack a picture, and where it is, its box alone is warped."""
    whole = np.asarray(panorama(links(4)).picture).astype(int)
    monkeypatch.setattr(mosaic, "STRIP", 7)
    assert np.abs(np.asarray(panorama(links(4)).picture) - whole).max() <= 1


def test_saves_the_picture_and_the_figures(tmp_path: Path):
    found = panorama(links(2))
    written = found.save(tmp_path / "new" / "panorama")
    assert written == [tmp_path / "new" / "panorama.png", tmp_path / "new" / "panorama.json"]
    assert np.array_equal(Image.open(written[0]), found.picture)
    content = json.loads(written[1].read_text())
    assert content["names"] == ["1.jpg", "2.jpg", "3.jpg"]
    assert content["frame"] == 1
    assert content["matrices"] == found.matrices.tolist()
    assert content["matrices"][1] == np.eye(3).tolist()
    assert content["confidences"] == [0.9, 0.9]
    assert (content["width"], content["height"]) == found.picture.size
    assert [path.name for path in found.save(tmp_path / "wide.jpg")] == ["wide.jpg", "wide.json"]
    assert Image.open(tmp_path / "wide.jpg").format == "JPEG"
    assert found._repr_png_().startswith(b"\x89PNG")
    assert len(repr(found)) < 500
