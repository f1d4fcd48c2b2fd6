"""LinkNet, semantic segmentation (https://arxiv.org/abs/1707.03718)."""

from __future__ import annotations

from zoo.base.registry import Architecture, lazy

ARCHITECTURE = Architecture(
    net="zoo.models.linknet.net.LinkNet",
    module="zoo.models.linknet.module.LinkNetModule",
    data="zoo.data.camvid.CamVid",
    predictor="zoo.models.linknet.predict.Segmenter",
    evaluate="zoo.models.linknet.evaluate.evaluate",
    weights=("linknet_camvid", "linknet_camvid_fine"),
    task="semantic segmentation",
    pipeline_tag="image-segmentation",
    paper="https://arxiv.org/abs/1707.03718",
    input="RGB 0..1, any size",
    example=(3, 48, 64),
    pretrained=("encoder_weights",),
    video="overlay",
    result="zoo.models.linknet.predict.Segmentation",
    page="segment",
)

__getattr__ = lazy(ARCHITECTURE)
