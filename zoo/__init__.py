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
    """Loads a model with verified weights; its ``predict`` takes pictures.

    With the engine torch, the model is a ``torch.nn.Module`` in eval mode. The other engines need no torch and run an
    exported file. Only safetensors, JSON and ONNX are read, and the network is a class of this package, so that a
    stranger's model is safe to load. Bundled and cached models need no connection.

    Args:
        name: a card ("linknet_camvid"); an architecture ("linknet", which means its first-listed card); the path of a
            folder with ``config.json`` and weights, or of a bundle that ``zoo bundle`` made; a repository on the
            Hugging Face Hub ("user/name", or "user/name@revision": a branch, a tag, or at least 7 digits of a commit);
            or the path of a file that ``zoo export`` made ("linknet.onnx").
            Without a commit, the commit that was found first is kept until ``zoo pull`` asks for the newest.
        engine: library that computes: "torch", "onnx" (ONNX Runtime), "openvino" or "opencv". Default: the engine of
            an exported file, else torch if it is installed. The engines other than torch run the export in the
            model's card; if there is none, they export the model, which needs torch, and cache the file.
        device: device of the network, as the engine names it.
        check: whether to replay the golden input of the model, which proves that the network gives the same output on
            this machine as where it was published.

    Raises:
        ZooError: the name is unknown, there is no connection, a file differs from what the Hub or ``config.json`` says,
            the engine is not installed, or the golden output differs.
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
