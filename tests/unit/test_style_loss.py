from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.nn.losses.perceptual import StyleLoss, gram_matrix, style_loss
from zoo.nn.losses.style_transfer import StyleTransferLoss
from zoo.nn.vgg import VGGFeatures

LAYERS = ["relu1_2", "relu2_1", "relu2_2"]


@pytest.fixture(scope="module")
def vgg() -> VGGFeatures:
    torch.manual_seed(0)
    return VGGFeatures(LAYERS, weights=None)


def pictures(count: int = 2, side: int = 24, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def criterion(vgg: VGGFeatures, **changed: object) -> StyleTransferLoss:
    options: dict = {
        "content_layers": {"relu2_1": 2.0},
        "style_layers": {"relu1_2": 1.0, "relu2_2": 0.5},
        "content_weight": 0.1,
        "style_weight": 3.0,
        "tv_weight": 0.2,
    }
    return StyleTransferLoss(vgg, pictures(1, 40, seed=2), **{**options, **changed})


def test_some_layers_are_computed_no_deeper_than_these(vgg: VGGFeatures):
    x = pictures()
    every, some = vgg(x), vgg(x, ["relu2_1", "relu1_2"])
    assert list(some) == ["relu2_1", "relu1_2"]
    for name, feature in some.items():
        assert torch.equal(feature, every[name])
    assert list(vgg(torch.rand(1, 3, 1, 1), ["relu1_2"])) == ["relu1_2"]  # the others would need 2x2 pixels


def test_terms_are_weighted_and_summed(vgg: VGGFeatures):
    content, picture = pictures(), pictures(seed=3)
    loss = criterion(vgg)
    terms = loss.terms(picture, loss.targets(content))
    once = criterion(vgg, content_weight=1, style_weight=1, tv_weight=1).terms(picture, loss.targets(content))
    assert list(terms) == ["loss", "content", "style", "tv"]
    for name, weight in (("content", 0.1), ("style", 3.0), ("tv", 0.2)):
        torch.testing.assert_close(terms[name], weight * once[name])
    assert torch.equal(terms["loss"], loss(picture, loss.targets(content)))
    torch.testing.assert_close(terms["loss"], terms["content"] + terms["style"] + terms["tv"])
    near, far = vgg(picture)["relu2_1"], vgg(content)["relu2_1"]
    torch.testing.assert_close(once["content"], 2 * (near - far).square().mean())


def test_a_picture_of_that_content_and_style_loses_nothing_but_roughness(vgg: VGGFeatures):
    style = pictures(1, 40, seed=2)
    loss = criterion(vgg)
    terms = loss.terms(style, loss.targets(style))
    assert terms["content"] == 0
    assert terms["style"] < 1e-9
    assert terms["tv"] > 0


def test_weights_mean_the_same_for_every_style_and_size(vgg: VGGFeatures):
    """A grey picture is as far from any style, in each layer about once its squared norm."""
    grey = torch.full((1, 3, 24, 24), 0.5)
    for factor, side in ((0.05, 40), (1.0, 16), (1.0, 64)):
        style = StyleLoss(vgg, factor * pictures(1, side, seed=2), {"relu1_2": 1.0}, normalize=True)
        plain = StyleLoss(vgg, factor * pictures(1, side, seed=2), {"relu1_2": 1.0})
        target = plain.gram_relu1_2.square().sum()
        torch.testing.assert_close(style(grey), plain(grey) / target)


def test_styles_are_mixed_by_their_shares(vgg: VGGFeatures):
    one, other = pictures(1, 32, seed=4), pictures(1, 48, seed=5)
    mixed = StyleLoss(vgg, [one, other], {"relu2_2": 1.0}, blend=[3, 1])
    wanted = 0.75 * gram_matrix(vgg(one)["relu2_2"]) + 0.25 * gram_matrix(vgg(other)["relu2_2"])
    torch.testing.assert_close(mixed.gram_relu2_2, wanted)
    even = StyleLoss(vgg, [one, other], {"relu2_2": 1.0})
    torch.testing.assert_close(even.gram_relu2_2, StyleLoss(vgg, [other, one], {"relu2_2": 1.0}).gram_relu2_2)
    alone = StyleLoss(vgg, [one, other], {"relu2_2": 1.0}, blend=[0, 2])
    assert torch.equal(alone.gram_relu2_2, StyleLoss(vgg, other, {"relu2_2": 1.0}).gram_relu2_2)
    assert not mixed.state_dict()


@pytest.mark.parametrize("blend", [[1], [1, -1], [0, 0], [float("nan"), 1], [float("inf"), 1]])
def test_refuses_shares_that_are_none(vgg: VGGFeatures, blend: list[float]):
    with pytest.raises(ZooError, match="one weight for each of the 2 styles"):
        StyleLoss(vgg, [pictures(1), pictures(1)], blend=blend)


@pytest.mark.parametrize(
    "weights", [{"content_weight": -1}, {"tv_weight": float("nan")}, {"style_layers": {"relu1_2": -1}}]
)
def test_refuses_weights_below_zero(vgg: VGGFeatures, weights: dict):
    with pytest.raises(ZooError, match="0 or more"):
        criterion(vgg, **weights)


def test_a_style_without_features_is_no_division_by_zero():
    features, target = torch.ones(1, 2, 3, 3), torch.zeros(2, 2)
    assert torch.equal(style_loss(features, target, normalize=True), style_loss(features, target))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_blank_pictures_and_styles_lose_a_finite_amount(vgg: VGGFeatures, value: float):
    blank = torch.full((1, 3, 24, 24), value, requires_grad=True)
    options = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_2": 1.0}}
    loss = StyleTransferLoss(vgg, blank.detach(), content_weight=1, style_weight=1, tv_weight=1, **options)
    total = loss(blank, loss.targets(pictures(1)))
    total.backward()
    assert total.isfinite()
    assert blank.grad.isfinite().all()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_the_gram_matrix(layout: torch.memory_format):
    """It has its own, which takes one product instead of two."""
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(gram_matrix, x.contiguous(memory_format=layout).requires_grad_())
    half = x.detach().bfloat16().requires_grad_()
    gram_matrix(half).square().sum().backward()
    assert half.grad.dtype == torch.bfloat16
