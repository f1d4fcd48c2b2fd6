"""Batch norms folded into the convolutions before them, for networks that only predict from now on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
        seen = Watched.of(net, lambda: infer(example), _is_norm)
        kept = {name: net.get_submodule(name) for pair in seen.pairs.items() for name in pair}
        for convolution, norm in seen.pairs.items():
            _fold(net, convolution, norm)
        if not all(map(close, infer(example), seen.outputs)):
            for name, module in kept.items():
                net.set_submodule(name, module)
            return 0
    return len(seen.pairs)


def close(after: Tensor, before: Tensor) -> bool:
    """Whether outputs differ by no more than rounding."""
    return bool((after - before).abs().max() <= TOLERANCE * before.abs().max().clamp_min(1))


@dataclass(frozen=True)
class Watched:
    """What a run of a network shows.

    Args:
        convolutions: names of the convolutions that are called once.
        pairs: names of these convolutions, and of the module that takes the output and is called once, too.
        outputs: what the run returned.
    """

    convolutions: list[str]
    pairs: dict[str, str]
    outputs: Any

    @classmethod
    def of(cls, net: nn.Module, run: Callable[[], Any], follows: Callable[[nn.Module], bool]) -> Watched:
        """Runs a network.

        Args:
            net: the network.
            run: its forward pass.
            follows: whether to look at a module that takes the output of a convolution.
        """
        names = {module: name for name, module in net.named_modules()}
        made, calls, found = list[tuple[nn.Module, Tensor]](), list[nn.Module](), dict[nn.Module, nn.Module]()

        def convolved(module: nn.Module, _: Any, output: Tensor) -> None:
            made.append((module, output))
            calls.append(module)

        def followed(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            calls.append(module)
            found.update({source: module for source, output in made if output is inputs[0]})

        hooks = [module.register_forward_hook(convolved) for module in names if type(module) in CONVOLUTIONS]
        hooks += [module.register_forward_pre_hook(followed) for module in names if follows(module)]
        try:
            outputs = run()
        finally:
            for hook in hooks:
                hook.remove()
        once = {module for module in calls if calls.count(module) == 1}
        pairs = {names[a]: names[b] for a, b in found.items() if {a, b} <= once}
        return cls([names[conv] for conv, _ in made if conv in once], pairs, outputs)


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
