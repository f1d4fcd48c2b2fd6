"""LinkNet, an encoder-decoder for segmentation whose skips are additions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from zoo.base.bounds import Byte, Classes, Enlargement
from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean
from zoo.models.base import Model
from zoo.nn.mode import unset
from zoo.nn.pretrained import timm_file
from zoo.nn.resize import BilinearResize
from zoo.nn.uncompiled import Conv2dSame, timm
from zoo.pictures.sheets import distinct_colors

WAY_OUT = "give --model.encoder_weights FILE.safetensors, or null for a random start"
STRIDE = 32  # stride of the deepest feature, in pixels of the encoder's input
HALO = 128  # pixels beyond which the picture hardly matters
PAPER_WIDTHS = (64, 128, 256, 512)  # channels of ResNet-18 at strides 4, 8, 16 and 32


class LinkNet(Model):
    """LinkNet (Chaurasia and Culurciello, 2017, https://arxiv.org/abs/1707.03718).

    Input: RGB in 0..1, ``(B, 3, H, W)``, any size. Output: logits ``(B, num_classes, H, W)``.

    Deviations from the paper:

    - Any timm encoder with features at strides 4 to 32. Where its widths differ from ResNet-18's, a 1x1
      convolution brings each feature to ResNet-18's width, so that the decoder is the same for every encoder.
    - ``stem_skip`` adds the encoder's stride-2 feature in the head; off, as in the paper, by default.
    - Encoders with TensorFlow's "same" padding get symmetric padding (:func:`pad_symmetrically`).
    - Upsampled features are cropped to the size of their skip, so that no input size needs padding.
    - ``input_scale`` enlarges the picture before the encoder, and reduces the logits to the picture's size again: thin
      objects then cover more of the encoder's cells. By default it is 1, as in the paper.

    Args:
        num_classes: channels of the output.
        encoder: name of a timm model.
        encoder_weights: ``"timm"`` for timm's own pretrained weights, the path of a safetensors file with timm's
            names, or None for a random start.
        stem_skip: whether the head sees the stride-2 feature.
        labels: names of the classes, for the results of ``predict``.
        palette: one RGB colour (0..255) per class, for the results of ``predict``.
        input_scale: factor by which the picture is enlarged for the encoder, 1 to 4 in steps of 0.25.
    """

    outputs = ("logits",)

    def __init__(
        self,
        num_classes: Classes,
        encoder: str = "resnet18",
        encoder_weights: str | None = None,
        stem_skip: bool = False,
        labels: Sequence[str] | None = None,
        palette: Sequence[Sequence[Byte]] | None = None,
        input_scale: Enlargement = 1.0,
    ) -> None:
        super().__init__()
        if not 1 <= input_scale <= 4 or 4 * input_scale % 1:
            raise ZooError(f"input_scale must be 1 to 4 in steps of 0.25, such as 1.5, not {input_scale}")
        self.mean: Tensor
        self.std: Tensor
        self.labels = tuple(labels or (f"class {i}" for i in range(num_classes)))
        self.palette = tuple((int(r), int(g), int(b)) for r, g, b in palette or distinct_colors(num_classes))
        if not len(self.labels) == len(self.palette) == num_classes:
            raise ZooError(f"{num_classes} classes, but {len(self.labels)} labels and {len(self.palette)} colours")
        self.encoder = create_encoder(encoder, encoder_weights)
        widths = self.encoder.feature_info.channels()
        self.laterals = nn.ModuleList(
            nn.Identity() if have == want else conv_block(have, want, 1)
            for have, want in zip(widths[-4:], PAPER_WIDTHS, strict=True)
        )
        w4, w8, w16, w32 = PAPER_WIDTHS
        self.decoder = nn.ModuleList([Decoder(w32, w16), Decoder(w16, w8), Decoder(w8, w4), Decoder(w4, w4, stride=1)])
        self.stem_lateral = nn.Conv2d(widths[0], 32, 1) if stem_skip else None
        self.head_up = full_conv_block(w4, 32, stride=2, bias=True)
        self.head_conv = conv_block(32, 32, 3, bias=True)
        self.classifier = nn.ConvTranspose2d(32, num_classes, 2, 2)
        p, d = float(input_scale).as_integer_ratio()
        self.stride = STRIDE * d  # pixels of the picture after which the grid of the deepest feature repeats itself
        self.enlarge = BilinearResize(p, d, 3) if p != d else nn.Identity()
        self.shrink = BilinearResize(d, p, num_classes) if p != d else nn.Identity()

        cfg = self.encoder.pretrained_cfg
        self.register_buffer("mean", torch.tensor(cfg["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(cfg["std"]).view(1, 3, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        stem, *features = self.encoder(self.enlarge((x - self.mean) / self.std))[-5:]
        *skips, y = [lateral(feature) for lateral, feature in zip(self.laterals, features, strict=True)]
        *upward, last = self.decoder
        for block, skip in zip(upward, reversed(skips), strict=True):
            y = crop_to(block(y), skip) + skip
        y = crop_to(self.head_up(last(y)), stem)
        if self.stem_lateral is not None:
            y = y + self.stem_lateral(stem)
        return crop_to(self.shrink(self.classifier(self.head_conv(y))), x)

    def further(self, *outputs: Tensor) -> dict[str, Tensor]:
        """The likeliest class of each pixel, ``(B, H, W)`` uint8."""
        return {"mask": outputs[0].argmax(1).to(torch.uint8)}

    @property
    def halo(self) -> int:
        return HALO

    def facts(self) -> dict[str, Any]:
        return {"labels": self.labels, "palette": self.palette, "stride": self.stride}


class Decoder(nn.Sequential):
    """The paper's decoder block: 1x1 n -> n/4, full convolution, 1x1 n/4 -> m."""

    def __init__(self, n: int, m: int, stride: int = 2) -> None:
        super().__init__(conv_block(n, n // 4, 1), full_conv_block(n // 4, n // 4, stride), conv_block(n // 4, m, 1))


def conv_block(n: int, m: int, kernel: int, bias: bool = False) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n, m, kernel, padding=kernel // 2, bias=bias), nn.BatchNorm2d(m), nn.ReLU(inplace=True)
    )


def full_conv_block(n: int, m: int, stride: int, bias: bool = False) -> nn.Sequential:
    """3x3 "full" (transposed) convolution that multiplies the size by ``stride``."""
    full_conv = nn.ConvTranspose2d(n, m, 3, stride, padding=1, output_padding=stride - 1, bias=bias)
    return nn.Sequential(full_conv, nn.BatchNorm2d(m), nn.ReLU(inplace=True))


def crop_to(y: Tensor, like: Tensor) -> Tensor:
    return y[..., : like.shape[-2], : like.shape[-1]]


def create_encoder(name: str, weights: str | None) -> Any:
    """Makes a timm model that returns its features; its ``pretrained_cfg`` holds mean and deviation of the input."""
    if not timm.is_model(name):
        raise ZooError(f"timm has no encoder {name!r}{did_you_mean(name, timm.list_models())}")
    options: dict[str, Any] = {}
    if weights is not None:
        file = timm_file(name, WAY_OUT) if weights == "timm" else _own_file(str(weights), name)
        options = {"pretrained": True, "pretrained_cfg_overlay": {"file": file}}
    encoder: Any = timm.create_model(name, features_only=True, **options)
    if (strides := encoder.feature_info.reduction())[-5:] != [2, 4, 8, 16, 32]:
        raise ZooError(f"{name} gives features at strides {strides}; LinkNet needs 2, 4, 8, 16 and 32")
    return pad_symmetrically(encoder)


def _own_file(file: str, name: str) -> str:
    """The file, if it holds weights of the encoder: timm would ignore any other file almost silently."""
    if not file.endswith(".safetensors"):
        raise ZooError(f'encoder_weights must be "timm", the path of a .safetensors file or null, not {file!r}')
    if not Path(file).is_file():
        raise ZooError(f"{file}: no such file; give the encoder's weights by --model.encoder_weights FILE")
    try:
        with safe_open(file, "pt") as tensors:
            stored = set(tensors.keys())
    except SafetensorError as error:
        raise ZooError(f"{file}: not a whole safetensors file: {error}") from None
    with unset():
        own = dict(timm.create_model(name).named_parameters())
    if not stored & own.keys():
        raise ZooError(f"{file}: holds no tensor of {name}, such as {next(iter(own))}")
    return file


def pad_symmetrically(encoder: nn.Module) -> nn.Module:
    """Gives convolutions with TensorFlow's "same" padding the usual symmetric one.

    With stride 2 this moves the sampled grid by one pixel, and changes nothing else away from the border, so pretrained
    weights stay valid. The grid becomes independent of the picture's size, and no copy of the input is needed.
    """
    for conv in encoder.modules():
        if isinstance(conv, Conv2dSame):
            conv.__class__ = nn.Conv2d  # type: ignore[assignment]
            conv.padding = tuple(
                dilation * (kernel - 1) // 2 for kernel, dilation in zip(conv.kernel_size, conv.dilation, strict=True)
            )
    return encoder
