"""Loads the network of a verb, as fast as it can be for what follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo import load
from zoo.base.errors import ZooError

if TYPE_CHECKING:
    from zoo.models.prediction import Predicts


def loaded(name: str, engine: Any, device: str, bfloat16: bool) -> Any:
    """A network by its name, computing in bfloat16 if that is wanted.

    Raises:
        ZooError: there is no such model, or it cannot compute in bfloat16 here.
    """
    net = load(name, engine=engine, device=device)
    if bfloat16:
        _use_bfloat16(net)
    return net


def _use_bfloat16(net: Any) -> None:
    """Lets torch's engine compute in bfloat16, or says why not."""
    if not hasattr(net.engine, "net") or net.declared.example is None:
        raise ZooError("--bfloat16 is for forward passes by the engine torch; leave it out")
    import torch

    from zoo.engines.torch import TorchEngine
    from zoo.nn.precision import native_bfloat16

    if not native_bfloat16(torch.device(net.engine.device)):
        raise ZooError(f"--bfloat16: {net.engine.device} does not compute in it natively; it would be slower")
    net.engine = TorchEngine(net, autocast=True)


def is_pure(net: Predicts, options: Mapping[str, Any]) -> bool:
    """Whether several threads can predict at a time: torch's forward pass, which is all that there is to it."""
    return "batch_size" in options and hasattr(net.engine, "net") and net.engine.device == "cpu"


def prepare(net: Any, bfloat16: bool) -> None:
    """Makes a network on a CPU, which only this command uses, faster for what follows."""
    import torch  # which computes

    from zoo.nn.cpu import keep_freed_memory
    from zoo.nn.folding import fold_norms
    from zoo.nn.packing import pack_convolutions

    keep_freed_memory()
    if (example := net.declared.example) is not None:
        picture = torch.rand(1, *example, generator=torch.Generator().manual_seed(0))
        fold_norms(net, net.infer, picture)
        pack_convolutions(net, net.infer, picture, torch.bfloat16 if bfloat16 else torch.float32)
