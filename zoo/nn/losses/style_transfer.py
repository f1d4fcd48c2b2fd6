"""The loss of neural style, for optimisation of a picture and for training of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.nn.losses.perceptual import gram_matrix, total_variation

TOLD = "{loss:.4f} (content {content:.4f}, style {style:.4f}, color {color:.4f}, tv {tv:.4f})"  # format of the terms
COLOR_STRIDE = 4  # side of the blocks whose mean colours are compared: strokes count, grain does not
DIRECTIONS = 19  # directions in RGB along which colours are sorted: the three axes first
QUANTILES = 256  # number of quantiles of the colours along a direction
EPSILON = 1e-6  # keeps the gradient of a root finite


class StyleTransferLoss(nn.Module):
    """Weighted sum of content, style, colour and total variation, for pictures ``(B, 3, H, W)`` in 0..1.

    - The content term (Gatys et al., 2015, https://arxiv.org/abs/1508.06576) is the squared distance of features,
      divided by their mean square in the content.
    - The style term is the sum over layers of the distance of Gram matrices, divided by the norm of the target. It is
      not squared: the gradient of a squared distance fades as a layer comes near, so that the layer with the largest
      error takes all, and strokes and swirls never come.
    - The colour term is the sliced Wasserstein distance of colours (Bonneel et al., 2015,
      https://doi.org/10.1007/s10851-014-0506-3), squared, so that no layer of VGG has to carry the palette.
    - Total variation reduces the grain of VGG's gradient.

    All terms are relative, so weights mean the same at every size and for every style.

    Args:
        vgg: :class:`zoo.nn.vgg.VGGFeatures` with all layers that have a weight below.
        styles: pictures ``(1, 3, H, W)`` in 0..1, of any sizes.
        content_layers: weights of layers in the content term.
        style_layers: weights of layers in the style term.
        content_weight: weight of the content term.
        style_weight: weight of the style term.
        color_weight: weight of the colour term.
        tv_weight: weight of the total variation.

    Raises:
        ZooError: no layers, negative weights, layers that ``vgg`` lacks, or a style too small for it.
    """

    directions: Tensor
    colors: Tensor

    def __init__(
        self,
        vgg: nn.Module,
        styles: Sequence[Tensor],
        *,
        content_layers: Mapping[str, float],
        style_layers: Mapping[str, float],
        content_weight: float,
        style_weight: float = 1.0,
        color_weight: float = 0.0,
        tv_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if not content_layers or not style_layers:
            raise ZooError("the terms of content and style need at least one layer each, such as {relu4_2: 1}")
        numbers = [content_weight, style_weight, color_weight, tv_weight]
        numbers += [*content_layers.values(), *style_layers.values()]
        if not all(0 <= weight < float("inf") for weight in numbers):
            raise ZooError("weights of content, style, colour, total variation and their layers must be 0 or more")
        self.vgg, self.content_layers, self.style_layers = vgg, dict(content_layers), dict(style_layers)
        self.content_weight, self.style_weight = content_weight, style_weight
        self.color_weight, self.tv_weight = color_weight, tv_weight
        spread = torch.randn(DIRECTIONS - 3, 3, generator=torch.Generator().manual_seed(0))
        directions = torch.cat([torch.eye(3), F.normalize(spread, dim=1)])
        self.register_buffer("directions", directions.to(styles[0].device), persistent=False)
        with torch.no_grad():
            self.register_buffer("colors", torch.cat([self.sorted_colors(one) for one in styles]), persistent=False)
            features = [vgg(one, tuple(self.style_layers)) for one in styles]
        for layer in self.style_layers:
            grams = torch.cat([gram_matrix(each[layer]) for each in features])
            self.register_buffer(f"gram_{layer}", grams, persistent=False)

    @torch.no_grad()
    def targets(self, content: Tensor) -> dict[str, Tensor]:
        """Features of the content ``(B, 3, H, W)``, computed only as deep as its term needs."""
        return self.vgg(content, tuple(self.content_layers))

    def terms(self, picture: Tensor, targets: Mapping[str, Tensor], mix: Tensor | None = None) -> dict[str, Tensor]:
        """The loss and its weighted terms ``content``, ``style``, ``color`` and ``tv``, means over the pictures.

        Args:
            picture: pictures ``(B, 3, H, W)``.
            targets: features of their contents, from :meth:`targets`.
            mix: weights ``(B, S)`` or ``(1, S)`` of the styles, whose sum is 1; None: the first style.
        """
        if mix is None:
            mix = F.one_hot(torch.zeros(1, dtype=torch.long), len(self.colors))
        mix = mix.to(self.colors)
        features = self.vgg(picture)
        content = self.content_weight * self._content(features, targets)
        style = self.style_weight * self._style(features, mix)
        color = self.color_weight * self._color(picture, mix) if self.color_weight else style.new_zeros(())
        tv = self.tv_weight * total_variation(picture)
        return {"loss": content + style + color + tv, "content": content, "style": style, "color": color, "tv": tv}

    def forward(self, picture: Tensor, targets: Mapping[str, Tensor], mix: Tensor | None = None) -> Tensor:
        """The loss, a scalar; see :meth:`terms`."""
        return self.terms(picture, targets, mix)["loss"]

    def content_distance(self, picture: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """The content term without its weight: 0 for the content itself."""
        return self._content(self.vgg(picture, tuple(self.content_layers)), targets)

    def _content(self, features: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        total = self.colors.new_zeros(())
        for layer, weight in self.content_layers.items():
            target = targets[layer].float()
            distance = (features[layer].float() - target).square().mean((1, 2, 3))
            total = total + weight * (distance / target.square().mean((1, 2, 3)).clamp_min(EPSILON)).mean()
        return total

    def _style(self, features: Mapping[str, Tensor], mix: Tensor) -> Tensor:
        total = self.colors.new_zeros(())
        for layer, weight in self.style_layers.items():
            target = blended_targets(mix, self.get_buffer(f"gram_{layer}"))
            squared = (gram_matrix(features[layer]) - target).square().sum((1, 2))
            norm = target.square().sum((1, 2))
            total = total + weight * (squared / torch.where(norm > 0, norm, 1) + EPSILON).sqrt().mean()
        return total

    def _color(self, picture: Tensor, mix: Tensor) -> Tensor:
        return (self.sorted_colors(picture) - blended_targets(mix, self.colors)).square().mean()

    def sorted_colors(self, picture: Tensor) -> Tensor:
        """Quantiles of the colours along each direction, ``(B, 3, H, W)`` -> ``(B, DIRECTIONS, QUANTILES)``."""
        with torch.autocast(picture.device.type, enabled=False):
            blocks = F.avg_pool2d(picture.float(), COLOR_STRIDE, ceil_mode=True).flatten(2)
            values = (self.directions @ blocks).sort(-1).values
        places = torch.linspace(0, values.shape[-1] - 1, QUANTILES, device=values.device).round().long()
        return values[..., places]


def blended_targets(mix: Tensor, targets: Tensor) -> Tensor:
    """Means of targets ``(S, ...)`` by weights ``(B, S)``, in their own precision also under autocast: ``(B, ...)``."""
    with torch.autocast(targets.device.type, enabled=False):
        return torch.einsum("bs,s...->b...", mix, targets)
