"""Data sets and DataModules. Names are imported when asked for, since some need Lightning."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.data.camvid import CamVid as CamVid
    from zoo.data.crops import PictureCrops as PictureCrops
    from zoo.data.folder import SegmentationFolder as SegmentationFolder
    from zoo.data.homography import HomographyPairs as HomographyPairs
    from zoo.data.segmentation import SegmentationData as SegmentationData
    from zoo.data.street_scenes import StreetScenes as StreetScenes
    from zoo.data.style_pair import StylePair as StylePair
    from zoo.data.super_resolution import SuperResolutionPairs as SuperResolutionPairs
    from zoo.data.transforms import Augment as Augment
    from zoo.data.views import Views as Views

_HOMES = {
    "Augment": "zoo.data.transforms",
    "CamVid": "zoo.data.camvid",
    "HomographyPairs": "zoo.data.homography",
    "PictureCrops": "zoo.data.crops",
    "SegmentationData": "zoo.data.segmentation",
    "SegmentationFolder": "zoo.data.folder",
    "StreetScenes": "zoo.data.street_scenes",
    "StylePair": "zoo.data.style_pair",
    "SuperResolutionPairs": "zoo.data.super_resolution",
    "Views": "zoo.data.views",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
