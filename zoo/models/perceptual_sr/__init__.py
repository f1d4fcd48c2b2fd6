"""Super resolution by perceptual losses (https://arxiv.org/abs/1603.08155)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.base.registry import Architecture, import_object

if TYPE_CHECKING:
    from zoo.models.perceptual_sr.module import PerceptualSRModule
    from zoo.models.perceptual_sr.net import PerceptualSR

__all__ = ["ARCHITECTURE", "PerceptualSR", "PerceptualSRModule"]

ARCHITECTURE = Architecture(
    net="zoo.models.perceptual_sr.net.PerceptualSR",
    module="zoo.models.perceptual_sr.module.PerceptualSRModule",
    data="zoo.data.super_resolution.SuperResolutionPairs",
    evaluate="zoo.models.perceptual_sr.evaluate.evaluate",
    weights=("perceptual_sr", "perceptual_sr_pixel"),
    task="super resolution",
    paper="https://arxiv.org/abs/1603.08155",
    input="RGB 0..1, any size; the output is four times as large",
    example=(3, 24, 32),
)


def __getattr__(name: str) -> Any:
    """Imports a class when it is first asked for, because torch is slow to import."""
    if name == "PerceptualSR":
        return import_object(ARCHITECTURE.net)
    if name == "PerceptualSRModule":
        return import_object(ARCHITECTURE.module)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
