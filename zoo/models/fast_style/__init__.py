"""Fast neural style by an image transformation network (https://arxiv.org/abs/1603.08155)."""

from __future__ import annotations

from zoo.base.registry import Architecture, lazy

ARCHITECTURE = Architecture(
    net="zoo.models.fast_style.net.FastStyle",
    module="zoo.models.fast_style.module.FastStyleModule",
    data="zoo.data.crops.PictureCrops",
    predictor="zoo.models.fast_style.predict.Stylizer",
    evaluate="zoo.models.fast_style.evaluate.evaluate",
    weights=("fast_style_starry", "fast_style_wave"),
    task="style transfer",
    pipeline_tag="image-to-image",
    paper="https://arxiv.org/abs/1603.08155",
    input="RGB 0..1, any size",
    example=(3, 48, 64),
    video="styled",
)

__getattr__ = lazy(ARCHITECTURE)
