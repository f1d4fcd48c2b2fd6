"""VGG as a loss network: features by the layer names of the papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.base.text import did_you_mean

CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # number in each block
WIDTHS = (64, 128, 256, 512, 512)
WAY_OUT = (
    "pass the file to zoo fit as --model.vgg FILE.safetensors, to other commands as --vgg FILE.safetensors, "
    "in Python as vgg=FILE"
)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def layer_names(depth: int) -> list[str]:
    """``conv1_1``, ``relu1_1``, ..., ``pool5``: a layer's place in the list is its number in timm's ``features``."""
    names = []
    for block, convolutions in enumerate(CONVOLUTIONS[depth], start=1):
        names += [f"{kind}{block}_{i}" for i in range(1, convolutions + 1) for kind in ("conv", "relu")]
        names.append(f"pool{block}")
    return names


class VGGFeatures(nn.Module):
    """Features of VGG (Simonyan and Zisserman, 2014, https://arxiv.org/abs/1409.1556), computed only as deep as needed.

    Input: RGB in 0..1, ``(B, 3, H, W)``; normalised here. Output: the features ``(B, C, h, w)`` of each requested
    layer, by its name and in the requested order. A layer after n poolings has ``h = H // 2**n``.

    It is a frozen part of a loss. Its weights are non-persistent buffers: no optimiser sees them, and they are not in
    the state dict of a module that contains it. Gradients reach its input.

    Args:
        layers: names such as ``relu2_2``: conv, relu and pool of blocks 1 to 5.
        depth: number of layers with weights, 16 or 19.
        weights: ``"timm"`` for timm's weights of ImageNet, the path of a safetensors file with timm's names, or None
            for random weights (He et al., 2015).
        pooling: "max", or "average" as in Gatys et al. (2016).
        padding: "zeros", with which VGG was trained, or "replicate", for losses of style: around a picture that is
            optimised, zeros look like a dark frame, which is then painted.

    Raises:
        ZooError: unknown layer, depth or pooling; weights that are missing or do not fit.
    """

    def __init__(
        self,
        layers: Sequence[str],
        depth: Literal[16, 19] = 16,
        weights: str | Path | None = "timm",
        pooling: Literal["max", "average"] = "max",
        padding: Literal["zeros", "replicate"] = "zeros",
    ) -> None:
        super().__init__()
        if padding not in ("zeros", "replicate"):
            raise ZooError(f'padding must be "zeros" or "replicate", not {padding!r}')
        if depth not in CONVOLUTIONS or pooling not in ("max", "average"):
            raise ZooError(f'VGG has depth 16 or 19 and pooling "max" or "average", not {depth!r} and {pooling!r}')
        names = layer_names(depth)
        for layer in layers:
            if layer not in names:
                siblings = [name for name in names if name[:5] == layer[:5]]  # a name in the same block is nearer
                raise ZooError(f"VGG-{depth} has no layer {layer!r}{did_you_mean(layer, siblings or names)}")
        if not layers:
            raise ZooError("name at least one layer of VGG, such as relu2_2")
        self.mean: Tensor
        self.std: Tensor
        self.layers, self.depth, self.pooling, self.padding = tuple(layers), depth, pooling, padding
        self.computed = tuple(names[: 1 + max(map(names.index, layers))])
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        try:
            start = _start(weights, depth, _shapes(self.computed))
        except ZooError as error:
            raise ZooError(f"{error}\n{WAY_OUT}") from error
        for name, tensor in start.items():
            _, number, kind = name.split(".")
            self.register_buffer(f"{self.computed[int(number)]}_{kind}", tensor, persistent=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Features of all requested layers, or of ``layers`` among them, computed only as deep as needed."""
        wanted = self.layers if layers is None else tuple(layers)
        computed = self.computed[: 1 + max(map(self.computed.index, wanted))]
        self._check(x, computed)
        x = (x - self.mean) / self.std
        features: dict[str, Tensor] = {}
        for before, name in pairwise(("", *computed)):
            if name.startswith("conv"):
                weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
                if self.padding == "replicate":
                    x = F.conv2d(F.pad(x, (1, 1, 1, 1), "replicate"), weight, bias)
                else:
                    x = F.conv2d(x, weight, bias, padding=1)
            elif name.startswith("relu"):
                x = F.relu(x, inplace=before not in wanted)
            else:
                x = F.max_pool2d(x, 2) if self.pooling == "max" else F.avg_pool2d(x, 2)
            if name in wanted:
                features[name] = x
        return {name: features[name] for name in wanted}

    def _check(self, x: Tensor, computed: Sequence[str]) -> None:
        if x.ndim != 4 or x.shape[1] != 3:
            raise ValueError(f"pictures must be (B, 3, H, W), not {tuple(x.shape)}")
        least = 2 ** sum(name.startswith("pool") for name in computed)
        height, width = x.shape[-2:]
        if min(height, width) < least:
            raise ZooError(f"{width}x{height} pixels are too few for {computed[-1]} of VGG; it needs {least}x{least}")


def _shapes(layers: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The shapes of weights and biases of the convolutions among the first layers, by timm's names."""
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 3
    for number, layer in enumerate(layers):
        if layer.startswith("conv"):
            outputs = WIDTHS[int(layer[4]) - 1]
            shapes |= {f"features.{number}.weight": (outputs, inputs, 3, 3), f"features.{number}.bias": (outputs,)}
            inputs = outputs
    return shapes


def _start(weights: str | Path | None, depth: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors of these names and shapes, by the argument ``weights`` of :class:`VGGFeatures`."""
    if weights is not None:
        return _read(_find(weights, depth), shapes, depth)
    return {
        name: nn.init.kaiming_normal_(torch.empty(shape), nonlinearity="relu") if len(shape) > 1 else torch.zeros(shape)
        for name, shape in shapes.items()
    }


def _find(weights: str | Path, depth: int) -> Path:
    """The file of the argument ``weights`` of :class:`VGGFeatures`."""
    if weights == "timm":
        from zoo.nn.pretrained import timm_file  # timm is slow to import

        way_out = 'give the path of a .safetensors file with timm\'s names instead of "timm"'
        return Path(timm_file(f"vgg{depth}.tv_in1k", way_out))
    path = Path(weights)
    if path.suffix != ".safetensors":
        raise ZooError(f'weights of VGG must be "timm", the path of a .safetensors file or null, not {str(weights)!r}')
    if not path.is_file():
        raise ZooError(f'{path}: no such file; give the weights of VGG-{depth} with timm\'s names, or "timm"')
    return path


def _read(path: Path, shapes: Mapping[str, tuple[int, ...]], depth: int) -> dict[str, Tensor]:
    """The tensors of these names, as float32. Other tensors are ignored, unless they belong to another network."""
    tensors = {}
    try:
        with safe_open(path, "pt") as file:
            stored = set(file.keys())
            for name in sorted(stored - _shapes(layer_names(depth)).keys()):
                if name.startswith("features."):
                    raise ZooError(f"{path}: not VGG-{depth}, which has no {name}")
            for name, shape in shapes.items():
                if name not in stored:
                    raise ZooError(f"{path}: lacks {name} of VGG-{depth}")
                if (found := tuple(file.get_slice(name).get_shape())) != shape:
                    raise ZooError(f"{path}: {name} of VGG-{depth} is {shape}, not {found}")
                tensors[name] = file.get_tensor(name).float()
    except SafetensorError as error:
        raise ZooError(f"{path}: not a whole safetensors file: {error}") from None
    return tensors
