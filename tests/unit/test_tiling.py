"""Windows over large pictures: what is seen, and what of it is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.pictures.tiling import tiles, within


@st.composite
def cuts(draw: st.DrawFn) -> dict[str, int]:
    """Arguments of :func:`tiles`, of small pictures and of long ones."""
    halo, multiple = draw(st.integers(0, 40)), draw(st.sampled_from([1, 2, 7, 16, 32]))
    tile = 2 * halo + multiple + draw(st.integers(0, 100))
    height, width = (draw(st.integers(1, most)) for most in draw(st.permutations([20, 12 * multiple + 400])))
    return {"height": height, "width": width, "tile": tile, "halo": halo, "multiple": multiple}


def sides(cut: dict[str, int]) -> list[list[tuple[int, slice, slice]]]:
    """Rows and columns of all tiles: the picture's side, what is seen and what is kept."""
    found = list(tiles(**cut))
    lengths = (cut["height"], cut["width"])
    return [[(length, seen[axis], kept[axis]) for seen, kept in found] for axis, length in enumerate(lengths, 1)]


@given(cuts())
def test_the_kept_parts_cover_every_pixel_once(cut: dict[str, int]):
    times = np.zeros((cut["height"], cut["width"]), int)
    for _, kept in tiles(**cut):
        times[kept] += 1
    assert (times == 1).all()


@given(cuts())
def test_tiles_are_in_the_picture_no_larger_than_asked_for_and_begin_at_multiples(cut: dict[str, int]):
    for parts in sides(cut):
        for length, seen, kept in parts:
            assert 0 <= seen.start <= kept.start < kept.stop <= seen.stop <= length
            assert seen.stop - seen.start <= cut["tile"]
            assert seen.start % cut["multiple"] == 0


@given(cuts())
def test_what_is_kept_has_the_halo_around_it_wherever_the_picture_goes_on(cut: dict[str, int]):
    for parts in sides(cut):
        for length, seen, kept in parts:
            assert kept.start == 0 or kept.start - seen.start >= cut["halo"]
            assert kept.stop == length or seen.stop - kept.stop >= cut["halo"]


@given(cuts())
def test_no_tile_is_one_too_many(cut: dict[str, int]):
    """A picture that fits is one tile; others have one for each step, which is what a tile keeps between two others."""
    step = (cut["tile"] - 2 * cut["halo"]) // cut["multiple"] * cut["multiple"]
    for parts in sides(cut):
        length, seen = parts[0][0], {(part.start, part.stop) for _, part, _ in parts}
        assert len(seen) == (1 if length <= cut["tile"] else -(-(length - 2 * cut["halo"]) // step))


@given(cuts(), st.integers(1, 4))
def test_the_kept_part_of_an_output_is_found_again(cut: dict[str, int], scale: int):
    """What is put together of tiles, enlarged each, is the whole, enlarged."""
    whole = np.random.default_rng(0).integers(0, 256, (2, cut["height"], cut["width"]))
    result = np.full((2, scale * cut["height"], scale * cut["width"]), -1)
    for seen, kept in tiles(**cut):
        output = enlarged(whole[seen], scale)
        rows, columns = (slice(scale * part.start, scale * part.stop) for part in kept[1:])
        result[..., rows, columns] = output[within(kept, seen, scale)]
    assert np.array_equal(result, enlarged(whole, scale))


def enlarged(pictures: np.ndarray, scale: int) -> np.ndarray:
    return pictures.repeat(scale, 1).repeat(scale, 2)


def test_row_by_row():
    found = [[(part.start, part.stop) for part in (*seen[1:], *kept[1:])] for seen, kept in tiles(100, 50, 40, 4, 8)]
    rows = [((0, 40), (0, 36)), ((32, 72), (36, 68)), ((64, 100), (68, 100))]
    columns = [((0, 40), (0, 36)), ((32, 50), (36, 50))]
    assert found == [[row[0], column[0], row[1], column[1]] for row in rows for column in columns]


def test_a_tile_that_keeps_nothing_is_an_error():
    """And no hole in the result."""
    with pytest.raises(ValueError, match="zero"):
        list(tiles(100, 100, tile=40, halo=10, multiple=32))
