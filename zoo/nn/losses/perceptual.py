"""Perceptual losses (Johnson et al., 2016, https://arxiv.org/abs/1603.08155): distances between features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean


def feature_reconstruction_loss(features: Tensor, target: Tensor) -> Tensor:
    """Squared distance per value, equation 2: ``(B, C, H, W)`` twice -> mean over the batch, a scalar.

    A target ``(1, C, H, W)`` applies to the whole batch.
    """
    return (_at_least_float32(features) - _at_least_float32(target)).square().mean()


def gram_matrix(features: Tensor) -> Tensor:
    """Products of the channels, equation 3: ``(B, C, H, W)`` -> ``(B, C, C)``, divided by ``C * H * W``.

    Computed at least in float32, also under autocast, since the sums are over thousands of pixels.
    """
    channels, height, width = features.shape[1:]
    pixels = features.permute(0, 2, 3, 1).flatten(1, 2)  # no copy where channels are last in memory
    with torch.autocast(features.device.type, enabled=False):
        return _Products.apply(pixels) / (channels * height * width)


class _Products(torch.autograd.Function):
    """``x^T x`` of ``(B, N, C)``.

    Autograd would keep float32 copies and multiply twice for the gradient ``x (g + g^T)``; here the gradient has the
    precision and the layout of ``x``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        x = _at_least_float32(x)
        return x.transpose(1, 2) @ x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x @ (gradient + gradient.transpose(1, 2)).to(x.dtype)


def total_variation(pictures: Tensor) -> Tensor:
    """Roughness of pictures ``(B, C, H, W)``, a scalar that does not depend on their size.

    The mean squared difference of a value from its right neighbour, over all values that have one, plus the same for
    the lower neighbour. (The paper's regulariser; other definitions use sums, absolute values or roots.)
    """
    pictures = _at_least_float32(pictures)
    differences = pictures.diff(dim=-1), pictures.diff(dim=-2)
    right, lower = (d.square().sum() / max(d.numel(), 1) for d in differences)  # a picture one pixel wide has none
    return right + lower


class FeatureLoss(nn.Module):
    """Weighted sum of :func:`feature_reconstruction_loss` over layers.

    Args:
        vgg: :class:`zoo.nn.vgg.VGGFeatures`, or another module that has ``layers`` and returns features by their name.
        weights: weights of the layers; None: 1 for each layer that ``vgg`` returns.
    """

    def __init__(self, vgg: nn.Module, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.vgg, self.weights = vgg, _layer_weights(vgg, weights)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Takes pictures, ``(B, 3, H, W)`` twice; the gradient goes to the prediction only."""
        with torch.no_grad():
            truth = self.vgg(target)
        return self.of_features(self.vgg(prediction), truth)

    def of_features(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The loss from given features of ``vgg``, for callers that use the features in another loss too."""
        terms = (w * feature_reconstruction_loss(features[layer], target[layer]) for layer, w in self.weights.items())
        return torch.stack(list(terms)).sum()


def _layer_weights(vgg: Any, weights: Mapping[str, float] | None) -> dict[str, float]:
    layers = tuple(vgg.layers)
    for layer in weights or ():
        if layer not in layers:
            raise ZooError(f"cannot weight {layer!r}: the layers are {', '.join(layers)}{did_you_mean(layer, layers)}")
    if weights is not None and not weights:
        raise ZooError(f"no layer has a weight; the layers are {', '.join(layers)}")
    return dict.fromkeys(layers, 1.0) if weights is None else dict(weights)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
