"""XFeat, from a picture to keypoints and descriptors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.base.bounds import Interval
from zoo.base.errors import ZooError
from zoo.models.base import Model
from zoo.models.xfeat.features import CELL, Features
from zoo.models.xfeat.predict import Matcher

STRIDE = 32  # side in pixels of a cell of the coarsest features


class XFeat(Model):
    """Accelerated features for lightweight image matching (Potje et al., 2024, https://arxiv.org/abs/2404.19174).

    Input: grey pictures in 0..1, ``(B, 1, H, W)``, of any size; the network normalises them. Outputs, one for each cell
    of 8x8 pixels, h = ceil(H / 8) and w = ceil(W / 8):

    - ``descriptors`` ``(B, 64, h, w)``, not of unit length;
    - ``keypoints`` ``(B, 65, h, w)``: logits of the cell's pixels, row by row, and of "no keypoint here";
    - ``reliability`` ``(B, 1, h, w)``: logit that the descriptor finds its counterpart.

    Deviations from the paper:

    - There is no matching by the dense map, and so no head that corrects positions within cells: keypoints have
      positions of their own.
    - Keypoints and reliability are logits; the code that reads them applies softmax and sigmoid.

    Args:
        width: factor of the paper's numbers of channels; descriptors keep 64.
    """

    outputs = ("descriptors", "keypoints", "reliability")

    def __init__(self, width: Annotated[float, Interval(gt=0, le=4)] = 1.0) -> None:
        super().__init__()
        narrow, middle, wide = (max(8, round(width * n / 8) * 8) for n in (24, 64, 128))
        self.skip = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, narrow, 1))
        self.shallow = nn.Sequential(layer(1, 4), layer(4, 8, stride=2), layer(8, 8), layer(8, narrow, stride=2))
        self.quarter = nn.Sequential(layer(narrow, narrow), layer(narrow, narrow))
        self.eighth = nn.Sequential(layer(narrow, middle, stride=2), layer(middle, middle), layer(middle, middle, 1))
        self.sixteenth = nn.Sequential(layer(middle, middle, stride=2), layer(middle, middle), layer(middle, middle))
        self.coarsest = nn.Sequential(
            layer(middle, wide, stride=2), layer(wide, wide), layer(wide, wide), layer(wide, middle, 1)
        )
        self.fuse = nn.Sequential(layer(middle, middle), layer(middle, middle), nn.Conv2d(middle, 64, 1))
        self.reliability = nn.Sequential(layer(64, middle, 1), layer(middle, middle, 1), nn.Conv2d(middle, 1, 1))
        self.keypoints = nn.Sequential(
            layer(CELL**2, middle, 1), layer(middle, middle, 1), layer(middle, middle, 1),
            nn.Conv2d(middle, CELL**2 + 1, 1),
        )  # fmt: skip
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if x.dim() != 4 or x.shape[1] != 1:
            raise ZooError(f"pictures must be (B, 1, H, W), not {tuple(x.shape)}; predict takes any pictures")
        height, width = ((side + CELL - 1) // CELL for side in x.shape[2:])  # ONNX rounds quotients to zero
        x = padded(standardize(x))
        quarter = self.quarter(self.shallow(x) + self.skip(x))
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        coarsest = self.coarsest(sixteenth)
        size = eighth.shape[2:]
        features = self.fuse(
            eighth + F.interpolate(sixteenth, size, mode="bilinear") + F.interpolate(coarsest, size, mode="bilinear")
        )
        found = features, self.keypoints(unshuffled(x)), self.reliability(features)
        descriptors, keypoints, reliability = (each[..., :height, :width] for each in found)
        return descriptors, keypoints, reliability

    def infer(self, x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        return self(x)

    @property
    def features(self) -> Callable[..., Features]:
        """Finds keypoints of a picture with their descriptors; see :meth:`Matcher.features`."""
        return Matcher(self.engine).features


def unshuffled(x: Tensor) -> Tensor:
    """The pixels of each cell as channels, row by row; OpenCV 5 misreads the graph of ``pixel_unshuffle``."""
    count, _, height, width = x.shape
    cells = x.reshape(count, height // CELL, CELL, width // CELL, CELL).permute(0, 2, 4, 1, 3)
    return cells.reshape(count, CELL**2, height // CELL, width // CELL)


def standardize(pictures: Tensor) -> Tensor:
    """Pictures normalised to mean 0 and deviation 1; a picture without contrast becomes 0, not noise."""
    mean = pictures.mean(3, keepdim=True).mean(2, keepdim=True)  # rows first: more exact in float32
    variance = (pictures - mean).square().mean(3, keepdim=True).mean(2, keepdim=True)
    return (pictures - mean) * torch.rsqrt(variance + 1e-4)


def padded(x: Tensor) -> Tensor:
    """Pictures padded to multiples of 32 pixels by repeating the edge to the right and below."""
    return F.pad(x, (0, -x.shape[3] % STRIDE, 0, -x.shape[2] % STRIDE), mode="replicate")


def layer(n: int, m: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """The paper's basic layer: convolution, batch norm, ReLU."""
    conv = nn.Conv2d(n, m, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(m), nn.ReLU(inplace=True))
