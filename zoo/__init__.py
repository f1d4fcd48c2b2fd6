"""A zoo of vision architectures on Lightning. Importing it imports neither torch nor lightning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from zoo.base import __version__ as __version__

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from zoo.cards.exported import Exported
    from zoo.models.base import Model

__all__ = ["list_models", "load"]


@overload
def load(
    name: str | Path,
    *,
    engine: Literal["torch"] | None = None,
    device: str | torch.device = "cpu",
    check: bool = False,
) -> Model: ...
@overload
def load(
    name: str | Path, *, engine: Literal["onnx", "openvino", "opencv"], device: str = "cpu", check: bool = False
) -> Exported: ...
@overload
def load(
    name: str | Path, *, engine: str | None, device: str | torch.device = "cpu", check: bool = False
) -> Model | Exported: ...
def load(
    name: str | Path, *, engine: str | None = None, device: str | torch.device = "cpu", check: bool = False
) -> Model | Exported:
    """Loads a model with verified weights, whose ``predict`` takes pictures.

    Of torch that is a ``torch.nn.Module`` in eval mode; of the other engines, which need no torch, it calls what was
    exported. Only safetensors, JSON and ONNX are read, and the network is a class of this package, so that a stranger's
    model is safe to load. What is bundled or in the cache needs no connection.

    Args:
        name: a card ("linknet_camvid"); an architecture ("linknet", which is its first-listed card); the path of a
            folder with ``config.json`` and weights, or of a bundle that ``zoo bundle`` made; a repository on the
            Hugging Face Hub ("user/name", or "user/name@revision": a branch, a tag, or at least 7 digits of a commit);
            or the path of a file that ``zoo export`` made ("linknet.onnx").
            Without a commit, the one that was found first is kept until ``zoo pull`` asks for the newest.
        engine: what computes: "torch", "onnx" (ONNX Runtime), "openvino" or "opencv". By default a file's own, else
            torch where that is installed. Of a model they take the export that its card has, or else make one where
            torch is, and keep it in the cache.
        device: where the network goes, as the engine names it.
        check: whether the golden input of the model is replayed, which proves that the network answers on this machine
            as it did where it was published.

    Raises:
        ZooError: unknown name, no connection, files that are not what the Hub or ``config.json`` says, an engine that
            is not installed, or a golden output that differs.
    """
    from zoo.cards import exported

    if exported.engine_of(name, engine) != "torch":
        return exported.load(name, engine, str(device), check, _export_once)
    from zoo.cards import weights

    return weights.load(name, device=device, check=check)


def _export_once(name: str | Path) -> Path:
    """The path of a model's export in the cache."""
    from zoo.exports.cached import export_once

    return export_once(name)


def list_models(pattern: str = "*") -> list[str]:
    """Names of the models with weights that match a shell pattern such as ``"linknet*"``."""
    from zoo.base import registry

    return registry.card_names(pattern)
