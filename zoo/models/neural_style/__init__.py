"""Neural style by optimisation (https://arxiv.org/abs/1508.06576)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.base.registry import Architecture, import_object

if TYPE_CHECKING:
    from zoo.models.neural_style.module import NeuralStyleModule
    from zoo.models.neural_style.net import NeuralStyle

__all__ = ["ARCHITECTURE", "NeuralStyle", "NeuralStyleModule"]

ARCHITECTURE = Architecture(
    net="zoo.models.neural_style.net.NeuralStyle",
    module="zoo.models.neural_style.module.NeuralStyleModule",
    data="zoo.data.style_pair.StylePair",
    evaluate="zoo.models.neural_style.evaluate.evaluate",
    weights=("neural_style",),
    task="style transfer",
    paper="https://arxiv.org/abs/1508.06576",
    input="RGB 0..1, 32 pixels a side or more",
)


def __getattr__(name: str) -> Any:
    """Imports a class when it is first asked for, because torch is slow to import."""
    if name == "NeuralStyle":
        return import_object(ARCHITECTURE.net)
    if name == "NeuralStyleModule":
        return import_object(ARCHITECTURE.module)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
