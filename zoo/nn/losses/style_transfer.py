"""The loss of neural style, for optimisation of a picture and for training of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.nn.losses.perceptual import FeatureLoss, StyleLoss, total_variation

TOLD = "{loss:.4f} (content {content:.4f}, style {style:.4f}, tv {tv:.4f})"  # format of the terms


class StyleTransferLoss(nn.Module):
    """Weighted sum of content, style and total variation (Johnson et al., 2016, https://arxiv.org/abs/1603.08155).

    The content term is the mean squared distance of features. The style term is the squared distance of Gram matrices,
    each layer divided by the squared norm of its target. Weights mean the same at every size and for every style.

    Args:
        vgg: :class:`zoo.nn.vgg.VGGFeatures` with all layers that have a weight below.
        style: picture ``(1, 3, H, W)`` in 0..1, or several, of any sizes.
        content_layers: weights of layers in the content term.
        style_layers: weights of layers in the style term.
        content_weight: weight of the content term.
        style_weight: weight of the style term.
        tv_weight: weight of the total variation.
        blend: weight of each of several styles; None: equal weights.

    Raises:
        ZooError: negative weights, layers that ``vgg`` lacks, or a style too small for it.
    """

    def __init__(
        self,
        vgg: nn.Module,
        style: Tensor | Sequence[Tensor],
        *,
        content_layers: Mapping[str, float],
        style_layers: Mapping[str, float],
        content_weight: float,
        style_weight: float,
        tv_weight: float = 0.0,
        blend: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        weights = [content_weight, style_weight, tv_weight, *content_layers.values(), *style_layers.values()]
        if not all(0 <= weight < float("inf") for weight in weights):
            raise ZooError("weights of content, style, total variation and their layers are 0 or more")
        self.vgg = vgg
        self.content = FeatureLoss(vgg, content_layers)
        self.style = StyleLoss(vgg, style, style_layers, normalize=True, blend=blend)
        self.content_weight, self.style_weight, self.tv_weight = content_weight, style_weight, tv_weight

    @torch.no_grad()
    def targets(self, content: Tensor) -> dict[str, Tensor]:
        """Features of the content ``(B, 3, H, W)``, computed only as deep as its term needs."""
        return self.vgg(content, tuple(self.content.weights))

    def terms(self, picture: Tensor, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss of pictures ``(B, 3, H, W)`` and its weighted terms, ``content``, ``style`` and ``tv``."""
        features = self.vgg(picture)
        content = self.content_weight * self.content.of_features(features, targets)
        style = self.style_weight * self.style.of_features(features)
        tv = self.tv_weight * total_variation(picture)
        return {"loss": content + style + tv, "content": content, "style": style, "tv": tv}

    def forward(self, picture: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """The loss of pictures ``(B, 3, H, W)``, with the features of their contents from :meth:`targets`."""
        return self.terms(picture, targets)["loss"]
