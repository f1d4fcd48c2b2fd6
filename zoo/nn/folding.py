"""Batch norms folded into the convolutions before them, for networks that only predict from now on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
TOLERANCE = 1e-4  # of the largest output: what rounding may change


def fold_norms(net: nn.Module, infer: Callable[[Tensor], tuple[Tensor, ...]], example: Tensor) -> int:
    """Folds each batch norm into the convolution whose output it takes, which saves a pass over the memory.

    Where the outputs for the example would change by more than rounding, because something else takes a convolution's
    output too, nothing is folded.

    Args:
        net: network in eval mode.
        infer: its forward pass.
        example: an input, ``(B, C, H, W)``.

    Returns:
        The number of batch norms that were folded.
    """
    with torch.inference_mode():
        pairs, before = _pairs(net, lambda: infer(example))
        kept = {name: net.get_submodule(name) for pair in pairs for name in pair}
        for convolution, norm in pairs:
            _fold(net, convolution, norm)
        close = map(_close, infer(example), before)
        if not all(close):
            for name, module in kept.items():
                net.set_submodule(name, module)
            return 0
    return len(pairs)


def _close(after: Tensor, before: Tensor) -> bool:
    return bool((after - before).abs().max() <= TOLERANCE * before.abs().max().clamp_min(1))


def _pairs(net: nn.Module, run: Callable[[], Any]) -> tuple[list[tuple[str, str]], Any]:
    """Names of convolutions and the batch norms that take their outputs, each called once; and what ``run`` returns."""
    names = {module: name for name, module in net.named_modules()}
    made, calls, found = list[tuple[nn.Module, Tensor]](), list[nn.Module](), dict[nn.Module, nn.Module]()

    def convolved(module: nn.Module, _: Any, output: Tensor) -> None:
        made.append((module, output))
        calls.append(module)

    def normed(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls.append(module)
        found.update({source: module for source, output in made if output is inputs[0]})

    hooks = [module.register_forward_hook(convolved) for module in names if type(module) in CONVOLUTIONS]
    hooks += [module.register_forward_pre_hook(normed) for module in names if _is_norm(module)]
    try:
        result = run()
    finally:
        for hook in hooks:
            hook.remove()
    once = {module for module in calls if calls.count(module) == 1}
    return [(names[a], names[b]) for a, b in found.items() if {a, b} <= once], result


def _is_norm(module: nn.Module) -> bool:
    """Whether a module is a batch norm, or timm's with an activation."""
    return type(module) is nn.BatchNorm2d or (isinstance(module, nn.BatchNorm2d) and hasattr(module, "act"))


def _fold(net: nn.Module, convolution: str, norm: str) -> None:
    conv: Any = net.get_submodule(convolution)
    batch_norm: Any = net.get_submodule(norm)
    folded = fuse_conv_bn_eval(conv, batch_norm, transpose=isinstance(conv, nn.ConvTranspose2d))
    net.set_submodule(convolution, folded.to(memory_format=torch.channels_last))
    rest = [getattr(batch_norm, part) for part in ("drop", "act") if hasattr(batch_norm, part)]
    net.set_submodule(norm, nn.Sequential(*rest))
