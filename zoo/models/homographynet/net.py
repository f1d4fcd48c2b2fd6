"""HomographyNet, from two pictures to the four corners of one in the other."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from zoo.base.bounds import Pixels
from zoo.base.errors import ZooError
from zoo.models.base import Model
from zoo.models.homographynet.field import cell_centers, corner_offsets
from zoo.models.homographynet.layers import (
    FieldLayers,
    correlating_layers,
    in_full_precision,
    paper_layers,
    squeeze_layers,
)
from zoo.pictures.geometry import NET_SIZE, corner_points

HEADS = ("regression", "classification", "field")


class HomographyNet(Model):
    """Deep image homography estimation (DeTone et al., 2016, https://arxiv.org/abs/1606.03798).

    Input: pairs of grey pictures in 0..1, ``(B, 2, 128, 128)``, a before b. Output ``(B, 4, 2)``: positions of the
    corners of a (upper left, upper right, lower right, lower left; x before y) in b minus their positions in a, in
    pixels.

    Deviations from the paper:

    - ``backbone="squeeze"``: fire modules as in SqueezeNet 1.1 (https://arxiv.org/abs/1602.07360), with batch norm and
      residuals, instead of the VGG-like stack; under 1 M parameters instead of 34.
    - ``fusion="correlation"``, the default of that backbone: each picture goes through the first half by itself, and
      the second half sees how well each cell of a agrees with the 9x9 cells around its place in b, as in FlowNetC
      (https://arxiv.org/abs/1504.06852), instead of the two pictures as channels of one.
    - The mean and the deviation of each picture are normalised away, and with them brightness and contrast.
    - The classification head gives the expected value over the bins, not the middle of the likeliest.
    - The paper warps its second patch. Here the first patch is warped, so the outputs are corners of a in b.

    Args:
        backbone: "squeeze", or "vgg", the paper's backbone: 34.19 M parameters with the regression head.
        head: "regression" to eight numbers, "classification" to 21 bins for each of them, or "field": displacement of
            each of 16x16 cells and the scale of its error, to which a homography is fitted, as in Perspective Fields
            (Zeng et al., ACCV 2018). "field" needs fusion "correlation".
        fusion: "stack" or "correlation"; None: the backbone's default, which is "stack" for "vgg".
        channels: 1 for grey pictures, 3 for RGB: ``(B, 6, 128, 128)``.
        max_offset: largest offset that the bins reach, and unit of the regression, in pixels.
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
            raise ZooError(f"channels must be 1 for grey pictures or 3 for RGB, not {channels}")
        if head not in HEADS:
            raise ZooError(f"head must be one of {', '.join(HEADS)}, not {head!r}")
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
        self.register_buffer("cells", torch.from_numpy(cell_centers()).float(), persistent=False)
        self.register_buffer("corners", torch.from_numpy(corner_points(NET_SIZE)).float(), persistent=False)
        self.register_buffer("centers", torch.linspace(-max_offset, max_offset, self.BINS), persistent=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.offsets(self.raw(pairs))

    def raw(self, pairs: Tensor) -> Tensor:
        """Output of the last layer: ``(B, 8)``, logits ``(B, 8, 21)`` of the classification head, or the field.

        A field is ``(B, 3, 16, 16)``: displacement of each cell's centre in x and y, and scale of its error, in pixels.
        """
        if pairs.shape[1:] != (2 * self.channels, NET_SIZE, NET_SIZE):
            want = (2 * self.channels, NET_SIZE, NET_SIZE)
            raise ZooError(
                f"pairs must be (B, {', '.join(map(str, want))}), not {tuple(pairs.shape)}; predict takes any pictures"
            )
        raw = self.layers(standardize(pairs, self.channels))
        return raw.reshape(-1, 8, self.BINS) if self.head == "classification" else raw

    def offsets(self, raw: Tensor) -> Tensor:
        """Offsets in pixels ``(B, 4, 2)`` from the output of :meth:`raw`."""
        if self.head == "regression":
            return raw.reshape(-1, 4, 2) * self.max_offset
        if self.head == "field":
            with in_full_precision(raw):
                return corner_offsets(raw.to(self.cells.dtype), self.cells, self.corners, torch)
        return (raw.softmax(-1) * self.centers).sum(-1).reshape(-1, 4, 2)

    def infer(self, x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
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
    """Each picture normalised to mean 0 and deviation 1; a picture without contrast becomes 0, not noise."""
    pictures = pairs.reshape(-1, 2, channels, *pairs.shape[-2:])
    mean = pictures.mean((2, 3, 4), keepdim=True)
    variance = (pictures - mean).square().mean((2, 3, 4), keepdim=True)
    return ((pictures - mean) * torch.rsqrt(variance + 1e-4)).flatten(1, 2)


def spread(logits: Tensor, centers: Tensor) -> Tensor:
    """Spread of the distributions over bins, ``(B,)`` pixels: root mean square of the corners' deviation.

    The variance that the two bins beside the mean alone would have is subtracted: a network that is sure of a value
    between their centres is trained to answer these two bins.

    Args:
        logits: ``(B, 8, bins)``.
        centers: evenly spaced centres of the bins, ``(bins,)``.
    """
    probability = logits.softmax(-1)
    mean = (probability * centers).sum(-1, keepdim=True)
    variance = (probability * (centers - mean).square()).sum(-1)
    step = centers[1] - centers[0]
    place = (mean[..., 0] - centers[0]) / step
    place = place - place.floor()  # torch's frac cannot be exported
    excess = (variance - place * (1 - place) * step.square()).clamp(min=0)
    return (2 * excess.mean(-1)).sqrt()  # x and y together
