"""The memory that an optimisation takes, estimated before it starts."""

from __future__ import annotations

import math

import torch

from zoo.base import memory
from zoo.nn.descent import HISTORY
from zoo.nn.vgg import WIDTHS, VGGFeatures

PLANES = 3 * (2 * HISTORY + 16)  # values per pixel: the history of L-BFGS, the picture, its gradient and copies
GRADIENT = 4  # outputs of the first layer that are in memory while its gradient is computed
FIXED = 200e6  # bytes of the convolutions' workspace


def check_memory(features: VGGFeatures, height: int, width: int, device: torch.device) -> float:
    """Estimates the memory that an optimisation takes, in bytes, and refuses more than is free.

    Raises:
        ZooError: too little memory is free; the message names a size that fits.
    """
    need = needed_bytes(features, height, width)
    fraction = min(max(memory.free_bytes(device) - FIXED, 0) / (need - FIXED), 1)
    fitting = math.floor(max(height, width) * math.sqrt(fraction) / 32) * 32
    way_out = f"make the picture smaller: --size {fitting} or size={fitting}" if fitting else "free some memory"
    memory.refuse_beyond(f"{width}x{height} pixels: neural style", [(need, device)], way_out)
    return need


def needed_bytes(features: VGGFeatures, height: int, width: int) -> float:
    """Float32 memory beside the weights: what VGG keeps for the gradient of its input, and the optimiser's history."""
    values, area = 0.0, 1.0
    for name in features.computed:
        if name.startswith("pool"):
            area /= 4
        if not name.startswith("relu") or name.replace("relu", "conv") in features.layers:  # else in place
            values += area * WIDTHS[int(name[4]) - 1]
        if name in features.layers:
            values += area * WIDTHS[int(name[4]) - 1]  # flattened for the Gram matrix, or the difference from content
    return FIXED + 4.0 * height * width * (values + GRADIENT * WIDTHS[0] + PLANES)
