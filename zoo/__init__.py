"""A zoo of vision architectures on Lightning. Importing it imports neither torch nor lightning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import torch

__version__ = "0.1.0"
__all__ = ["list_models", "load"]


def load(name: str | Path, *, device: str | torch.device = "cpu") -> torch.nn.Module:
    """Loads a network with verified weights, in eval mode.

    Args:
        name: a card ("linknet_camvid"), an architecture ("linknet", which is its first-listed card), or a folder with
            ``config.json`` and weights.
        device: where the network goes.

    Raises:
        ZooError: unknown name, or files that are not what ``config.json`` says.
    """
    from zoo import weights

    return weights.load(name, device=device)


def list_models(pattern: str = "*") -> list[str]:
    """Names of the models with weights that match a shell pattern such as ``"linknet*"``."""
    from zoo import registry

    return registry.card_names(pattern)
