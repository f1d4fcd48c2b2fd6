"""Super resolution by perceptual losses (https://arxiv.org/abs/1603.08155)."""

from __future__ import annotations

from zoo.base.registry import Architecture, lazy

ARCHITECTURE = Architecture(
    net="zoo.models.perceptual_sr.net.PerceptualSR",
    module="zoo.models.perceptual_sr.module.PerceptualSRModule",
    data="zoo.data.super_resolution.SuperResolutionPairs",
    predictor="zoo.models.perceptual_sr.predict.Upscaler",
    evaluate="zoo.models.perceptual_sr.evaluate.evaluate",
    weights=("perceptual_sr_photo", "perceptual_sr_pixel", "perceptual_sr_photo_x2"),
    task="super resolution",
    pipeline_tag="image-to-image",
    paper="https://arxiv.org/abs/1603.08155",
    input="RGB 0..1, any size; the output is as many times as large as the scale says, four by default",
    example=(3, 24, 32),
    video="enlarged",
    foreign="zoo.models.perceptual_sr.foreign.arguments_of",
    page="enlarge",
)

__getattr__ = lazy(ARCHITECTURE)
