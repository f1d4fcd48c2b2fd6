from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.base.errors import ZooError
from zoo.nn.losses.perceptual import FeatureLoss, feature_reconstruction_loss, gram_matrix, total_variation
from zoo.nn.vgg import VGGFeatures

WEIGHTS = {"relu1_2": 0.5, "relu2_1": 2.0}


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)


# The formulas, value by value


def feature_loss_by_hand(features: np.ndarray, target: np.ndarray) -> float:
    batch, c, h, w = features.shape
    total = 0.0
    for place in np.ndindex(features.shape):
        total += (features[place] - target[place]) ** 2 / (c * h * w)
    return total / batch


def gram_by_hand(features: np.ndarray) -> np.ndarray:
    batch, c, h, w = features.shape
    gram = np.zeros((batch, c, c))
    for b, i, j in np.ndindex(batch, c, c):
        for y, x in np.ndindex(h, w):
            gram[b, i, j] += features[b, i, y, x] * features[b, j, y, x] / (c * h * w)
    return gram


def total_variation_by_hand(pictures: np.ndarray) -> float:
    right, lower = [], []
    for b, c, y, x in np.ndindex(pictures.shape):
        if x + 1 < pictures.shape[3]:
            right.append((pictures[b, c, y, x + 1] - pictures[b, c, y, x]) ** 2)
        if y + 1 < pictures.shape[2]:
            lower.append((pictures[b, c, y + 1, x] - pictures[b, c, y, x]) ** 2)
    return (sum(right) / len(right) if right else 0.0) + (sum(lower) / len(lower) if lower else 0.0)


def test_feature_reconstruction_is_that_of_a_loop():
    features, target = normal(3, 4, 5, 2), normal(3, 4, 5, 2, seed=1)
    loss = feature_reconstruction_loss(tensor(features), tensor(target))
    assert loss.item() == pytest.approx(feature_loss_by_hand(features, target))
    one = feature_reconstruction_loss(tensor(features), tensor(target[:1]))
    assert one.item() == pytest.approx(feature_loss_by_hand(features, target[:1].repeat(3, 0)))


def test_gram_matrix_is_that_of_a_loop():
    features = normal(2, 4, 5, 3)
    assert np.allclose(gram_matrix(tensor(features)).numpy(), gram_by_hand(features))
    channels_last = tensor(features).to(memory_format=torch.channels_last)
    assert np.allclose(gram_matrix(channels_last).numpy(), gram_by_hand(features))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 6), (1, 1, 6, 1), (1, 3, 1, 1)])
def test_total_variation_is_that_of_a_loop(shape: tuple[int, ...]):
    pictures = normal(*shape)
    assert total_variation(tensor(pictures)).item() == pytest.approx(total_variation_by_hand(pictures))


def test_total_variation_does_not_depend_on_the_size():
    for width in (10, 500):
        ramp = torch.arange(width).double().mul(0.25).expand(1, 3, 7, width)
        assert total_variation(ramp).item() == pytest.approx(0.25**2)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: feature_reconstruction_loss(x, torch.ones_like(x)),
        lambda x: gram_matrix(x).square().sum(),
        total_variation,
    ],
)
def test_gradients(loss: Callable[[Tensor], Tensor]):
    assert torch.autograd.gradcheck(loss, tensor(normal(2, 3, 4, 3)).requires_grad_())


# Half precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_features_are_summed_in_float32(dtype: torch.dtype):
    """In half precision the sum over 10,000 pixels would stop growing, or overflow."""
    features = torch.full((1, 2, 100, 100), 3.0, dtype=dtype)
    assert torch.equal(gram_matrix(features), torch.full((1, 2, 2), 4.5))
    assert feature_reconstruction_loss(features, torch.zeros_like(features)) == 9
    assert total_variation(features).dtype == torch.float32


def test_autocast_leaves_the_gram_matrix_alone():
    features = tensor(normal(1, 8, 20, 20)).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (features[0, 0] @ features[0, 0]).dtype == torch.bfloat16  # it is on
        gram = gram_matrix(features)
        assert (features[0, 0] @ features[0, 0]).dtype == torch.bfloat16  # and stays on
    assert gram.dtype == torch.float32
    assert torch.equal(gram, gram_matrix(features))


# The module


@pytest.fixture(scope="module")
def vgg() -> VGGFeatures:
    torch.manual_seed(0)
    return VGGFeatures(tuple(WEIGHTS), weights=None)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.rand(2, 3, 24, 30, generator=torch.Generator().manual_seed(1))


def test_feature_loss_is_the_weighted_sum_over_layers(vgg: VGGFeatures, pictures: Tensor):
    prediction, target = pictures, pictures.flip(-1)
    terms = {name: feature_reconstruction_loss(vgg(prediction)[name], vgg(target)[name]).item() for name in WEIGHTS}
    weighted = FeatureLoss(vgg, WEIGHTS)(prediction, target)
    assert weighted.item() == pytest.approx(0.5 * terms["relu1_2"] + 2 * terms["relu2_1"], rel=1e-5)
    assert FeatureLoss(vgg)(prediction, target).item() == pytest.approx(sum(terms.values()), rel=1e-5)
    assert FeatureLoss(vgg, {"relu2_1": 1})(prediction, target).item() == pytest.approx(terms["relu2_1"], rel=1e-5)
    assert FeatureLoss(vgg)(prediction, prediction) == 0


def test_given_features_of_one_pass_give_the_same(vgg: VGGFeatures, pictures: Tensor):
    content = FeatureLoss(vgg)
    assert content.of_features(vgg(pictures), vgg(pictures.flip(0))) == content(pictures, pictures.flip(0))


def test_the_gradient_goes_to_the_prediction_only(vgg: VGGFeatures, pictures: Tensor):
    prediction, target = pictures.clone().requires_grad_(), pictures.flip(-1).requires_grad_()
    FeatureLoss(vgg)(prediction, target).backward()
    assert prediction.grad is not None
    assert prediction.grad.abs().sum() > 0
    assert target.grad is None


def test_the_module_hides_from_state_dicts_and_optimisers(vgg: VGGFeatures):
    assert FeatureLoss(vgg).state_dict() == {}
    assert list(FeatureLoss(vgg).parameters()) == []


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"relu2_2": 1.0}, r"'relu2_2': the layers are relu1_2, relu2_1; did you mean relu"),
        ({}, "no layer has a weight"),
    ],
)
def test_weights_of_layers_that_are_not_there(vgg: VGGFeatures, weights: dict[str, float], message: str):
    with pytest.raises(ZooError, match=message):
        FeatureLoss(vgg, weights)
