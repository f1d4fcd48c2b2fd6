"""LPIPS, a distance of pictures that agrees with human perception better than PSNR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.nn.vgg import VGGFeatures

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
EPSILON = 1e-8


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity (Zhang et al., 2018, https://arxiv.org/abs/1801.03924), on VGG-16.

    Features of each layer are normalised to unit length at every pixel. Their squared differences are weighted by
    channel, with the authors' weights fitted to human judgements, version 0.1, as in torchmetrics. 0: identical.

    A loss may use fewer layers and average pooling: gradients of max pooling favour one pixel of four.

    Args:
        vgg: weights of VGG-16, see :class:`zoo.nn.vgg.VGGFeatures`. The published channel weights belong to ImageNet's
            VGG-16; with other weights the distance is slightly different.
        layers: some of ``LAYERS``.
        pooling: pooling of VGG-16, "max" as published, or "average".

    Raises:
        ZooError: weights that are missing or do not fit.
    """

    def __init__(
        self,
        vgg: str | Path | None = "timm",
        layers: Sequence[str] = LAYERS,
        pooling: Literal["max", "average"] = "max",
    ) -> None:
        super().__init__()
        if not layers or (strange := [layer for layer in layers if layer not in LAYERS]):
            raise ZooError(f"LPIPS has the layers {', '.join(LAYERS)}, not {', '.join(strange) if layers else 'none'}")
        self.layers = tuple(layers)
        self.vgg = VGGFeatures(self.layers, weights=vgg, pooling=pooling)
        for layer, weights in _published().items():
            self.register_buffer(layer, weights, persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """RGB in 0..1 ``(B, 3, H, W)`` twice -> ``(B,)``."""
        return self.of_features(self.vgg(prediction), self.vgg(target))

    def of_features(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The distance from given features of the layers, for callers that also need the features."""
        terms = []
        for layer in self.layers:
            difference = (_unit(features[layer].float()) - _unit(target[layer].float())).square()
            terms.append((difference * getattr(self, layer)).sum(1).mean((1, 2)))
        return torch.stack(terms).sum(0)


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True) + EPSILON).sqrt()


def _published() -> dict[str, Tensor]:
    """The weights of the channels ``(1, C, 1, 1)``, by layer."""
    file = files("torchmetrics.functional.image") / "lpips_models" / "vgg.pth"
    try:
        with file.open("rb") as stream:
            tensors = torch.load(stream, map_location="cpu", weights_only=True)
        return {layer: tensors[f"lin{i}.model.1.weight"] for i, layer in enumerate(LAYERS)}
    except (OSError, KeyError) as error:
        raise ZooError(f"LPIPS: its weights are missing from torchmetrics ({error}); reinstall torchmetrics") from None
