"""LinkNet, semantic segmentation (https://arxiv.org/abs/1707.03718)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.base.registry import Architecture, import_object

if TYPE_CHECKING:
    from zoo.models.linknet.module import LinkNetModule
    from zoo.models.linknet.net import LinkNet

__all__ = ["ARCHITECTURE", "LinkNet", "LinkNetModule"]

ARCHITECTURE = Architecture(
    net="zoo.models.linknet.net.LinkNet",
    module="zoo.models.linknet.module.LinkNetModule",
    data="zoo.data.camvid.CamVid",
    evaluate="zoo.models.linknet.evaluate.evaluate",
    weights=("linknet_camvid",),
    task="semantic segmentation",
    paper="https://arxiv.org/abs/1707.03718",
    input="RGB 0..1, any size",
    example=(3, 48, 64),
)


def __getattr__(name: str) -> Any:
    """Imports a class when it is first asked for, because torch is slow to import."""
    if name == "LinkNet":
        return import_object(ARCHITECTURE.net)
    if name == "LinkNetModule":
        return import_object(ARCHITECTURE.module)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
