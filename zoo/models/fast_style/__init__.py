"""Fast neural style by an image transformation network (https://arxiv.org/abs/1603.08155)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.base.registry import Architecture, import_object

if TYPE_CHECKING:
    from zoo.models.fast_style.module import FastStyleModule
    from zoo.models.fast_style.net import FastStyle

__all__ = ["ARCHITECTURE", "FastStyle", "FastStyleModule"]

ARCHITECTURE = Architecture(
    net="zoo.models.fast_style.net.FastStyle",
    module="zoo.models.fast_style.module.FastStyleModule",
    data="zoo.data.crops.PictureCrops",
    evaluate="zoo.models.fast_style.evaluate.evaluate",
    weights=("fast_style_starry", "fast_style_wave"),
    task="style transfer",
    paper="https://arxiv.org/abs/1603.08155",
    input="RGB 0..1, any size",
    example=(3, 48, 64),
)


def __getattr__(name: str) -> Any:
    """Imports a class when it is first asked for, because torch is slow to import."""
    if name == "FastStyle":
        return import_object(ARCHITECTURE.net)
    if name == "FastStyleModule":
        return import_object(ARCHITECTURE.module)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
