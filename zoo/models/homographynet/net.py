"""HomographyNet, from two pictures to the four corners of one in the other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.base.bounds import Pixels
from zoo.base.errors import ZooError
from zoo.models.base import Model
from zoo.models.homographynet.field import CELLS, SIZE, centers, corner_offsets
from zoo.pictures.geometry import corner_points

UNIT, SMALLEST = 8.0, 0.05  # pixels of a field: what its layers count in, and the least scale of an error
HEADS = ("regression", "classification", "field")


class HomographyNet(Model):
    """Deep image homography estimation (DeTone et al., 2016, https://arxiv.org/abs/1606.03798).

    Input: pairs of grey pictures in 0..1, ``(B, 2, 128, 128)``, a before b. Output ``(B, 4, 2)``: where the corners of
    a (upper left, upper right, lower right, lower left; x before y) lie in b, less where they lie in a, in pixels.

    Deviations from the paper:

    - ``backbone="squeeze"``: fire modules as in SqueezeNet 1.1 (https://arxiv.org/abs/1602.07360), with batch norm and
      residuals, instead of the VGG-like stack; under 1 M parameters instead of 34.
    - ``fusion="correlation"``, the default of that backbone: each picture goes through the first half by itself, and
      the second half sees how well each cell of a agrees with the 9x9 cells around its place in b, as in FlowNetC
      (https://arxiv.org/abs/1504.06852), instead of the two pictures as channels of one.
    - The mean and the deviation of each picture are normalised away, and with them brightness and contrast.
    - The classification head gives the expected value over the bins, not the middle of the likeliest.
    - The paper warps its second patch, here it is the first: so the corners are those of a in b.

    Args:
        backbone: "vgg" is the paper's, of 34.19 M parameters with the regression head.
        head: "regression" to eight numbers, "classification" to 21 bins for each of them, or "field": how far each of
            16x16 cells moves, and the scale of the error, to which a homography is fitted, as in Perspective Fields
            (Zeng et al., ACCV 2018); with fusion "correlation" only.
        fusion: "stack" or "correlation"; None is the backbone's own, "stack" for "vgg".
        channels: 1 for grey pictures, 3 for RGB: ``(B, 6, 128, 128)``.
        max_offset: the largest offset that the bins reach, and the unit of the regression, in pixels.
    """

    any_size = False
    BINS = 21

    def __init__(
        self,
        backbone: Literal["squeeze", "vgg"] = "squeeze",
        head: Literal["regression", "classification", "field"] = "regression",
        fusion: Literal["stack", "correlation"] | None = None,
        channels: Literal[1, 3] = 1,
        max_offset: Pixels = 32.0,
    ) -> None:
        super().__init__()
        self.head, self.channels, self.max_offset = head, channels, max_offset
        if channels not in (1, 3):
            raise ZooError(f"channels are 1 of grey pictures or 3 of RGB, not {channels}")
        if head not in HEADS:
            raise ZooError(f"head is one of {', '.join(HEADS)}, not {head!r}")
        outputs = 8 if head == "regression" else 8 * self.BINS
        make = {
            ("vgg", "stack"): paper_layers,
            ("squeeze", "stack"): squeeze_layers,
            ("squeeze", "correlation"): correlating_layers,
        }
        fusion = fusion or ("stack" if backbone == "vgg" else "correlation")
        if (backbone, fusion) not in make:
            raise ZooError(f"no backbone {backbone!r} with fusion {fusion!r}; there are {', '.join(map(str, make))}")
        if head == "field" and fusion != "correlation":
            raise ZooError(f"head 'field' goes with fusion 'correlation', not {fusion!r}")
        self.layers = FieldLayers(channels) if head == "field" else make[backbone, fusion](channels, outputs)
        self.centers: Tensor
        self.cells: Tensor
        self.corners: Tensor
        self.register_buffer("cells", torch.from_numpy(centers()).float(), persistent=False)
        self.register_buffer("corners", torch.from_numpy(corner_points(SIZE)).float(), persistent=False)
        self.register_buffer("centers", torch.linspace(-max_offset, max_offset, self.BINS), persistent=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.offsets(self.raw(pairs))

    def raw(self, pairs: Tensor) -> Tensor:
        """What the last layer says: ``(B, 8)``, logits ``(B, 8, 21)`` of the classification head, or the field.

        A field is ``(B, 3, 16, 16)``: how far each cell's middle moves in x and y, and the error's scale, in pixels.
        """
        if pairs.shape[1:] != (2 * self.channels, SIZE, SIZE):
            want = (2 * self.channels, SIZE, SIZE)
            raise ZooError(f"pairs are (B, {', '.join(map(str, want))}), not {tuple(pairs.shape)}; predict takes any")
        raw = self.layers(standardize(pairs, self.channels))
        return raw.reshape(-1, 8, self.BINS) if self.head == "classification" else raw

    def offsets(self, raw: Tensor) -> Tensor:
        """Offsets in pixels ``(B, 4, 2)`` from what :meth:`raw` gives."""
        if self.head == "regression":
            return raw.reshape(-1, 4, 2) * self.max_offset
        if self.head == "field":
            return corner_offsets(raw.float(), self.cells, self.corners, torch)
        return (raw.softmax(-1) * self.centers).sum(-1).reshape(-1, 4, 2)

    def infer(self, x: Tensor) -> tuple[Tensor, ...]:
        """Offsets ``(B, 4, 2)`` and, of the classification head, their :func:`spread` ``(B,)``; or the field."""
        raw = self.raw(x)
        if self.head == "field":
            return (raw,)
        if self.head == "regression":
            return (self.offsets(raw),)
        return self.offsets(raw.float()), spread(raw.float(), self.centers)

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return {"regression": ("offsets",), "classification": ("offsets", "spread"), "field": ("field",)}[self.head]

    def facts(self) -> dict[str, Any]:
        return {"channels": self.channels, **({"field": True} if self.head == "field" else {})}


def standardize(pairs: Tensor, channels: int = 1) -> Tensor:
    """Each picture of each pair with mean 0 and deviation 1; one without contrast becomes 0, not noise."""
    pictures = pairs.reshape(-1, 2, channels, *pairs.shape[-2:])
    mean = pictures.mean((2, 3, 4), keepdim=True)
    variance = (pictures - mean).square().mean((2, 3, 4), keepdim=True)
    return ((pictures - mean) * torch.rsqrt(variance + 1e-4)).flatten(1, 2)


def spread(logits: Tensor, centers: Tensor) -> Tensor:
    """How far the distributions over bins reach, ``(B,)`` pixels: root mean square of their corners' deviation.

    Less the variance that the two bins beside the mean alone would have, since these are what a network that is sure
    of a value between their centres is taught to answer.

    Args:
        logits: ``(B, 8, bins)``.
        centers: of the bins, evenly spaced, ``(bins,)``.
    """
    share = logits.softmax(-1)
    mean = (share * centers).sum(-1, keepdim=True)
    variance = (share * (centers - mean).square()).sum(-1)
    step = centers[1] - centers[0]
    place = (mean[..., 0] - centers[0]) / step
    place = place - place.floor()  # torch's frac cannot be exported
    excess = (variance - place * (1 - place) * step.square()).clamp(min=0)
    return (2 * excess.mean(-1)).sqrt()  # of x and y together


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
    """How well each cell of a agrees with the cells of b around its place.

    ``(2B, C, n, n)`` -> ``(B, (2r+1)^2, n, n)``; the pictures of a pair follow each other in the batch. Agreement is
    the cosine between the cells' features, times ``scale``; cells outside b agree with nothing, 0.
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
    numbers = 1.0 + torch.arange(cells * cells).reshape(1, 1, cells, cells)
    around = F.unfold(numbers, 2 * radius + 1, padding=radius).long()  # 0 outside
    return torch.where(around > 0, around - 1, cells * cells).transpose(1, 2).contiguous()


def correlating_layers(channels: int, outputs: int) -> nn.Sequential:
    """Each picture by itself to 16x16 cells, then what their comparison says."""
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
    """Each picture of a pair by itself: ``(B, 2C, 128, 128)`` -> ``(2B, 64, 16, 16)``."""
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


class FieldLayers(nn.Module):
    """``(B, 2C, 128, 128)`` -> ``(B, 3, 16, 16)``: displacement of each cell in x and y, and the scale of its error.

    The comparison of the cells and what a shows there go through a U-Net.
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
        self.fine_again = nn.Sequential(Fire(320, 48, 64), Fire(128, 32, 64), nn.Conv2d(128, 3, 1))

    def forward(self, pairs: Tensor) -> Tensor:
        features = self.alone(pairs)
        a = features.reshape(-1, 2, *features.shape[1:])[:, 0]
        fine = self.fine(torch.cat((self.compare(features), a), 1))
        middle = self.middle(fine)
        coarse = F.interpolate(self.coarse(middle), scale_factor=2.0)
        middle = F.interpolate(self.middle_again(torch.cat((coarse, middle), 1)), scale_factor=2.0)
        raw = self.fine_again(torch.cat((middle, fine), 1)).float()
        return torch.cat((raw[:, :2] * UNIT, SMALLEST + UNIT * F.softplus(raw[:, 2:])), 1)


class Apart(nn.Module):
    """``(B, 2C, H, W)`` -> ``(2B, C, H, W)``."""

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
    """From 8x8 cells to numbers; SqueezeNet's mean over the cells would forget where they are."""
    return [conv_block(n, kept, 1), nn.Flatten(), nn.Linear(64 * kept, 128), nn.ReLU(), nn.Linear(128, outputs)]


def paper_layers(channels: int, outputs: int) -> nn.Sequential:
    """The paper's figure: eight 3x3 convolutions, a pool after each pair but the last, two dense layers."""
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
