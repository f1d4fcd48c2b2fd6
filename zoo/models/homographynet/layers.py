"""The layers of HomographyNet: the paper's, SqueezeNet's, and layers that compare the cells of two pictures."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.models.homographynet.field import CELLS

UNIT, MIN_SCALE = 8.0, 0.05  # pixels of a field: unit of the last layer, and least scale of an error


class Fire(nn.Module):
    """SqueezeNet's fire module: a 1x1 convolution to few channels, then 1x1 and 3x3 side by side to many."""

    def __init__(self, n: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = conv_block(n, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1, bias=False)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(2 * expand)
        self.residual = n == 2 * expand

    def forward(self, x: Tensor) -> Tensor:
        y = self.squeeze(x)
        y = self.norm(torch.cat((self.expand1(y), self.expand3(y)), 1))
        return F.relu(y + x if self.residual else y)


class Correlation(nn.Module):
    """How well each cell of a agrees with the cells of b around the same place.

    ``(2B, C, n, n)`` -> ``(B, (2r+1)^2, n, n)``; the pictures of a pair follow each other in the batch. Agreement is
    the cosine between the cells' features, times ``scale``; it is 0 for cells outside b.
    """

    def __init__(self, cells: int, radius: int, scale: float = 4.0) -> None:
        super().__init__()
        self.around, self.scale = (2 * radius + 1) ** 2, scale
        self.places: Tensor
        self.register_buffer("places", neighbours(cells, radius), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        n = features.shape[-1]
        unit = features * torch.rsqrt(features.float().square().sum(1, keepdim=True) + 1e-6).to(features.dtype)
        a, b = unit.reshape(-1, 2, unit.shape[1], n * n).unbind(1)
        agreement = F.pad(torch.bmm(a.transpose(1, 2), b), (0, 1)) * self.scale  # each cell of a with each of b, and 0
        near = agreement.gather(2, self.places.expand(agreement.shape[0], -1, -1))
        return near.reshape(-1, n, n, self.around).permute(0, 3, 1, 2)


def neighbours(cells: int, radius: int) -> Tensor:
    """Index of the cells around each cell, row by row: ``(1, n * n, (2r+1)^2)``; those outside have index n * n."""
    numbers = 1.0 + torch.arange(cells * cells, device="cpu").reshape(1, 1, cells, cells)  # also of a network on meta
    around = F.unfold(numbers, 2 * radius + 1, padding=radius).long()  # 0 outside
    return torch.where(around > 0, around - 1, cells * cells).transpose(1, 2).contiguous()


def correlating_layers(channels: int, outputs: int) -> nn.Sequential:
    """Layers that take each picture by itself to 16x16 cells, and then compare the cells."""
    radius = 4  # cells of 8 pixels: the 32 that the corners move by
    together = nn.Sequential(
        conv_block((2 * radius + 1) ** 2, 128, 1),
        Fire(128, 32, 64),
        Fire(128, 32, 64),
        nn.MaxPool2d(2),
        Fire(128, 48, 192),
        Fire(384, 48, 192),
    )
    return nn.Sequential(alone(channels), Correlation(CELLS, radius), together, *dense_layers(384, 32, outputs))


def alone(channels: int) -> nn.Sequential:
    """Layers for each picture of a pair by itself: ``(B, 2C, 128, 128)`` -> ``(2B, 64, 16, 16)``."""
    return nn.Sequential(
        Apart(channels),
        conv_block(channels, 32, 8, stride=4, padding=2),
        Fire(32, 16, 32),
        Fire(64, 16, 32),
        nn.MaxPool2d(2),
        Fire(64, 32, 64),
        Fire(128, 32, 64),
        nn.Conv2d(128, 64, 1),
    )


def in_full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """Disables autocast on the device of a tensor, where it is enabled."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()


class FieldLayers(nn.Module):
    """``(B, 2C, 128, 128)`` -> ``(B, 3, 16, 16)``: displacement of each cell in x and y, and the scale of its error.

    A U-Net takes the comparison of the cells and the features of a.
    """

    RADIUS = 5  # cells of 8 pixels

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alone, self.compare = alone(channels), Correlation(CELLS, self.RADIUS)
        self.fine = nn.Sequential(
            conv_block((2 * self.RADIUS + 1) ** 2 + 64, 128, 1), Fire(128, 32, 64), Fire(128, 32, 64)
        )
        self.middle = nn.Sequential(nn.MaxPool2d(2), Fire(128, 48, 96), Fire(192, 48, 96))
        self.coarse = nn.Sequential(nn.MaxPool2d(2), Fire(192, 48, 96), Fire(192, 48, 96))
        self.middle_again = nn.Sequential(Fire(384, 48, 96), Fire(192, 48, 96))
        self.fine_again = nn.Sequential(Fire(320, 48, 64), Fire(128, 32, 64))
        self.last = nn.Conv2d(128, 3, 1)

    def forward(self, pairs: Tensor) -> Tensor:
        features = self.alone(pairs)
        a = features.reshape(-1, 2, *features.shape[1:])[:, 0]
        fine = self.fine(torch.cat((self.compare(features), a), 1))
        middle = self.middle(fine)
        coarse = F.interpolate(self.coarse(middle), scale_factor=2.0)
        middle = F.interpolate(self.middle_again(torch.cat((coarse, middle), 1)), scale_factor=2.0)
        fine = self.fine_again(torch.cat((middle, fine), 1))
        with in_full_precision(fine):  # bfloat16 resolves 32 pixels only to a quarter
            raw = self.last(fine.to(self.last.weight.dtype))
        return torch.cat((raw[:, :2] * UNIT, MIN_SCALE + UNIT * F.softplus(raw[:, 2:])), 1)


class Apart(nn.Module):
    """Separates the pictures of pairs: ``(B, 2C, H, W)`` -> ``(2B, C, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, pairs: Tensor) -> Tensor:
        return pairs.reshape(-1, self.channels, *pairs.shape[-2:])


def squeeze_layers(channels: int, outputs: int) -> nn.Sequential:
    """SqueezeNet 1.1 on both pictures at once."""
    return nn.Sequential(
        conv_block(2 * channels, 64, 3, stride=2),
        nn.MaxPool2d(2),
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        nn.MaxPool2d(2),
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        nn.MaxPool2d(2),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
        *dense_layers(512, 24, outputs),
    )


def dense_layers(n: int, kept: int, outputs: int) -> list[nn.Module]:
    """From 8x8 cells to outputs; SqueezeNet's mean over the cells would lose their positions."""
    return [conv_block(n, kept, 1), nn.Flatten(), nn.Linear(64 * kept, 128), nn.ReLU(), nn.Linear(128, outputs)]


def paper_layers(channels: int, outputs: int) -> nn.Sequential:
    """The paper's network: eight 3x3 convolutions, pooling after each pair but the last, two dense layers."""
    widths = (2 * channels, 64, 64, 64, 64, 128, 128, 128, 128)
    layers: list[nn.Module] = []
    for i, (n, m) in enumerate(pairwise(widths)):
        layers.append(conv_block(n, m, 3, bias=True))
        if i in (1, 3, 5):
            layers.append(nn.MaxPool2d(2))
    dense = [nn.Flatten(), nn.Dropout(0.5), nn.Linear(CELLS * CELLS * 128, 1024), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, *dense, nn.Linear(1024, outputs))


def conv_block(
    n: int, m: int, kernel: int, stride: int = 1, padding: int | None = None, bias: bool = False
) -> nn.Sequential:
    padding = kernel // 2 if padding is None else padding
    conv = nn.Conv2d(n, m, kernel, stride, padding, bias=bias)
    return nn.Sequential(conv, nn.BatchNorm2d(m), nn.ReLU(inplace=True))
