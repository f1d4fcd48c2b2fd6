"""The golden input and output of a model: one picture and the network's output for it, stored beside its weights.

Replaying them after loading shows that weights, code, torch and device compute what was published.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.base.errors import ZooError
from zoo.base.files import replace
from zoo.base.registry import architectures
from zoo.cards import stored
from zoo.cards.replay import COARSE, LIMIT, difference
from zoo.nn.mode import evaluating

FILE = "golden.safetensors"
TOLERANCE = 1e-3  # float16 rounds the stored output by up to 3e-4, and float32 by 1e-6 with another order of sums


def picture(channels: int, height: int, width: int) -> Tensor:
    """Discs and stripes on a slope, uint8 ``(1, C, H, W)``; each channel is darker and further to the left."""
    y = torch.linspace(0, 1, height).view(1, -1, 1)
    x = torch.linspace(0, width / height, width).view(1, 1, -1) + 0.04 * torch.arange(channels).view(-1, 1, 1)
    scene = 0.25 + 0.35 * y + 0.15 * torch.sin(9 * x + 4 * y)
    for row, column, radius, shade in ((0.3, 0.4, 0.2, 0.95), (0.65, 0.8, 0.26, 0.1), (0.45, 1.15, 0.12, 0.7)):
        inside = torch.sigmoid(60 * (radius - torch.hypot(y - row, x - column)))
        scene = scene + inside * (shade - scene)
    darker = 1 - 0.15 * torch.arange(channels).view(-1, 1, 1)
    return (255 * scene.clamp(0, 1) * darker).round().to(torch.uint8)[None]


def write(net: nn.Module, folder: Path, example: tuple[int, int, int]) -> dict[str, Any]:
    """Stores a picture and the network's output for it.

    Args:
        net: network in float32.
        folder: folder of the file.
        example: channels, height and width of the picture.

    Returns:
        File, SHA-256 and bytes: the entry "golden" of ``config.json``.

    Raises:
        ZooError: the output is not finite in float16, or the file is too large.
    """
    scene = picture(*example)
    output = _forward(net, scene).half().contiguous()
    content, described = stored.pack(FILE, {"input": scene, "output": output})
    if not output.isfinite().all():
        raise ZooError(f"{type(net).__name__}: its output for a picture is not finite in float16")
    if len(content) > LIMIT:
        raise ZooError(f"{FILE} would have {len(content)} bytes, more than {LIMIT}: declare a smaller example")
    replace(folder / FILE, content)
    return described


def check(net: nn.Module, folder: Path, config: Mapping[str, Any]) -> float:
    """Replays the golden input on the network's device.

    Args:
        net: loaded network in float32.
        folder: folder with the golden file.
        config: content of ``config.json``.

    Returns:
        The difference of :func:`zoo.cards.replay.difference`; 0 for an architecture without a forward pass.

    Raises:
        ZooError: the golden file is missing or a different one, or the output differs.
    """
    example = architectures()[config["architecture"]].example
    if example is None:
        return 0.0
    path = folder / FILE
    tensors = _read(path, config.get("golden"))
    if tuple(tensors["input"].shape) != (1, *example) or tensors["input"].dtype != torch.uint8:
        raise ZooError(f"{path}: refused, its input is not a picture of {' x '.join(map(str, example))} in uint8")
    have, want = (np.asarray(each) for each in (_forward(net, tensors["input"]), tensors["output"]))
    if have.shape != want.shape:
        raise ZooError(f"{path}: the output has the shape {have.shape}, the golden output {want.shape}")
    error = difference(have, want)
    allowed = TOLERANCE if _device(net).type == "cpu" else COARSE
    if not error <= allowed:  # NaN too
        raise ZooError(
            f"{path}: the output for its golden input differs by {100 * error:.3g} %, more than {allowed:.1%}\n"
            "weights, code or torch differ from those published, or this device computes something else"
        )
    return error


def _read(path: Path, entry: Any) -> dict[str, Tensor]:
    if not isinstance(entry, dict) or entry.get("file") != FILE:
        raise ZooError(f"{path.parent / 'config.json'} describes no {FILE}: this model cannot be checked")
    if path.is_file() and path.stat().st_size > LIMIT:
        raise ZooError(f"{path}: refused, it has more than {LIMIT} bytes")
    tensors = stored.read(path, entry)
    if set(tensors) != {"input", "output"} or tensors["output"].dtype not in (torch.float16, torch.float32):
        raise ZooError(f"{path}: refused, it must hold an input and an output in float16 or float32, and nothing else")
    return tensors


def _forward(net: nn.Module, input_: Tensor) -> Tensor:
    """The output for a picture, on the CPU; several outputs are joined into one, ``(1, N)``."""
    device = _device(net)
    with evaluating(net), torch.inference_mode(), torch.autocast(device.type, enabled=False):
        found = net(input_.to(device).float() / 255)
    output: Tensor = found if isinstance(found, Tensor) else torch.cat([each.flatten(1) for each in found], 1)
    return output.float().cpu()


def _device(net: nn.Module) -> torch.device:
    return next(chain(net.parameters(), net.buffers())).device
