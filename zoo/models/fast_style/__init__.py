"""Fast neural style: one network for many styles (https://arxiv.org/abs/1610.07629)."""

from __future__ import annotations

from zoo.base.registry import Architecture, lazy

ARCHITECTURE = Architecture(
    net="zoo.models.fast_style.net.FastStyle",
    module="zoo.models.fast_style.module.FastStyleModule",
    data="zoo.data.crops.PictureCrops",
    predictor="zoo.models.fast_style.predict.Stylizer",
    evaluate="zoo.models.fast_style.evaluate.evaluate",
    weights=("fast_style",),
    task="style transfer",
    pipeline_tag="image-to-image",
    paper="https://arxiv.org/abs/1610.07629",
    input="RGB 0..1, any size",
    example=(3, 48, 64),
    video="styled",
    steady=True,
    page="style",
)

__getattr__ = lazy(ARCHITECTURE)
