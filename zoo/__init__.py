"""A zoo of vision architectures on Lightning. Importing it imports neither torch nor lightning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.base import __version__ as __version__

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from zoo.models.base import Model

__all__ = ["list_models", "load"]


def load(name: str | Path, *, device: str | torch.device = "cpu", check: bool = False) -> Model:
    """Loads a model with verified weights, a ``torch.nn.Module`` in eval mode whose ``predict`` takes pictures.

    Only safetensors and JSON are read, and the network is a class of this package, so that a stranger's model is safe
    to load. What is bundled or in the cache needs no connection.

    Args:
        name: a card ("linknet_camvid"); an architecture ("linknet", which is its first-listed card); the path of a
            folder with ``config.json`` and weights, or of a bundle that ``zoo bundle`` made; or a repository on the
            Hugging Face Hub ("user/name", or "user/name@revision": a branch, a tag, or at least 7 digits of a commit).
            Without a commit, the one that was found first is kept until ``zoo pull`` asks for the newest.
        device: where the network goes.
        check: whether the golden input of the model is replayed, which proves that the network answers on this machine
            as it did where it was published.

    Raises:
        ZooError: unknown name, no connection, files that are not what the Hub or ``config.json`` says, or a golden
            output that differs.
    """
    from zoo.cards import weights

    return weights.load(name, device=device, check=check)


def list_models(pattern: str = "*") -> list[str]:
    """Names of the models with weights that match a shell pattern such as ``"linknet*"``."""
    from zoo.base import registry

    return registry.card_names(pattern)
