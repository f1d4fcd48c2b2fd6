"""The network."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.base.bounds import Width
from zoo.models.base import Model


class Relief(Model):
    """Light from the left on a picture (https://example.org/relief).

    Input: RGB in 0..1, ``(B, 3, H, W)``, any size. Output: ``(B, 1, H, W)``.

    Args:
        channels: between the two convolutions.
    """

    def __init__(self, channels: Width = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, 1, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x - 0.5)
