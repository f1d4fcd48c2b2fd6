"""HomographyNet, from two pictures to a homography (https://arxiv.org/abs/1606.03798)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.base.registry import Architecture, import_object

if TYPE_CHECKING:
    from zoo.models.homographynet.module import HomographyNetModule
    from zoo.models.homographynet.net import HomographyNet

__all__ = ["ARCHITECTURE", "HomographyNet", "HomographyNetModule"]

ARCHITECTURE = Architecture(
    net="zoo.models.homographynet.net.HomographyNet",
    module="zoo.models.homographynet.module.HomographyNetModule",
    data="zoo.data.homography.HomographyPairs",
    evaluate="zoo.models.homographynet.evaluate.evaluate",
    weights=("homographynet_photos", "homographynet_photos_classification"),
    task="homography estimation",
    paper="https://arxiv.org/abs/1606.03798",
    input="two pictures of any sizes",
    pictures=2,
    example=(2, 128, 128),
)


def __getattr__(name: str) -> Any:
    """Imports a class when it is first asked for, because torch is slow to import."""
    if name == "HomographyNet":
        return import_object(ARCHITECTURE.net)
    if name == "HomographyNetModule":
        return import_object(ARCHITECTURE.module)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
