"""How near a picture is to a painting's style."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import data
from torch import Tensor

from zoo.data.style import draw_pattern
from zoo.nn.metrics.style import color_distance, patch_distance

Distance = Callable[[Tensor, Tensor], float]
BOTH = pytest.mark.parametrize("distance", [patch_distance, color_distance])


def tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def painting() -> Tensor:
    return tensor(draw_pattern(160, 200))


@pytest.fixture(scope="module")
def cat() -> Tensor:
    return tensor(data.chelsea()[50:210, 100:300])


@BOTH
def test_zero_for_the_same_picture_and_the_same_every_time(distance: Distance, painting: Tensor, cat: Tensor):
    assert distance(painting, painting) == 0
    torch.manual_seed(5)
    first = distance(cat, painting)
    torch.manual_seed(6)
    assert distance(cat, painting) == first > 0.01
    assert isinstance(first, float)


@BOTH
def test_the_same_in_both_directions(distance: Distance, painting: Tensor, cat: Tensor):
    assert distance(cat, painting) == pytest.approx(distance(painting, cat), rel=1e-5)


@BOTH
def test_another_part_of_the_painting_is_nearer_than_a_photograph(distance: Distance, cat: Tensor):
    whole = tensor(draw_pattern(400, 400))
    left, right = whole[..., :200], whole[..., 200:]
    assert distance(left, right) < 0.4 * distance(cat, right)


@BOTH
def test_mirrored_is_the_same_style_of_colours(distance: Distance, painting: Tensor, cat: Tensor):
    assert distance(painting.flip(3), painting) < 0.5 * distance(cat, painting)


def test_patches_do_not_see_the_mean_colour(painting: Tensor):
    """So that each distance tells of something else."""
    darker = 0.8 * painting
    assert patch_distance(darker + 0.1, darker) < 1e-6
    assert color_distance(darker + 0.1, darker) > 0.03


def test_colours_do_not_see_their_places(painting: Tensor):
    order = torch.randperm(160 * 200, generator=torch.Generator().manual_seed(0))
    shuffled = painting.flatten(2)[..., order].view_as(painting)
    assert color_distance(shuffled, painting) == 0
    assert patch_distance(shuffled, painting) > 0.02


def test_strokes_of_another_size_are_another_style(painting: Tensor):
    wide = F.interpolate(painting[..., :40, :50], scale_factor=4.0, mode="bilinear")
    assert patch_distance(wide, painting) > 3 * patch_distance(painting.flip(2, 3), painting)


def test_blur_is_further_the_more_there_is_of_it(painting: Tensor):
    found = [patch_distance(F.avg_pool2d(painting, side, 1), painting) for side in (1, 3, 7, 15)]
    assert found == sorted(found)
    assert found[1] > 0


def test_another_hue_is_further_the_more_it_differs(painting: Tensor):
    other = painting.roll(1, 1)
    found = [color_distance(torch.lerp(painting, other, part), painting) for part in (0.0, 0.2, 0.6)]
    assert found == sorted(found)
    assert found[1] > 0


@BOTH
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (6, 7), (7, 7), (8, 13), (33, 500)])
def test_pictures_of_any_size(distance: Distance, size: tuple[int, int], painting: Tensor):
    small = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    for one, other in ((small, painting), (painting, small)):
        found = distance(one, other)
        assert np.isfinite(found)
        assert found > 0
    assert distance(small, small) == 0


@BOTH
def test_the_distance_hardly_depends_on_the_number_of_pixels(distance: Distance, painting: Tensor, cat: Tensor):
    assert distance(cat, painting) == pytest.approx(distance(cat[..., ::2, :], painting[..., :120]), rel=0.35)
