"""Convolutions of oneDNN with their weights already in its layout, and with the activation after them.

By itself torch changes the layout of all weights at each call, takes another library for single pictures in a single
thread, and passes over the memory once more for each activation (`tests/benchmarks/packing.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn.folding import Watched, close

SHAPES = 4  # of inputs, for which a layer keeps its weights at the same time
ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}


class PackedConvolution(nn.Module):
    """A convolution, transposed or not, and the activation after it, for predictions on a CPU.

    ``(B, inputs, H, W)`` -> ``(B, outputs, H', W')``, in the type of the weights. Threads may share it.

    Args:
        conv: the convolution, on the CPU, with padding by zeros.
        activation: None, or one of :data:`ACTIVATIONS`.
        dtype: float32 or bfloat16, in which it computes.

    Raises:
        AttributeError: this torch lacks oneDNN.
    """

    def __init__(self, conv: Any, activation: nn.Module | None, dtype: torch.dtype) -> None:
        super().__init__()
        name, values = ("none", []) if activation is None else ACTIVATIONS[type(activation)]
        ops, transposed = torch.ops.mkldnn, isinstance(conv, nn.ConvTranspose2d)
        kind = "_transpose" if transposed else ""
        self._convolve = getattr(ops, f"_convolution{kind}_pointwise")
        self._reorder = getattr(ops, f"_reorder_convolution{kind}_weight")
        further = (conv.output_padding,) if transposed else ()
        self._settings = (conv.padding, *further, conv.stride, conv.dilation, conv.groups)
        self._after, self._dtype = (name, values, ""), dtype
        bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
        self.register_buffer("plain", conv.weight.detach(), persistent=False)  # tells the network's device and type
        self._plain, self._bias = conv.weight.detach().to(dtype), bias.to(dtype)
        self._packed: dict[torch.Size, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        weight = self._packed.get(x.shape)
        if weight is None:  # the best layout depends on the shape
            weight = self._reorder(self._plain, *self._settings, list(x.shape))
            others = [*self._packed.items()][1 - SHAPES :]
            self._packed = {**dict(others), x.shape: weight}  # at once, since threads share it
        return self._convolve(x.to(self._dtype), weight, self._bias, *self._settings, *self._after)


def pack_convolutions(
    net: nn.Module,
    infer: Callable[[Tensor], tuple[Tensor, ...]],
    example: Tensor,
    dtype: torch.dtype = torch.float32,
) -> int:
    """Packs each convolution of a network that only predicts on a CPU from now on, with the activation after it.

    Where the outputs for the example would change by more than rounding in float32, because something else takes a
    convolution's output too, or where oneDNN is missing, nothing is packed.

    Args:
        net: network in eval mode, on the CPU.
        infer: its forward pass.
        example: an input, ``(B, C, H, W)`` float32.
        dtype: float32, or bfloat16 to compute in it.

    Returns:
        The number of convolutions that were packed.
    """
    with torch.inference_mode():
        seen = Watched.of(net, lambda: infer(example), lambda module: type(module) in ACTIVATIONS)
        convolutions = [name for name in seen.convolutions if _fits(net.get_submodule(name))]
        pairs = {name: activation for name, activation in seen.pairs.items() if name in convolutions}
        kept = {name: net.get_submodule(name) for name in [*convolutions, *pairs.values()]}
        try:
            for kind in dict.fromkeys((torch.float32, dtype)):
                for name in convolutions:
                    packed = PackedConvolution(kept[name], kept.get(pairs.get(name, "")), kind)
                    net.set_submodule(name, packed)
                for name in pairs.values():
                    net.set_submodule(name, nn.Identity())
                if kind == torch.float32 and not all(map(close, infer(example), seen.outputs)):
                    raise RuntimeError("something else takes what a convolution gives")
        except (AttributeError, RuntimeError):
            for name, module in kept.items():
                net.set_submodule(name, module)
            return 0
    return len(convolutions)


def _fits(conv: Any) -> bool:
    plain = conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return plain and conv.weight.dtype == torch.float32 and conv.weight.device.type == "cpu"
