"""A throw-away architecture in a package of its own: a relief of a picture."""

from __future__ import annotations

from zoo.base.registry import Architecture, lazy

ARCHITECTURE = Architecture(
    net="zoo_relief.net.Relief",
    module="zoo_relief.module.ReliefModule",
    data="zoo.data.PictureCrops",
    predictor="zoo_relief.predict.Carver",
    evaluate="zoo_relief.evaluate.evaluate",
    weights=("relief_streets",),
    task="relief",
    pipeline_tag="image-to-image",
    paper="https://example.org/relief",
    input="RGB 0..1, any size",
    example=(3, 24, 32),
)

__getattr__ = lazy(ARCHITECTURE)
