"""XFeat, local features and the homography between two pictures (https://arxiv.org/abs/2404.19174)."""

from __future__ import annotations

from zoo.base.registry import Architecture, lazy

ARCHITECTURE = Architecture(
    net="zoo.models.xfeat.net.XFeat",
    module="zoo.models.xfeat.module.XFeatModule",
    data="zoo.data.views.Views",
    predictor="zoo.models.xfeat.predict.Matcher",
    evaluate="zoo.models.xfeat.evaluate.evaluate",
    weights=("xfeat_free",),
    task="local features and homography estimation",
    pipeline_tag="keypoint-detection",
    paper="https://arxiv.org/abs/2404.19174",
    input="two pictures of any sizes",
    example=(1, 96, 128),
    inputs=("a", "b"),
    result="zoo.pictures.homography.Homography",
    chain="zoo.pictures.panorama.panorama",
    page="features",
)

__getattr__ = lazy(ARCHITECTURE)
