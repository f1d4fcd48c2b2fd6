"""The loss of neural style: relative content, roots of relative Gram distances, colours and roughness."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.nn.losses import style_transfer
from zoo.nn.losses.perceptual import gram_matrix, total_variation
from zoo.nn.losses.style_transfer import StyleTransferLoss
from zoo.nn.vgg import VGGFeatures

LAYERS = ["relu1_2", "relu2_1", "relu2_2"]
WEIGHTS = {"content": 0.1, "style": 3.0, "color": 5.0, "tv": 0.2}


@pytest.fixture(scope="module")
def vgg() -> VGGFeatures:
    torch.manual_seed(0)
    return VGGFeatures(LAYERS, weights=None, padding="replicate")


def pictures(count: int = 2, side: int = 24, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


STYLES = (
    pictures(1, 40, seed=2),
    pictures(1, 33, seed=3) ** 3,
    pictures(1, 48, seed=4) * torch.tensor([1, 0.3, 0.1]).view(3, 1, 1),
)


def criterion(vgg: VGGFeatures, styles: tuple[Tensor, ...] = STYLES, **changed: object) -> StyleTransferLoss:
    options: dict = {
        "content_layers": {"relu2_1": 2.0},
        "style_layers": {"relu1_2": 1.0, "relu2_2": 0.5},
        **{f"{name}_weight": weight for name, weight in WEIGHTS.items()},
    }
    return StyleTransferLoss(vgg, styles, **{**options, **changed})


def one(number: int) -> Tensor:
    return torch.eye(len(STYLES))[[number]]


def test_some_layers_are_computed_no_deeper_than_these(vgg: VGGFeatures):
    x = pictures()
    every, some = vgg(x), vgg(x, ["relu2_1", "relu1_2"])
    assert list(some) == ["relu2_1", "relu1_2"]
    for name, feature in some.items():
        assert torch.equal(feature, every[name])
    assert list(vgg(torch.rand(1, 3, 1, 1), ["relu1_2"])) == ["relu1_2"]  # the others would need 2x2 pixels


def test_terms_are_weighted_and_summed(vgg: VGGFeatures):
    content, picture = pictures(), pictures(seed=3)
    loss, once = criterion(vgg), criterion(vgg, **{f"{name}_weight": 1.0 for name in WEIGHTS})
    targets = loss.targets(content)
    terms, unweighted = loss.terms(picture, targets, one(1)), once.terms(picture, targets, one(1))
    assert list(terms) == ["loss", *WEIGHTS]
    for name, weight in WEIGHTS.items():
        torch.testing.assert_close(terms[name], weight * unweighted[name])
        assert terms[name] > 0
    assert torch.equal(terms["loss"], loss(picture, targets, one(1)))
    torch.testing.assert_close(terms["loss"], sum(terms[name] for name in WEIGHTS))


def test_terms_equal_their_formulas(vgg: VGGFeatures):
    content, picture, style = pictures(), pictures(seed=3), STYLES[1]
    loss = criterion(vgg, **{f"{name}_weight": 1.0 for name in WEIGHTS})
    terms = loss.terms(picture, loss.targets(content), one(1))
    near, far, painting = vgg(picture), vgg(content)["relu2_1"], vgg(style)
    relative = [(a - b).square().sum() / b.square().sum() for a, b in zip(near["relu2_1"], far, strict=True)]
    torch.testing.assert_close(terms["content"], 2 * torch.stack(relative).mean())
    by_hand = torch.zeros(2)
    for layer, weight in (("relu1_2", 1.0), ("relu2_2", 0.5)):
        target = gram_matrix(painting[layer])[0]
        distances = torch.stack([torch.linalg.norm(gram - target) for gram in gram_matrix(near[layer])])
        by_hand += weight * distances / torch.linalg.norm(target)
    torch.testing.assert_close(terms["style"], by_hand.mean(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(terms["tv"], total_variation(picture))


def test_the_style_itself_loses_nothing_but_roughness(vgg: VGGFeatures):
    loss = criterion(vgg)
    for number, style in enumerate(STYLES):
        terms = loss.terms(style, loss.targets(style), one(number))
        assert terms["content"] == 0
        assert terms["style"] < 0.01
        assert terms["color"] == 0
        assert terms["tv"] > 0
        others = [loss.terms(style, loss.targets(style), one(other)) for other in range(3) if other != number]
        assert min(float(other["style"]) for other in others) > 10 * terms["style"]
        assert min(float(other["color"]) for other in others) > 0.01


def test_each_picture_of_a_batch_has_its_own_style(vgg: VGGFeatures):
    loss, batch = criterion(vgg), pictures(3)
    mix = torch.cat([one(2), one(0), torch.tensor([[0.0, 0.5, 0.5]])])
    together = loss.terms(batch, loss.targets(batch.flip(0)), mix)
    alone = [
        loss.terms(batch[[i]], loss.targets(batch.flip(0)[[i]]), mix[[i]]) for i in range(3)
    ]  # terms are means over the pictures
    for name in ("loss", "content", "style", "color"):
        torch.testing.assert_close(
            together[name], torch.stack([each[name] for each in alone]).mean(), rtol=1e-4, atol=1e-5
        )


def test_without_weights_the_first_style_counts(vgg: VGGFeatures):
    loss, picture = criterion(vgg), pictures(seed=7)
    targets = loss.targets(picture)
    assert torch.equal(loss(picture, targets), loss(picture, targets, one(0)))
    assert torch.equal(loss(picture, targets), criterion(vgg, STYLES[:1])(picture, targets))


def test_a_blend_lies_between_its_styles(vgg: VGGFeatures):
    """Its targets are the weighted means of Gram matrices and of sorted colours."""
    loss = criterion(vgg, STYLES[:2])
    picture, mix = pictures(1, seed=7), torch.tensor([[0.75, 0.25]])
    targets = loss.targets(picture)
    mean = 0.75 * gram_matrix(vgg(STYLES[0])["relu1_2"]) + 0.25 * gram_matrix(vgg(STYLES[1])["relu1_2"])
    distance = torch.linalg.norm(gram_matrix(vgg(picture)["relu1_2"])[0] - mean[0]) / torch.linalg.norm(mean)
    only = criterion(vgg, STYLES[:2], style_layers={"relu1_2": 1.0}, style_weight=1.0)
    torch.testing.assert_close(only.terms(picture, targets, mix)["style"], distance, rtol=1e-3, atol=1e-4)
    own = loss.targets(STYLES[0])
    half, tenth = (float(loss.terms(STYLES[0], own, torch.tensor([[1 - part, part]]))["color"]) for part in (0.5, 0.1))
    assert half == pytest.approx(25 * tenth, rel=1e-3)  # the square of the part


@pytest.mark.parametrize("factor", [0.05, 1.0])
@pytest.mark.parametrize("side", [16, 64])
def test_weights_mean_the_same_for_every_style_and_size(vgg: VGGFeatures, factor: float, side: int):
    """A picture without any features is off by about the norm of the style's Gram matrix, whatever the style."""
    loss = criterion(vgg, (factor * pictures(1, side, seed=2),), style_layers={"relu1_2": 1.0}, style_weight=1.0)
    nothing = {layer: torch.zeros_like(feature) for layer, feature in vgg(pictures(1)).items()}
    assert float(loss._style(nothing, torch.ones(1, 1))) == pytest.approx(1, abs=1e-3)


def test_the_content_distance_is_relative(vgg: VGGFeatures):
    loss, content, picture = criterion(vgg, content_layers={"relu2_1": 1.0}), pictures(), pictures(seed=9)
    targets = loss.targets(content)
    assert loss.content_distance(content, targets) == 0
    features = {layer: torch.zeros_like(feature) for layer, feature in targets.items()}
    assert float(loss._content(features, targets)) == pytest.approx(1)
    torch.testing.assert_close(
        WEIGHTS["content"] * loss.content_distance(picture, targets), loss.terms(picture, targets)["content"]
    )


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_blank_pictures_and_styles_lose_a_finite_amount(vgg: VGGFeatures, value: float):
    blank = torch.full((1, 3, 24, 24), value, requires_grad=True)
    loss = criterion(vgg, (blank.detach(),))
    total = loss(blank, loss.targets(pictures(1)))
    total.backward()
    assert total.isfinite()
    assert blank.grad.isfinite().all()


def test_the_root_has_a_finite_gradient_at_zero(vgg: VGGFeatures):
    """Where the picture is the style, the root of the distance would have none."""
    picture = STYLES[0].clone().requires_grad_()
    loss = criterion(vgg, content_weight=0.0, tv_weight=0.0, color_weight=0.0)
    loss(picture, loss.targets(picture)).backward()
    assert picture.grad.isfinite().all()


def test_the_gradient_does_not_fade_near_the_style(vgg: VGGFeatures):
    """As that of a squared distance would, which a tenth of the way would make a tenth as large."""
    loss = criterion(vgg, content_weight=0.0, tv_weight=0.0, color_weight=0.0)
    norms = []
    for share in (1.0, 0.1):
        picture = torch.lerp(STYLES[0], pictures(1, 40, seed=8), share).requires_grad_()
        loss(picture, loss.targets(picture)).backward()
        norms.append(float(picture.grad.norm()))
    assert norms[1] > 0.4 * norms[0]


# Colours


def colors(vgg: VGGFeatures, picture: Tensor, style: Tensor) -> float:
    loss = criterion(vgg, (style,), color_weight=1.0)
    return float(loss.terms(picture, loss.targets(picture))["color"])


def test_the_same_colours_elsewhere_are_no_difference(vgg: VGGFeatures):
    blocks = pictures(1, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)  # of the size whose colours are compared
    assert colors(vgg, blocks, blocks) == 0
    assert colors(vgg, blocks.flip(2, 3), blocks) < 1e-10


def test_other_colours_are_further_the_more_they_differ(vgg: VGGFeatures):
    style = pictures(1, 40)
    assert 0 < colors(vgg, (0.9 * style), style) < colors(vgg, (0.5 * style), style)
    assert colors(vgg, style[:, [2, 1, 0]] * torch.tensor([1, 1, 0.4]).view(3, 1, 1), style) > 1e-3


def test_a_shift_costs_its_square_whatever_the_size(vgg: VGGFeatures):
    """Along the three axes; of the other directions each takes its part of it."""
    for side in (24, 37, 100):
        picture = pictures(1, side) / 2
        loss = criterion(vgg, (picture + 0.1,), color_weight=1.0)
        own = loss.directions.sum(1).mul(0.1).square().mean()
        found = loss.terms(picture, loss.targets(picture))["color"]
        torch.testing.assert_close(found, own, rtol=1e-3, atol=1e-6)


def test_directions_are_the_same_every_time(vgg: VGGFeatures):
    first, again = criterion(vgg), criterion(vgg)
    assert torch.equal(first.directions, again.directions)
    assert torch.equal(first.directions[:3], torch.eye(3))
    torch.testing.assert_close(first.directions.norm(dim=1), torch.ones(style_transfer.DIRECTIONS))


def test_without_its_weight_no_colours_are_sorted(vgg: VGGFeatures, monkeypatch: pytest.MonkeyPatch):
    loss = criterion(vgg, color_weight=0.0)
    monkeypatch.setattr(loss, "sorted_colors", lambda picture: 1 / 0)
    terms = loss.terms(pictures(), loss.targets(pictures()))
    assert terms["color"] == 0


def test_autocast_leaves_colours_alone(vgg: VGGFeatures):
    loss, picture = criterion(vgg), pictures()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss.sorted_colors(picture), loss.sorted_colors(picture.double()))
        assert loss.sorted_colors(picture).dtype == torch.float32


def test_autocast_leaves_blended_targets_alone(vgg: VGGFeatures):
    """Rounded to bfloat16 they would be off by as much as a good picture is."""
    loss, picture, mix = criterion(vgg), pictures(), torch.tensor([[0.3, 0.5, 0.2], [0.1, 0.0, 0.9]])
    features = vgg(picture)
    plain = loss._style(features, mix), loss._color(picture, mix)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (loss._style(features, mix), loss._color(picture, mix)) == plain


# What is held, and what is refused


def test_hides_from_state_dicts_and_optimisers_but_moves(vgg: VGGFeatures):
    loss = criterion(vgg)
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []
    assert loss.gram_relu1_2.shape == (3, 64, 64)
    assert not loss.gram_relu1_2.requires_grad
    moved = StyleTransferLoss(
        VGGFeatures(["relu1_1"], weights=None), STYLES, content_layers={"relu1_1": 1.0}, style_layers={"relu1_1": 1.0},
        content_weight=1.0,
    ).to(torch.float64)  # fmt: skip
    assert moved.gram_relu1_1.dtype == moved.colors.dtype == torch.float64


@pytest.mark.parametrize(
    "weights",
    [
        {"content_weight": -1}, {"tv_weight": float("nan")}, {"style_layers": {"relu1_2": -1}},
        {"color_weight": float("inf")}, {"content_layers": {"relu2_1": float("nan")}},
    ],
)  # fmt: skip
def test_refuses_weights_below_zero(vgg: VGGFeatures, weights: dict):
    with pytest.raises(ZooError, match="0 or more"):
        criterion(vgg, **weights)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_the_gram_matrix(layout: torch.memory_format):
    """It has its own, which takes one product instead of two."""
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(gram_matrix, x.contiguous(memory_format=layout).requires_grad_())
    half = x.detach().bfloat16().requires_grad_()
    gram_matrix(half).square().sum().backward()
    assert half.grad.dtype == torch.bfloat16
