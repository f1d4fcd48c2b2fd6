"""HomographyNet, from two pictures to a homography (https://arxiv.org/abs/1606.03798)."""

from __future__ import annotations

from zoo.base.registry import Architecture, lazy

ARCHITECTURE = Architecture(
    net="zoo.models.homographynet.net.HomographyNet",
    module="zoo.models.homographynet.module.HomographyNetModule",
    data="zoo.data.homography.HomographyPairs",
    predictor="zoo.models.homographynet.predict.Aligner",
    evaluate="zoo.models.homographynet.evaluate.evaluate",
    weights=("homographynet_free", "homographynet_photos", "homographynet_photos_classification"),
    task="homography estimation",
    pipeline_tag="keypoint-detection",  # the Hub has none for homographies; the answer is four points
    paper="https://arxiv.org/abs/1606.03798",
    input="two pictures of any sizes",
    example=(2, 128, 128),
    inputs=("a", "b"),
    result="zoo.pictures.homography.Homography",
    chain="zoo.pictures.panorama.panorama",
    page="homography",
)

__getattr__ = lazy(ARCHITECTURE)
